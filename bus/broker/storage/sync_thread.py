"""The one thread that waits for the journal's disk, so that the loop of the broker does not."""

import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path


def new_file(path: Path, data: bytes) -> int:
    """Make a file for appending that begins with these bytes; returns its fd. Raises OSError, and then leaves no file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        written = os.write(fd, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes of {path.name} were written, the disk is full")
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


class SyncThread:
    """Runs jobs that wait for the disk, in a thread. `failure` returns the error of a job."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._probes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._ended = False
        self.space: tuple[int, int] | None = None  # free and total bytes on the disk of the last sync, without the reserved ones
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)
        self._thread.start()

    def sync(self, fd: int, then: Callable[[], None] = lambda: None) -> None:
        """Sync a file, and then call `then`, unless the last sync is still under way."""
        if not self._busy.is_set():
            self._busy.set()
            self._jobs.put(lambda: self._sync(fd, then))

    def _sync(self, fd: int, then: Callable[[], None]) -> None:
        try:
            self._measure_space(fd)
            os.fdatasync(fd)
            then()
        finally:
            self._busy.clear()

    def _measure_space(self, fd: int) -> None:
        disk = os.fstatvfs(fd)
        used = disk.f_blocks - disk.f_bfree  # the share in use is that of `df`: reserved blocks count neither as free nor as used
        self.space = disk.f_bavail * disk.f_frsize, (used + disk.f_bavail) * disk.f_frsize

    def probe(self, fd: int) -> None:
        """Sync a file, to test whether its disk can be written; `probed` returns the result."""

        def job() -> None:
            try:
                self._measure_space(fd)
                os.fsync(fd)
            except OSError as error:
                self._probes.put(_text(error))
            else:
                self._probes.put("")

        self._jobs.put(job)

    def probed(self) -> str | None:
        """Return the error of a probe: empty if the disk can be written; None if the probe is under way."""
        try:
            return self._probes.get_nowait()
        except queue.Empty:
            return None

    def close(self, fd: int) -> None:
        """Sync and close a file."""

        def job() -> None:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

        self._jobs.put(job)

    def delete(self, *paths: Path, synced_first: int = -1) -> None:
        """Delete files; if an fd is given, only after its file is synced."""

        def job() -> None:
            if synced_first >= 0:
                os.fsync(synced_first)
            for path in paths:
                path.unlink(missing_ok=True)

        self._jobs.put(job)

    def do(self, job: Callable[[], None]) -> None:
        """Run another job that waits for the disk; an `OSError` of it does not count as a failure of the journal."""

        def quietly() -> None:
            with contextlib.suppress(OSError):
                job()

        self._jobs.put(quietly)

    def failure(self) -> str:
        """Return the first error since the last call; empty if there was none."""
        failures = []
        while not self._failures.empty():
            failures.append(self._failures.get_nowait())
        if not failures and not self._ended and not self._thread.is_alive():
            return "the thread that waits for the disk has ended"
        return failures[0] if failures else ""

    def end(self) -> None:
        """Finish the jobs and end the thread."""
        self._ended = True
        self._jobs.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - if the thread ended without a report, ticks would stay unsynced
                self._failures.put(_text(error))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically: the name always has the whole new content or the former one."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise

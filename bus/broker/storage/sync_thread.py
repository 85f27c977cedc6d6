"""The one thread that waits for the disk: the loop of the broker never does."""

import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path


def new_file(path: Path, data: bytes) -> int:
    """Make a file that is appended to, and begins with these bytes; returns its fd. Raises OSError, and leaves none then."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        written = os.write(fd, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes of {path.name} were taken, the disk is full")
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


class SyncThread:
    """The thread that waits for the disk, so that the loop never does. Whatever goes wrong in a job is told by `failure`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._probes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._ended = False
        self.space: tuple[int, int] | None = None  # bytes free for us, and free or in use, on the disk of the last sync
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)
        self._thread.start()

    def sync(self, fd: int, then: Callable[[], None] = lambda: None) -> None:
        """Have a file synced, and `then` done, unless the last sync is still under way."""
        if not self._busy.is_set():
            self._busy.set()
            self._jobs.put(lambda: self._sync(fd, then))

    def _sync(self, fd: int, then: Callable[[], None]) -> None:
        try:
            self._look(fd)
            os.fdatasync(fd)
            then()
        finally:
            self._busy.clear()

    def _look(self, fd: int) -> None:
        found = os.fstatvfs(fd)
        used = found.f_blocks - found.f_bfree  # the share in use is that of `df`: what is kept for others is no room of ours
        self.space = found.f_bavail * found.f_frsize, (used + found.f_bavail) * found.f_frsize

    def probe(self, fd: int) -> None:
        """Have a file synced, to see whether its disk is well: `probed` tells."""

        def job() -> None:
            try:
                self._look(fd)
                os.fsync(fd)
            except OSError as error:
                self._probes.put(_text(error))
            else:
                self._probes.put("")

        self._jobs.put(job)

    def probed(self) -> str | None:
        """Say what a probe found: empty if the disk is well; None if there is no answer yet."""
        try:
            return self._probes.get_nowait()
        except queue.Empty:
            return None

    def close(self, fd: int) -> None:
        """Have a file synced and closed."""

        def job() -> None:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

        self._jobs.put(job)

    def delete(self, *paths: Path, synced_first: int = -1) -> None:
        """Have files deleted; if an fd is given, not before that one's file is safe."""

        def job() -> None:
            if synced_first >= 0:
                os.fsync(synced_first)
            for path in paths:
                path.unlink(missing_ok=True)

        self._jobs.put(job)

    def do(self, job: Callable[[], None]) -> None:
        """Have something else done that waits for the disk; an `OSError` of it is no failure of the journal."""

        def quietly() -> None:
            with contextlib.suppress(OSError):
                job()

        self._jobs.put(quietly)

    def failure(self) -> str:
        """Say what failed first since the last look; empty if nothing did."""
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
            except Exception as error:  # noqa: BLE001 - a thread that ends in silence would leave ticks unsynced
                self._failures.put(_text(error))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that under its name there is the whole of it or what was there before."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise

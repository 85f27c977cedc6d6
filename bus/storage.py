"""The one thread that waits for the disk: the loop of the broker never does."""

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


class Storage:
    """The thread that waits for the disk, so that the loop never does. Whatever goes wrong in a job is told by `failure`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._probes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)
        self._thread.start()

    def sync(self, fd: int, then: Callable[[], None] = lambda: None) -> None:
        """Have a file synced, and `then` done, unless the last sync is still under way."""
        if not self._busy.is_set():
            self._busy.set()
            self._jobs.put(lambda: self._sync(fd, then))

    def _sync(self, fd: int, then: Callable[[], None]) -> None:
        try:
            os.fdatasync(fd)
            then()
        finally:
            self._busy.clear()

    def probe(self, fd: int) -> None:
        """Have a file synced, to see whether its disk is well: `probed` tells."""

        def job() -> None:
            try:
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

"""The one thread that waits for the disk: the loop of the broker never does."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path


class Storage:
    """The thread that waits for the disk, so that the loop never does."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)
        self._thread.start()

    def sync(self, fd: int) -> None:
        """Have a file synced, unless the last sync is still under way."""
        if not self._busy.is_set():
            self._busy.set()
            self._jobs.put(lambda: self._sync(fd))

    def _sync(self, fd: int) -> None:
        try:
            os.fdatasync(fd)
        finally:
            self._busy.clear()

    def close(self, fd: int) -> None:
        """Have a file synced and closed."""

        def job() -> None:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

        self._jobs.put(job)

    def delete(self, *paths: Path) -> None:
        """Have files deleted."""

        def job() -> None:
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
        """Say what failed since the last look; empty if nothing did."""
        try:
            return self._failures.get_nowait()
        except queue.Empty:
            return ""

    def end(self) -> None:
        """Finish the jobs and end the thread."""
        self._jobs.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:
                self._failures.put(f"{type(error).__name__}: {error}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that under its name there is the whole of it or what was there before."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise

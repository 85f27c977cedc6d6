"""The files of checkpoints, `<home>/displays/<display>.ckpt`, and the thread that writes them: the worker waits for no disk.

A file is written in full beside the old one and then replaces it, so a reader finds one of both. It is not synced: after a power
cut it may be incomplete, and is then refused. At most one checkpoint waits to be written; the caller offers the next one later.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote

ENDING, UNFINISHED = ".ckpt", ".tmp"
MOST_BYTES = 1 << 24  # of a file that is read; the largest state has about 3 MB
FORGOTTEN_S = 60.0  # an unfinished file of this age has no writer any more


class CheckpointFiles:
    """The checkpoints of one home folder, as one process reads and writes them.

    Args:
        folder: created when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed = 0  # files that could not be written or removed
        self.why = ""  # the last failure
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def _path(self, display: str) -> Path:
        return self.folder / f"{quote(display, safe='')}{ENDING}"

    def load(self, display: str) -> bytes | None:
        """Read the file of a display; None if it does not exist or cannot be read."""
        try:
            with self._path(display).open("rb") as file:
                return file.read(MOST_BYTES)
        except OSError:
            return None

    def save(self, display: str, data: bytes) -> bool:
        """Write a checkpoint in the thread; false if the previous one is still being written."""
        if self._busy.is_set():
            return False
        self._busy.set()

        def job() -> None:
            try:
                self._write(display, data)
            finally:
                self._busy.clear()

        self._jobs.put(job)
        return True

    def _write(self, display: str, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(display)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
        try:
            fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            unfinished.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    def drop(self, displays: Collection[str]) -> None:
        """Remove the checkpoints of displays, in the thread."""
        paths = [self._path(display) for display in displays]

        def job() -> None:
            for path in paths:
                path.unlink(missing_ok=True)

        self._jobs.put(job)

    def sweep(self, known: Collection[str]) -> None:
        """Remove the files of all other displays, in the thread; files that are no checkpoints stay."""
        kept = {self._path(display).name for display in known}

        def job() -> None:
            for path in self.folder.glob(f"*{ENDING}"):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
            for path in self.folder.glob(f"*{ENDING}.*{UNFINISHED}"):
                with contextlib.suppress(FileNotFoundError):  # another worker has just finished it
                    if time.time() - path.stat().st_mtime > FORGOTTEN_S:
                        path.unlink()

        self._jobs.put(job)

    def flush(self, until: float) -> bool:
        """Wait until the last checkpoint is written, or until a time in monotonic seconds; true if it is written."""
        while self._busy.is_set() and time.monotonic() < until:
            time.sleep(0.001)
        return not self._busy.is_set()

    def end(self, within_s: float) -> None:
        """Finish the pending writes; wait at most `within_s` seconds."""
        self._jobs.put(None)
        self._thread.join(within_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:
                self.failed, self.why = self.failed + 1, f"{type(error).__name__}: {error}"

"""The thread that compresses and archives segments, one at a time, with pauses: ticks and replays come first.

Reading, writing and compressing release the interpreter's lock, so the loop waits for this thread only for microseconds. A lower
priority would be worse: a thread that is not scheduled while it holds that lock holds up the loop.
"""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hulak.bus.broker.storage.segment_jobs import Pause, Stopped

REST = 3.0  # times as long as it works, the thread rests: a quarter of one processor at most
LEAST_S = 0.002  # of work before a rest
SegmentJob = Callable[[Pause], Path]


class UpkeepThread:
    """Runs one job at a time; started by the first one."""

    def __init__(self) -> None:
        self.busy = False  # until the result was taken
        self._jobs: queue.SimpleQueue[SegmentJob | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Path | str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._since = 0.0

    def start(self, job: SegmentJob) -> None:
        """Begin a job; only while `busy` is false."""
        self.busy = True
        if not self._thread.is_alive():
            self._thread.start()
        self._jobs.put(job)

    def result(self) -> Path | str | None:
        """Return the path that the job has made, or why it failed; None while it is under way, or if there is none."""
        try:
            result = self._results.get_nowait()
        except queue.Empty:
            return None
        self.busy = False
        return result

    def end(self) -> None:
        """Stop the job that is under way, and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join(10)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._since = time.monotonic()
            try:
                self._results.put(job(self._pause))
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - the segment stays as it is
                self._results.put(f"{error or type(error).__name__}")

    def _pause(self) -> None:
        worked_s = time.monotonic() - self._since
        if self._stop.is_set():
            raise Stopped
        if worked_s >= LEAST_S:
            self._stop.wait(worked_s * REST)
            self._since = time.monotonic()

"""The memory and CPU that this process uses."""

import contextlib
import time

import psutil


class Usage:
    """Memory and CPU of this process; the last known memory while no descriptor is left to read it."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._rss_bytes = self._process.memory_info().rss

    def rss_bytes(self) -> int:
        """Return the resident memory in bytes."""
        with contextlib.suppress(OSError, psutil.Error):
            self._rss_bytes = self._process.memory_info().rss
        return self._rss_bytes

    def cpu_s(self) -> float:
        """Return the seconds of CPU used since the start."""
        return round(time.process_time(), 3)

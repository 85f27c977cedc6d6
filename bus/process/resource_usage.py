"""What this process uses of the machine."""

import contextlib
import time

import psutil


class Usage:
    """Memory and CPU of this process, also while it has no descriptor left to ask the kernel by: then as they were."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._rss_bytes = self._process.memory_info().rss

    def rss_bytes(self) -> int:
        """Give the memory that it has resident."""
        with contextlib.suppress(OSError, psutil.Error):
            self._rss_bytes = self._process.memory_info().rss
        return self._rss_bytes

    def cpu_s(self) -> float:
        """Give the seconds of CPU that it has used since its start."""
        return round(time.process_time(), 3)

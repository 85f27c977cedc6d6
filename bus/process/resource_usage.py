"""The memory and CPU that this process uses, and when it started."""

import contextlib
import os
import time
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
STATM = Path("/proc/self/statm")  # proc(5): its second number is the resident memory in pages
STAT = Path("/proc/self/stat")  # likewise: field 22 is the start in ticks since the boot, and field 2 may have any characters
START_FIELD = 22


class Usage:
    """Memory and CPU of this process; the last known memory while no descriptor is left to read it."""

    def __init__(self) -> None:
        self._rss_bytes = 0
        self.rss_bytes()

    def rss_bytes(self) -> int:
        """Return the resident memory in bytes."""
        with contextlib.suppress(OSError):
            self._rss_bytes = int(STATM.read_bytes().split()[1]) * PAGE_BYTES
        return self._rss_bytes

    def cpu_s(self) -> float:
        """Return the seconds of CPU used since the start."""
        return round(time.process_time(), 3)


def started_ns() -> int:
    """Return when this process started, in ns since 1970 by the clock of now, in steps of 10 ms."""
    fields = STAT.read_bytes().rpartition(b")")[2].split()  # those from field 3 on
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(fields[START_FIELD - 3]) * TICK_NS
    return time.time_ns() - age_ns

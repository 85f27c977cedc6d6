"""How each process's CPU, memory and restarts go, from its reports. Pure, and of a bounded size."""

import statistics
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOOK_S = 0.5  # shortest time over which CPU time is divided; reports may come at once after each other
POINT_S = 10.0  # between two points of the memory's line
POINTS = 60  # so the line is of the last ten minutes
LEAST_POINTS = 7  # a line through fewer says nothing: a process that has just started only grows


@dataclass(slots=True)
class Trend:
    """One process, and those that had its place before it."""

    pid: int = 0
    restarts: int = 0  # seen: another pid in the same place
    cores: float | None = None  # CPU seconds per second, newest
    rss_per_min: float | None = None  # bytes; None until there are enough points
    _cpu: tuple[float, float] | None = None  # when, CPU seconds
    _points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=POINTS))  # when, bytes

    def take(self, now: float, pid: int, values: Mapping[str, Any]) -> None:
        """Take a report: `cpu_s` (CPU seconds since the process's start) and `rss_bytes`, where it has them.

        Args:
            now: monotonic seconds.
            pid: of the process.
            values: of the report.
        """
        if pid != self.pid:
            self.restarts += self.pid != 0
            self.pid, self.cores, self.rss_per_min, self._cpu = pid, None, None, None
            self._points.clear()
        cpu_s, rss = values.get("cpu_s"), values.get("rss_bytes")
        if isinstance(cpu_s, int | float):
            self._take_cpu(now, cpu_s)
        if isinstance(rss, int | float) and (not self._points or now - self._points[-1][0] >= POINT_S):
            self._points.append((now, rss))
            if len(self._points) >= LEAST_POINTS:
                self.rss_per_min = round(60 * statistics.linear_regression(*zip(*self._points, strict=True)).slope)

    def _take_cpu(self, now: float, cpu_s: float) -> None:
        if self._cpu is None:
            self._cpu = now, cpu_s
        elif now - self._cpu[0] >= LOOK_S:
            self.cores = round(max(0.0, cpu_s - self._cpu[1]) / (now - self._cpu[0]), 3)
            self._cpu = now, cpu_s

    def told(self) -> dict[str, Any]:
        """Say what there is to say of `cores`, `rss_per_min` (bytes) and `restarts`."""
        found = {"cores": self.cores, "rss_per_min": self.rss_per_min, "restarts": self.restarts or None}
        return {name: value for name, value in found.items() if value is not None}


class Trends:
    """The trends of all places; a process that ended leaves its own behind for the one that comes after it.

    Args:
        limit: places remembered; beyond it the one not heard of for longest is forgotten.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._trends: OrderedDict[tuple[str, str], Trend] = OrderedDict()

    def take(self, now: float, kind: str, name: str, pid: int, values: Mapping[str, Any]) -> None:
        """Take a report."""
        place = _place(kind, name)
        trend = self._trends.setdefault(place, Trend())
        self._trends.move_to_end(place)
        trend.take(now, pid, values)
        if len(self._trends) > self._limit:
            self._trends.popitem(last=False)

    def told(self, kind: str, name: str) -> dict[str, Any]:
        """Say how a process goes."""
        return self._trends.get(_place(kind, name), Trend()).told()


def _place(kind: str, name: str) -> tuple[str, str]:
    """Find the place that outlives a process: workers of a supervisor's slot are named `nepse_00/4711`, with their pid."""
    return kind, name.partition("/")[0]

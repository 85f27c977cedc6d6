"""Trends of each process's CPU, memory and restarts, from its reports. Pure, and of a bounded size."""

import math
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

SPAN_S = 0.5  # shortest time over which CPU time is averaged; reports may come in quick succession
POINT_S = 10.0  # between two points of memory's trend
POINTS = 60  # so the trend covers the last ten minutes
SILENT_S = 1.2  # a process reports each second: a longer silence means that it has ended, when another process comes
SURE_S = 5.0  # the same when no new process comes: a short pause does not count as an end
SUCCEEDS_S = 30.0  # a process that comes within this time after another one left replaces it
MOST_REMEMBERED = 64  # processes remembered in one place
MOST = 1e18  # bytes or seconds: no process has as many
LEAST_POINTS = 7  # fewer give no trend: the memory of a process that has just started only grows


@dataclass(slots=True)
class ProcessTrend:
    """The trend of one process; another process of its name starts again."""

    pid: int = 0
    cores: float | None = None  # CPU seconds per second, newest
    rss_per_min: float | None = None  # bytes; None until there are enough points
    _cpu: tuple[float, float] | None = None  # when, CPU seconds
    _points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=POINTS))  # when, bytes

    def take(self, now: float, pid: int, values: Mapping[str, Any]) -> None:
        """Record a report: `cpu_s` (CPU seconds since the process's start) and `rss_bytes`, where it has them.

        Args:
            now: monotonic seconds.
            pid: of the process.
            values: of the report.
        """
        if pid != self.pid:
            self.pid, self.cores, self.rss_per_min, self._cpu = pid, None, None, None
            self._points.clear()
        cpu_s, rss = values.get("cpu_s"), values.get("rss_bytes")
        if _is_amount(cpu_s):
            self._take_cpu(now, cpu_s)
        if _is_amount(rss) and (not self._points or now - self._points[-1][0] >= POINT_S):
            self._points.append((now, rss))
            if len(self._points) >= LEAST_POINTS:
                self.rss_per_min = round(60 * _slope(self._points))

    def _take_cpu(self, now: float, cpu_s: float) -> None:
        if self._cpu is None:
            self._cpu = now, cpu_s
        elif now - self._cpu[0] >= SPAN_S:
            self.cores = round(max(0.0, cpu_s - self._cpu[1]) / (now - self._cpu[0]), 3)
            self._cpu = now, cpu_s

    def as_dict(self) -> dict[str, Any]:
        """Return the known ones of `cores` and `rss_per_min` (bytes)."""
        values = {"cores": self.cores, "rss_per_min": self.rss_per_min}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(slots=True)
class RestartCount:
    """The number of unclean restarts at one place: processes that replaced one that ended without leaving.

    A worker is named `nepse_00/4711`, slot and pid, or `nepse/4711` if it was started by hand; several of the latter share one
    place. A process replaces another one if the other's last report was before the process came. That may be found only later,
    since supervisord restarts faster than silence is noticed. A process replaces one other only.
    """

    restarts: int = 0
    reported: dict[int, tuple[str, float]] = field(default_factory=dict)  # pid -> name, when
    fresh: dict[int, float] = field(default_factory=dict)  # pid -> when it came; processes that have replaced no other so far
    left_at: float = -math.inf  # last report of a process that left, until another one replaces it

    def record(self, now: float, name: str, pid: int) -> list[str]:
        """Record a report of a process of this place; return the names of the processes that were replaced."""
        silent_s = SURE_S if pid in self.reported else SILENT_S
        if pid not in self.reported:
            if len(self.reported) >= MOST_REMEMBERED:
                self.forget(next(iter(self.reported)))
            if now - self.left_at >= SUCCEEDS_S:
                self.fresh[pid] = now
            self.left_at = -math.inf
        self.reported[pid] = name, now
        succeeded = []
        for old, (named, at) in list(self.reported.items()):
            gone = now - at >= silent_s or (named == name and old != pid)  # one name is one process
            new = (
                next((candidate for candidate, came in self.fresh.items() if candidate != old and came >= at), None)
                if gone
                else None
            )
            if new is not None:
                self.restarts += 1
                del self.fresh[new]
                self.forget(old)
                succeeded.append(named)
        return succeeded

    def leave(self, pid: int) -> None:
        """Record that a process left: the next one replaces it."""
        if pid in self.reported:
            self.left_at = self.reported[pid][1]
        self.forget(pid)

    def forget(self, pid: int) -> None:
        """Expect no replacement of this process any more."""
        self.reported.pop(pid, None)
        self.fresh.pop(pid, None)


class ProcessTrends:
    """The trends of all processes, and the restarts of all places.

    Args:
        limit: of processes, and of places; beyond it the one whose last report is oldest is forgotten.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._trends: OrderedDict[tuple[str, str], ProcessTrend] = OrderedDict()
        self._places: OrderedDict[tuple[str, str], RestartCount] = OrderedDict()

    def take(self, now: float, kind: str, name: str, pid: int, values: Mapping[str, Any]) -> list[str]:
        """Record a report; return the names of the processes that were replaced."""
        trend = self._trends.setdefault((kind, name), ProcessTrend())
        place = self._places.setdefault(_place(kind, name), RestartCount())
        trend.take(now, pid, values)
        gone = place.record(now, name, pid)
        self._trends.move_to_end((kind, name))
        self._places.move_to_end(_place(kind, name))
        for kept in (self._trends, self._places):
            if len(kept) > self._limit:
                kept.popitem(last=False)
        return gone

    def leave(self, kind: str, name: str, pid: int) -> None:
        """Record that a process left: its replacement is no unclean restart."""
        place = self._places.get(_place(kind, name))
        if place is not None:
            place.leave(pid)

    def as_dict(self, kind: str, name: str) -> dict[str, Any]:
        """Return a process's trends; `restarts` only if there were any."""
        restarts = self._places.get(_place(kind, name), RestartCount()).restarts
        return {**self._trends.get((kind, name), ProcessTrend()).as_dict(), **({"restarts": restarts} if restarts else {})}


def _is_amount(value: Any) -> TypeGuard[float]:
    """Return whether it is a number that can be summed: neither infinite nor too large."""
    return isinstance(value, int | float) and -MOST <= value <= MOST


def _slope(points: Collection[tuple[float, float]]) -> float:
    """Fit a line through (x, y) by least squares; return its slope."""
    x = sum(at for at, _ in points) / len(points)
    y = sum(value for _, value in points) / len(points)
    return sum((at - x) * (value - y) for at, value in points) / sum((at - x) ** 2 for at, _ in points)


def _place(kind: str, name: str) -> tuple[str, str]:
    return kind, name.partition("/")[0]

"""How each process's CPU, memory and restarts go, from its reports. Pure, and of a bounded size."""

import math
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

LOOK_S = 0.5  # shortest time over which CPU time is divided; reports may come at once after each other
POINT_S = 10.0  # between two points of the memory's line
POINTS = 60  # so the line is of the last ten minutes
SILENT_S = 1.2  # a process reports each second: one that has been silent for longer when another one comes has ended
SURE_S = 5.0  # the same where nobody comes now: one that merely stumbles is not to be taken for ended
SUCCEEDS_S = 30.0  # one that comes within this time of a goodbye has come for who left
MOST_HEARD = 64  # processes remembered in one place
MOST = 1e18  # bytes or seconds: no process has as many
LEAST_POINTS = 7  # a line through fewer says nothing: a process that has just started only grows


@dataclass(slots=True)
class ProcessTrend:
    """One process; another one of its name begins anew."""

    pid: int = 0
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
        elif now - self._cpu[0] >= LOOK_S:
            self.cores = round(max(0.0, cpu_s - self._cpu[1]) / (now - self._cpu[0]), 3)
            self._cpu = now, cpu_s

    def told(self) -> dict[str, Any]:
        """Say what there is to say of `cores` and `rss_per_min` (bytes)."""
        found = {"cores": self.cores, "rss_per_min": self.rss_per_min}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(slots=True)
class RestartCount:
    """What outlives a process: how often another one came for one that ended without a goodbye.

    A worker is named `nepse_00/4711`, slot and pid, or `nepse/4711` if it was started by hand; so several of the latter live in
    one place. One has come for another if that one's last report was before it came, which may show only later, since
    supervisord starts anew faster than silence is noticed. It has come for one only.
    """

    restarts: int = 0
    heard: dict[int, tuple[str, float]] = field(default_factory=dict)  # pid -> name, when
    fresh: dict[int, float] = field(default_factory=dict)  # pid -> when it came; those that have come for nobody so far
    left_at: float = -math.inf  # last report of one that said goodbye, as long as nobody has come for it

    def hear(self, now: float, name: str, pid: int) -> list[str]:
        """Note that a process of this place reports; returns the names of those that another one has come for."""
        silent_s = SURE_S if pid in self.heard else SILENT_S
        if pid not in self.heard:
            if len(self.heard) >= MOST_HEARD:
                self.forget(next(iter(self.heard)))
            if now - self.left_at >= SUCCEEDS_S:
                self.fresh[pid] = now
            self.left_at = -math.inf
        self.heard[pid] = name, now
        succeeded = []
        for old, (named, at) in list(self.heard.items()):
            gone = now - at >= silent_s or (named == name and old != pid)  # one name is one process
            new = next((one for one, came in self.fresh.items() if one != old and came >= at), None) if gone else None
            if new is not None:
                self.restarts += 1
                del self.fresh[new]
                self.forget(old)
                succeeded.append(named)
        return succeeded

    def leave(self, pid: int) -> None:
        """Note a goodbye: who comes next has come for this one."""
        if pid in self.heard:
            self.left_at = self.heard[pid][1]
        self.forget(pid)

    def forget(self, pid: int) -> None:
        """Expect nobody in the place of this process any more."""
        self.heard.pop(pid, None)
        self.fresh.pop(pid, None)


class ProcessTrends:
    """The trends of all processes, and the restarts of all places.

    Args:
        limit: of either that are remembered; beyond it the one not heard of for longest is forgotten.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._trends: OrderedDict[tuple[str, str], ProcessTrend] = OrderedDict()
        self._places: OrderedDict[tuple[str, str], RestartCount] = OrderedDict()

    def take(self, now: float, kind: str, name: str, pid: int, values: Mapping[str, Any]) -> list[str]:
        """Take a report; returns the names of those that another one is found to have come for."""
        trend = self._trends.setdefault((kind, name), ProcessTrend())
        place = self._places.setdefault(_place(kind, name), RestartCount())
        trend.take(now, pid, values)
        gone = place.hear(now, name, pid)
        self._trends.move_to_end((kind, name))
        self._places.move_to_end(_place(kind, name))
        for kept in (self._trends, self._places):
            if len(kept) > self._limit:
                kept.popitem(last=False)
        return gone

    def leave(self, kind: str, name: str, pid: int) -> None:
        """Note a goodbye: who comes next has not come for one that failed."""
        place = self._places.get(_place(kind, name))
        if place is not None:
            place.leave(pid)

    def told(self, kind: str, name: str) -> dict[str, Any]:
        """Say how a process goes; `restarts` only where there were any."""
        restarts = self._places.get(_place(kind, name), RestartCount()).restarts
        return {**self._trends.get((kind, name), ProcessTrend()).told(), **({"restarts": restarts} if restarts else {})}


def _is_amount(value: Any) -> TypeGuard[float]:
    """Tell whether it is a number that can be reckoned with: neither infinite nor so large that sums of it are."""
    return isinstance(value, int | float) and -MOST <= value <= MOST


def _slope(points: Collection[tuple[float, float]]) -> float:
    """Fit a line through (x, y) by least squares; return how much y grows for 1 of x."""
    x = sum(at for at, _ in points) / len(points)
    y = sum(value for _, value in points) / len(points)
    return sum((at - x) * (value - y) for at, value in points) / sum((at - x) ** 2 for at, _ in points)


def _place(kind: str, name: str) -> tuple[str, str]:
    return kind, name.partition("/")[0]

"""Counts and latencies, small enough to be kept for ever. Pure.

A histogram has four buckets per doubling (at most 19 % wide), so a quantile is read off within that; it keeps two windows, and
quantiles speak of both, so of the last one to two window lengths.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bus.core.trends import Trends

PER_DOUBLING = 4
SILENT_S = 10.0
EXPONENTS = range(5, 25)
BOUNDS = tuple(2.0**exponent for exponent in EXPONENTS)  # of `totals`: 32 µs to 17 s, where values are microseconds


class Histogram:
    """How values above 0 spread, over the last one to two windows.

    Args:
        window_s: length of a window in seconds.
        now: monotonic seconds.
    """

    def __init__(self, window_s: float, now: float) -> None:
        self.window_s = window_s
        self._since = now
        self._now: Counter[int] = Counter()
        self._before: Counter[int] = Counter()
        self._largest = [0.0, 0.0]
        self._sum = 0.0
        self._over: Counter[int] = Counter()  # of all windows that are over

    def add(self, value: float, now: float) -> None:
        """Count one value, in any unit; what is not above 0 counts as the smallest."""
        if now - self._since >= self.window_s:
            self._turn(now)
        self._now[math.ceil(math.log2(value) * PER_DOUBLING) if value > 1 else 0] += 1
        self._largest[0] = max(self._largest[0], value)
        self._sum += value

    def _turn(self, now: float) -> None:
        stale = now - self._since >= 2 * self.window_s
        self._over.update(self._now)
        self._before = Counter() if stale else self._now
        self._now = Counter()
        self._largest = [0.0, 0.0 if stale else self._largest[0]]
        self._since = now

    def quantiles(self, now: float, wanted: Iterable[float] = (0.5, 0.99)) -> dict[str, float] | None:
        """Return `{"p50": .., "p99": .., "max": .., "count": ..}` in the values' unit; None if there are none."""
        if now - self._since >= self.window_s:
            self._turn(now)
        both = self._now + self._before
        count = both.total()
        if not count:
            return None
        largest = max(self._largest)
        answer = {f"p{share * 100:g}": min(_at(both, share * count), largest or 1.0) for share in wanted}
        return {**answer, "max": largest, "count": float(count)}

    def totals(self) -> dict[str, Any]:
        """Count all values since the start, as a histogram that can be added up over processes and times.

        Returns:
            `count`; `sum_us`, in the values' unit; `le`, how many were at most each of `BOUNDS`.
        """
        both = self._over + self._now
        at_most = [sum(count for bucket, count in both.items() if bucket <= bound * PER_DOUBLING) for bound in EXPONENTS]
        return {"count": both.total(), "sum_us": round(self._sum, 3), "le": at_most}


def _at(buckets: Counter[int], rank: float) -> float:
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            break
    return float(2.0 ** (bucket / PER_DOUBLING))


@dataclass(slots=True)
class Report:
    """What one process told last about itself."""

    kind: str  # feed, worker, ...
    name: str
    pid: int
    values: dict[str, Any]
    at: float  # monotonic seconds


@dataclass(slots=True)
class Reports:
    """The last report of each process. One that falls silent, frozen or dead, is told of until another one comes for it.

    Args:
        keep_s: silence after which it is forgotten all the same.
        limit: of processes; where there is no room, one that has been silent for `SILENT_S` makes room.
    """

    keep_s: float = 600.0
    limit: int = 256
    last: dict[tuple[str, str], Report] = field(default_factory=dict)
    trends: Trends = field(default_factory=Trends)

    def take(self, now: float, kind: str, name: str, pid: int, values: dict[str, Any]) -> bool:
        """Keep a report; False if there are too many processes to keep one more."""
        self._forget(now)
        if (kind, name) not in self.last and len(self.last) >= self.limit and not self._make_room(now):
            return False
        self.last[kind, name] = Report(kind, name, pid, values, now)
        for gone in self.trends.take(now, kind, name, pid, values):
            if gone != name:
                self.last.pop((kind, gone), None)
        return True

    def _make_room(self, now: float) -> bool:
        key = min(self.last, key=lambda one: self.last[one].at)
        is_silent = now - self.last[key].at > SILENT_S
        if is_silent:
            del self.last[key]
        return is_silent

    def leave(self, kind: str, name: str, pid: int) -> None:
        """Forget a process that has said goodbye; one of the same name that came after it stays."""
        report = self.last.get((kind, name))
        if report is not None and report.pid == pid:
            del self.last[kind, name]
            self.trends.leave(kind, name, pid)

    def rows(self, now: float) -> list[dict[str, Any]]:
        """List all that are not forgotten, with their age in seconds and their trends."""
        self._forget(now)
        return [
            {
                **one.values,
                **self.trends.told(one.kind, one.name),
                "kind": one.kind,
                "name": one.name,
                "pid": one.pid,
                "age_s": round(now - one.at, 3),
            }
            for one in self.last.values()
        ]

    def _forget(self, now: float) -> None:
        for key in [key for key, report in self.last.items() if now - report.at > self.keep_s]:
            del self.last[key]


class Rate:
    """How fast a counter grows, per second, between two looks."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._count = 0
        self.per_s = 0.0

    def look(self, count: int, now: float) -> float:
        """Return the growth per second since the last look; looks at the same moment change nothing."""
        if now > self._at:
            self.per_s = (count - self._count) / (now - self._at)
            self._at, self._count = now, count
        return self.per_s

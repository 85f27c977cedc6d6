"""Counts and latencies, small enough to be kept for ever. Pure.

A histogram has four buckets per doubling (at most 19 % wide), so a quantile is read off within that; it keeps two windows, and
quantiles speak of both, so of the last one to two window lengths.
"""

from dataclasses import dataclass, field
from typing import Any

from hulak.bus.core.process_trends import ProcessTrends
from hulak.bus.wire.names import SILENT_S


@dataclass(slots=True)
class ProcessReport:
    """What one process told last about itself."""

    kind: str  # feed, worker, ...
    name: str
    pid: int
    values: dict[str, Any]
    at: float  # monotonic seconds


@dataclass(slots=True)
class ProcessReports:
    """The last report of each process. One that falls silent, frozen or dead, is told of until another one comes for it.

    Args:
        keep_s: silence after which it is forgotten all the same.
        limit: of processes; where there is no room, one that has been silent for `SILENT_S` makes room.
    """

    keep_s: float = 600.0
    limit: int = 256
    last: dict[tuple[str, str], ProcessReport] = field(default_factory=dict)
    trends: ProcessTrends = field(default_factory=ProcessTrends)
    changes: int = 0  # grows with each report, and each process that leaves

    def take(self, now: float, kind: str, name: str, pid: int, values: dict[str, Any]) -> bool:
        """Keep a report; False if there are too many processes to keep one more."""
        self._forget(now)
        if (kind, name) not in self.last and len(self.last) >= self.limit and not self._make_room(now):
            return False
        self.changes += 1
        self.last[kind, name] = ProcessReport(kind, name, pid, values, now)
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
            self.changes += 1
            del self.last[kind, name]
            self.trends.leave(kind, name, pid)

    def known(self, now: float) -> list[ProcessReport]:
        """List all that are not forgotten."""
        self._forget(now)
        return list(self.last.values())

    def rows(self, now: float) -> list[dict[str, Any]]:
        """Make rows of all that are not forgotten, with their age in seconds and their trends."""
        return [
            {
                **one.values,
                **self.trends.told(one.kind, one.name),
                "kind": one.kind,
                "name": one.name,
                "pid": one.pid,
                "age_s": round(now - one.at, 3),
            }
            for one in self.known(now)
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

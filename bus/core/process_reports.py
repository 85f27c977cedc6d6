"""The last report of each process, and rates of counters. Pure, and of a bounded size."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.core.process_trends import ProcessTrends
from hulak.bus.wire.fair_silence import Watch
from hulak.bus.wire.names import SILENT_S

MISSED_S = 1.5  # without a beat, of which a process sends four a second: it is frozen or dead
KEPT_FOR_KEY_S = 30.0  # silence after which a process of another key may have a name


@dataclass(slots=True)
class ProcessReport:
    """The last report of one process."""

    kind: str  # feed, worker, ...
    name: str
    pid: int
    values: dict[str, Any]
    at: float  # monotonic seconds
    key: str = ""  # with which it connects; empty: as the owner of the broker
    sign_at: float = 0.0  # its last beat or report, monotonic seconds
    beats: bool = False  # it has sent a beat: then its silence means something after a second


@dataclass(slots=True)
class ProcessReports:
    """The last report of each process. A silent process, frozen or dead, stays listed until another one replaces it.

    Args:
        keep_s: silence after which it is forgotten in any case.
        limit: of processes; at the limit, a process that has been silent for `SILENT_S` is forgotten.
        share: most processes of one key, likewise.
    """

    keep_s: float = 600.0
    limit: int = 256
    share: int = 64
    last: dict[tuple[str, str], ProcessReport] = field(default_factory=dict)
    trends: ProcessTrends = field(default_factory=ProcessTrends)
    changes: int = 0  # grows with each report and each process that leaves
    watch: Watch = field(default_factory=lambda: Watch(math.inf))
    silent: frozenset[tuple[str, str]] = frozenset()  # processes that had missed their beats, at the last `check`

    def take(self, now: float, kind: str, name: str, pid: int, values: dict[str, Any], key: str = "") -> bool:
        """Record a report; return false if there are too many processes, of all or of this key (empty: the owner's)."""
        self._forget(now)
        if (kind, name) not in self.last:
            own = [known for known, report in self.last.items() if report.key == key] if key else []
            if len(own) >= self.share and not self._make_room(now, own):
                return False
            if len(self.last) >= self.limit and not self._make_room(now, self.last):
                return False
        self.changes += 1
        values.pop("silent_s", None)  # as the broker measures it
        before = self.last.get((kind, name))
        beats = before is not None and before.beats and before.pid == pid
        self.last[kind, name] = ProcessReport(kind, name, pid, values, now, key, now, beats)
        for gone in self.trends.take(now, kind, name, pid, values):
            if gone != name and not self.is_of_other(now, kind, gone, key):
                self.last.pop((kind, gone), None)
        return True

    def beat(self, now: float, kind: str, name: str, pid: int, loop_age_s: float | None = None) -> bool:
        """Record that a process runs, and how long ago its loop did; return false if it has to report first."""
        report = self.last.get((kind, name))
        if report is None or report.pid != pid:
            return False
        report.sign_at, report.beats = now, True
        if loop_age_s is not None:
            report.values["loop_age_s"] = loop_age_s
        return True

    def check(self, now: float) -> bool:
        """Return whether other processes than before miss their beats; called four times a second."""
        self.watch.check(now)
        silent = frozenset(
            key for key, row in self.last.items() if row.beats and self.watch.silence_s(row.sign_at, now) >= MISSED_S
        )
        before, self.silent = self.silent, silent
        return silent != before

    def is_of_other(self, now: float, kind: str, name: str, key: str) -> bool:
        """Return whether a key may not report under a name: a process of another key, or of the owner, has it.

        Args:
            now: monotonic seconds.
            kind: of the process.
            name: of the process.
            key: the name of the key; empty: the owner's processes, which may use every name.
        """
        report = self.last.get((kind, name))
        return bool(key) and report is not None and report.key != key and now - report.at <= KEPT_FOR_KEY_S

    def _make_room(self, now: float, among: Iterable[tuple[str, str]]) -> bool:
        key = min(among, key=lambda name: self.last[name].at)
        is_silent = now - self.last[key].at > SILENT_S
        if is_silent:
            del self.last[key]
        return is_silent

    def leave(self, kind: str, name: str, pid: int) -> None:
        """Forget a process that left; a later one of the same name stays."""
        report = self.last.get((kind, name))
        if report is not None and report.pid == pid:
            self.changes += 1
            del self.last[kind, name]
            self.trends.leave(kind, name, pid)

    def known(self, now: float) -> list[ProcessReport]:
        """Return the reports of all processes that are not forgotten."""
        self._forget(now)
        return list(self.last.values())

    def rows(self, now: float) -> list[dict[str, Any]]:
        """Return rows of all processes that are not forgotten, with their age in seconds and their trends."""
        return [
            {
                **report.values,
                **self.trends.as_dict(report.kind, report.name),
                "kind": report.kind,
                "name": report.name,
                "pid": report.pid,
                "age_s": round(now - report.at, 3),
                **({"silent_s": round(self.watch.silence_s(report.sign_at, now), 3)} if report.beats else {}),
            }
            for report in self.known(now)
        ]

    def _forget(self, now: float) -> None:
        for key in [key for key, report in self.last.items() if now - report.at > self.keep_s]:
            del self.last[key]


class Rate:
    """The growth of a counter per second, between two updates."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._count = 0
        self.per_s = 0.0

    def update(self, count: int, now: float) -> float:
        """Return the growth per second since the last update; an update at the same moment changes nothing."""
        if now > self._at:
            self.per_s = (count - self._count) / (now - self._at)
            self._at, self._count = now, count
        return self.per_s

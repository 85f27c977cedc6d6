"""Input and output of the judge: facts and findings. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from hulak.clients.judge.processes import number
from hulak.clients.judge.situations import SITUATIONS, Level
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings

SHOWN = 5  # most names in one text
LONGEST = 400  # most characters of one text


@dataclass(frozen=True, slots=True)
class Facts:
    """The data to judge at one moment."""

    stats: Mapping[str, Any] | None  # PROTOCOL.md section 7.2; None: not received
    stats_age_s: float = 0.0  # age of the statistics, seconds
    broker_silence_s: float | None = None  # since the broker's last heartbeat, or since a request to it; None: not watched
    why: str = ""  # without statistics: the error
    asked_s: float = math.inf  # without statistics: for how long they have been requested, seconds
    supervised: Sequence[Mapping[str, Any]] = ()  # as `bus.process.supervisor_rpc.list_processes`; empty: no supervisord
    feeds: int | None = None  # minimum number of feeds; None: one, if the settings or supervisord have a feed
    workers: int | None = None  # minimum of NEPSE workers; None: as the scaler reports, else `min_workers` under supervisord
    expects_feed: bool = False  # `hulak up` runs one
    min_workers: int = 1  # setting scaling.min_workers

    @classmethod
    def of(cls, settings: "Settings", stats: Mapping[str, Any] | None, **more: Any) -> Self:
        """Return the facts of settings and statistics; `more` are further fields."""
        return cls(stats, expects_feed=settings.feed.runs, min_workers=settings.scaling.min_workers, **more)

    @property
    def values(self) -> Mapping[str, Any]:
        """Statistics; empty if none were received."""
        return self.stats or {}

    def rows(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the reports of one kind of process."""
        return [row for row in self.values["processes"] if row["kind"] == kind]

    def scaler(self) -> Mapping[str, Any] | None:
        """Return the report of the scaler; None if none reports."""
        return min(self.rows("scaler"), key=lambda row: float(row["age_s"]), default=None) if self.stats else None

    def figure(self, path: str) -> float:
        """Return a number of the statistics by its path, such as `tasks.recent.failed`; 0 if it is missing."""
        value: Any = self.values
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return number(value) or 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem."""

    what: str  # key of `SITUATIONS`; empty if there was nothing to judge
    level: Level
    text: str
    unready: bool  # `/readyz` fails


def finding(what: str, level: Level, text: str) -> Finding:
    """Return a finding of a situation, with one of the situation's levels."""
    situation = SITUATIONS[what]
    assert level in situation.levels, f"{what} is never {level.name}"
    return Finding(what, level, one_line(text), situation.unready and level is Level.CRITICAL)


def one_line(text: str) -> str:
    """Return a text as one line without a bar: a bar ends the text of a monitoring plugin."""
    return printable(" ".join(text.replace("|", "/").split()))[:LONGEST]


def some(names: Sequence[str]) -> str:
    """Return the first names and the count of the others: "A, B and 3 more"."""
    shown, more = names[:SHOWN], len(names) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

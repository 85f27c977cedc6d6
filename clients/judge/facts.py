"""What is judged, and what is found. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from clients.judge.processes import number
from clients.judge.situations import SITUATIONS, Level

if TYPE_CHECKING:
    from bus.process.settings import Settings

SHOWN = 5  # names in one sentence
LONGEST = 400  # characters of one


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment."""

    stats: Mapping[str, Any] | None  # PROTOCOL.md section 7.2; None: the broker has not been heard
    heard_s: float = 0.0  # their age
    why: str = ""  # where there are none: how that shows
    asked_s: float = math.inf  # and for how long it has been asked
    supervised: Sequence[Mapping[str, Any]] = ()  # as `bus.process.supervisor_rpc.list_processes`; empty without a supervisord
    feeds: int | None = None  # that there must be at least; None: one, if there is anything that keeps a feed
    workers: int | None = None  # of each scaled service; None: `min_workers`, if there is anything that keeps them
    wants_feed: bool = False  # setting feed.url names a feed
    min_workers: int = 1  # setting scaling.min_workers

    @classmethod
    def of(cls, settings: "Settings", stats: Mapping[str, Any] | None, **more: Any) -> Self:
        """Make the facts of who has settings and statistics; more as above."""
        return cls(stats, wants_feed=bool(settings.feed.url), min_workers=settings.scaling.min_workers, **more)

    @property
    def told(self) -> Mapping[str, Any]:
        """The statistics, where there are some."""
        return self.stats or {}

    def rows(self, kind: str) -> list[Mapping[str, Any]]:
        """List the reports of one kind of process."""
        return [row for row in self.told["processes"] if row["kind"] == kind]

    def figure(self, path: str) -> float:
        """Give a number of the statistics, such as `tasks.recent.failed`; 0 if it is not told."""
        found: Any = self.told
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return number(found) or 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not well."""

    what: str  # of `SITUATIONS`
    level: Level
    text: str
    unready: bool  # it speaks against `/readyz`


def finding(what: str, level: Level, text: str) -> Finding:
    """Make a finding of one of `SITUATIONS`, of a level that this one may have."""
    situation = SITUATIONS[what]
    assert level in situation.levels, f"{what} is never {level.name}"
    return Finding(what, level, one_line(text), situation.unready and level is Level.CRITICAL)


def one_line(text: str) -> str:
    """Make a sentence one line without a bar, which ends the sentence of a monitoring plugin."""
    return " ".join(text.replace("|", "/").split())[:LONGEST]


def some(names: Sequence[str]) -> str:
    """Name a few, and count the rest: "A, B and 3 more"."""
    shown, more = names[:SHOWN], len(names) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

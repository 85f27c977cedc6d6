"""The outcomes of a run of the archive, for each day and kind. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """The kinds of data that are archived of a session."""

    PRICES = "today-price"
    INDICES = "indices"
    SHEET = "floor-sheet"


class State(StrEnum):
    """The outcome for one day and kind."""

    ARCHIVED = "archived"  # by this run
    PRESENT = "present"  # from an earlier run; nothing was asked
    GONE = "missing"  # for good: the exchange does not serve it any more
    LATER = "later"  # the session is not over
    NO_SESSION = "no session"
    FAILED = "failed"  # another run may succeed


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome; `day` and `until` are the same but for a span of days."""

    day: date
    until: date
    kind: Kind | None  # None: all
    state: State
    why: str = ""
    code: str = ""  # of a failure
    rows: int | None = None
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()  # figures that differ from the session's totals

    def as_json(self) -> dict[str, Any]:
        """Return it with plain values."""
        return {
            "day": self.day.isoformat(),
            "until": self.until.isoformat(),
            "kind": self.kind,
            "state": self.state.value,
            "rows": self.rows,
            "files": [str(path) for path in self.files],
            "code": self.code,
            "why": self.why,
            "notes": list(self.notes),
        }


def count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return how many outcomes there are of each state."""
    counts = dict.fromkeys((state.value for state in State), 0)
    for outcome in outcomes:
        counts[outcome.state.value] += 1
    return counts

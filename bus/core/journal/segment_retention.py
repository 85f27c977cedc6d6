"""Retention: the oldest segments beyond the journal's bounds are removed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

AGED_S = 15.0  # between two segments removed for their age: a wrong clock does not remove the whole journal at once


class Dated(Protocol):
    """The attributes of a segment that retention needs."""

    @property
    def stored(self) -> int:
        """Bytes on the disk."""

    age_s: float  # its start, by the broker's own clock


@dataclass(slots=True)
class Retention:
    """The bounds of a journal.

    Args:
        max_bytes: on the disk, of all segments but the newest, which always stays.
        max_s: time that a tick is kept, in seconds: a segment goes when its last tick is older.
        min_s: time that a tick is kept in any case, even beyond `max_bytes`.
    """

    max_bytes: int
    max_s: float
    min_s: float = 0.0
    _next_at: float = 0.0

    def due(self, segments: Sequence[Dated], age_s: float, now: float) -> tuple[int, str]:
        """Return how many of the oldest segments to remove, and why: as many as exceed the bytes, or one for its age.

        Args:
            segments: in order.
            age_s: the present age, by the broker's own clock.
            now: monotonic seconds.
        """
        count = self.beyond(segments, age_s)
        if count:
            return count, "bytes"
        if len(segments) > 1 and age_s - segments[1].age_s > self.max_s and now >= self._next_at:
            return 1, "age"
        return 0, ""

    def beyond(self, segments: Sequence[Dated], age_s: float, spare: int = 0) -> int:
        """Return how many of the oldest segments exceed the bytes, with some to spare."""
        total, count = sum([segment.stored for segment in segments]), 0
        while total > self.max_bytes + spare and count < len(segments) - 1 and age_s - segments[count + 1].age_s >= self.min_s:
            total -= segments[count].stored
            count += 1
        return count

    def removed(self, why: str, now: float) -> None:
        """Take note that segments were removed, with the reason of `due`."""
        if why == "age":
            self._next_at = now + AGED_S

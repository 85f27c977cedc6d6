"""Retention: the oldest segments beyond the journal's bounds are removed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

AGED_S = 15.0  # between two segments removed for their age: a wrong clock does not remove the whole journal at once


class Dated(Protocol):
    """The attributes of a segment that retention needs."""

    size: int
    age_s: float  # its start, by the broker's own clock


@dataclass(slots=True)
class Retention:
    """The bounds of a journal.

    Args:
        max_bytes: of all segments but the newest, which always stays.
        max_s: minimum time that a tick is kept, in seconds.
    """

    max_bytes: int
    max_s: float
    _next_at: float = 0.0

    def due(self, segments: Sequence[Dated], age_s: float, now: float) -> tuple[int, str]:
        """Return how many of the oldest segments to remove, and why: as many as exceed the bytes, or one for its age.

        Args:
            segments: in order.
            age_s: the present age, by the broker's own clock.
            now: monotonic seconds.
        """
        total, count = sum(segment.size for segment in segments), 0
        while total > self.max_bytes and count < len(segments) - 1:
            total -= segments[count].size
            count += 1
        if count:
            return count, "bytes"
        if len(segments) > 1 and age_s - segments[1].age_s > self.max_s and now >= self._next_at:
            self._next_at = now + AGED_S
            return 1, "age"
        return 0, ""

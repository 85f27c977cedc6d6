"""Which segments the journal lets go: the oldest, beyond its bounds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

AGED_S = 15.0  # between two segments that go for their age: a clock that is wrong all the same takes the journal not at once


class Dated(Protocol):
    """A segment, as far as this must know it."""

    size: int
    age_s: float  # when it was begun, by the broker's own clock


@dataclass(slots=True)
class Retention:
    """The bounds of a journal.

    Args:
        max_bytes: of all segments but the newest, which always stays.
        max_s: for which a tick is kept at least, in seconds.
    """

    max_bytes: int
    max_s: float
    _next_at: float = 0.0

    def due(self, segments: Sequence[Dated], age_s: float, now: float) -> tuple[int, str]:
        """Tell how many of the oldest are to go, and why: as many as there are bytes too many, or one for its age.

        Args:
            segments: in order.
            age_s: the present one, by the broker's own clock.
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

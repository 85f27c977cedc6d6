"""The segments of a journal, in order: what is put there, and what is let go."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bus.core.retention import Retention
from bus.core.segments import Candidate
from bus.storage import Storage


@dataclass(slots=True)
class Segment:
    """One file of the journal."""

    path: Path
    serial: int  # from 1, +1 for each file
    ticks: int  # number of the last tick before it
    since_ns: int = 0  # when it was begun, ns since 1970 UTC
    size: int = 0
    marks: "array[int]" = field(default_factory=lambda: array("Q"))  # number, offset, ... of some ticks written by us
    head: int = 0  # bytes of its head, of those written by us
    age_s: float = 0.0  # when it was begun, by the broker's own clock


class Shelf:
    """Where the segments stand.

    Args:
        storage: deletes.
        retention: the bounds.
    """

    def __init__(self, storage: Storage, retention: Retention) -> None:
        self.segments: list[Segment] = []
        self.gone = 0  # segments that were let go
        self._storage = storage
        self._retention = retention

    def fill(self, folder: Path, found: Sequence[Candidate], age_s: float) -> None:
        """Put there what was found at a start, at this age by the broker's own clock."""
        since_ns = 0
        for one in found:
            begun_s = age_s  # what does not say when it was begun counts as begun now, and is kept for longer
            if one.head is not None:
                since_ns = one.head.time_ns
                begun_s = age_s if one.head.age_s is None else min(age_s, one.head.age_s)
            path = folder / one.name
            segment = Segment(path, one.serial, one.ticks, since_ns, one.size, head=one.head_bytes, age_s=begun_s)
            self.segments.append(segment)

    def supersede(self, fd: int) -> None:
        """Let the segment before the newest go if it is only a head: else those of a broker that starts again and again stay.

        Args:
            fd: of the newest, which must be safe before.
        """
        if len(self.segments) > 1 and 0 < self.segments[-2].head == self.segments[-2].size:
            self._storage.delete(self.segments.pop(-2).path, synced_first=fd)

    def let_go(self, age_s: float, now: float) -> dict[str, Any]:
        """Delete what is beyond the bounds; tells how many segments, which ticks and why, nothing if there were none.

        Args:
            age_s: by the broker's own clock.
            now: monotonic seconds.
        """
        count, why = self._retention.due(self.segments, age_s, now)
        if not count:
            return {}
        gone, self.segments[:count] = self.segments[:count], []
        for segment in gone:
            self._storage.delete(segment.path)
        self.gone += count
        return {"why": why, "segments": count, "first": gone[0].ticks + 1, "last": self.segments[0].ticks}

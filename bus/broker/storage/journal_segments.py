"""The segments of a journal, in order: what is put there, and what is let go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hulak.bus.broker.storage.sync_thread import SyncThread, write_whole
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate
from hulak.bus.core.journal.segment_retention import Retention

INDEX = ".hx"  # how the name of a segment's index ends


@dataclass(slots=True)
class Segment:
    """One file of the journal."""

    path: Path
    serial: int  # from 1, +1 for each file
    ticks: int  # number of the last tick before it
    since_ns: int = 0  # when it was begun, ns since 1970 UTC
    size: int = 0
    head: int = 0  # bytes of its head, of those written by us
    age_s: float = 0.0  # when it was begun, by the broker's own clock
    index: SegmentIndex | None = None  # of the newest segment, and of one whose index is not yet in a file
    times: tuple[int, int] | None = None  # the least and the largest stamp in it, if that is known


class JournalSegments:
    """Where the segments stand.

    Args:
        sync_thread: deletes.
        retention: the bounds.
    """

    def __init__(self, sync_thread: SyncThread, retention: Retention) -> None:
        self.segments: list[Segment] = []
        self.gone = 0  # segments that were let go
        self._sync_thread = sync_thread
        self._retention = retention

    def fill(self, folder: Path, found: Sequence[Candidate], age_s: float, indexes: Mapping[str, SegmentIndex]) -> None:
        """Put there what was found at a start, at this age by the broker's own clock; with the indexes of what was read."""
        since_ns = 0
        for one in found:
            begun_s = age_s  # what does not say when it was begun counts as begun now, and is kept for longer
            if one.head is not None:
                since_ns = one.head.time_ns
                begun_s = age_s if one.head.age_s is None else min(age_s, one.head.age_s)
            path = folder / one.name
            segment = Segment(path, one.serial, one.ticks, since_ns, one.size, head=one.head_bytes, age_s=begun_s)
            segment.index = indexes.get(one.name)
            self.segments.append(segment)

    def add(self, segment: Segment) -> None:
        """Put a new one behind the others, whose indexes are complete now."""
        for one in self.segments:
            self.save_index(one)
        self.segments.append(segment)

    def save_index(self, segment: Segment) -> None:
        """Have a segment's index written beside it; in memory it is kept until that is done."""
        index, size = segment.index, segment.size

        def job() -> None:
            try:
                if index is not None and segment.path.exists():
                    write_whole(index_path(segment.path), index.encode(size))
            finally:
                segment.index = None

        if index is not None:
            segment.times = index.least_ns, index.most_ns
            self._sync_thread.do(job)

    def supersede(self, fd: int) -> None:
        """Let the segment before the newest go if it is only a head: else those of a broker that starts again and again stay.

        Args:
            fd: of the newest, which must be safe before.
        """
        if len(self.segments) > 1 and 0 < self.segments[-2].head == self.segments[-2].size:
            path = self.segments.pop(-2).path
            self._sync_thread.delete(path, index_path(path), synced_first=fd)

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
            self._sync_thread.delete(segment.path, index_path(segment.path))
        self.gone += count
        return {"why": why, "segments": count, "first": gone[0].ticks + 1, "last": self.segments[0].ticks}


def index_path(segment: Path) -> Path:
    """Name the file of a segment's index."""
    return segment.with_suffix(INDEX)

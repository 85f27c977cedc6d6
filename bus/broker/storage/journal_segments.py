"""The segments of a journal, in order, added and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hulak.bus.broker.storage.sync_thread import SyncThread, write_whole
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate
from hulak.bus.core.journal.segment_retention import Retention

INDEX = ".hx"  # suffix of the name of a segment's index


@dataclass(slots=True)
class Segment:
    """One file of the journal."""

    path: Path
    serial: int  # from 1, +1 for each file
    ticks: int  # number of the last tick before it
    since_ns: int = 0  # when it was begun, ns since 1970 UTC
    size: int = 0
    head: int = 0  # bytes of its head, if this broker wrote it
    age_s: float = 0.0  # when it was begun, by the broker's clock
    index: SegmentIndex | None = None  # of the newest segment, and of one whose index is not yet in a file
    times: tuple[int, int] | None = None  # its least and largest stamp, if known


class JournalSegments:
    """The list of segments.

    Args:
        sync_thread: writes and deletes files.
        retention: the bounds of the journal.
    """

    def __init__(self, sync_thread: SyncThread, retention: Retention) -> None:
        self.segments: list[Segment] = []
        self.gone = 0  # segments deleted
        self._sync_thread = sync_thread
        self._retention = retention

    def fill(self, folder: Path, files: Sequence[Candidate], age_s: float, indexes: Mapping[str, SegmentIndex]) -> None:
        """Add the segments found at a start, at this age by the broker's clock, with the indexes of those that were read."""
        since_ns = 0
        for file in files:
            begun_s = age_s  # a segment without this time counts as begun now, and is kept for longer
            if file.head is not None:
                since_ns = file.head.time_ns
                begun_s = age_s if file.head.age_s is None else min(age_s, file.head.age_s)
            path = folder / file.name
            segment = Segment(path, file.serial, file.ticks, since_ns, file.size, head=file.head_bytes, age_s=begun_s)
            segment.index = indexes.get(file.name)
            self.segments.append(segment)

    def add(self, segment: Segment) -> None:
        """Add a new segment after the others, whose indexes are complete now."""
        for former in self.segments:
            self.save_index(former)
        self.segments.append(segment)

    def save_index(self, segment: Segment) -> None:
        """Write a segment's index beside it, in the sync thread; it is kept in memory until then."""
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
        """Delete the segment before the newest if it has only a head: else a broker that restarts repeatedly leaves many of them.

        Args:
            fd: of the newest, which is synced first.
        """
        if len(self.segments) > 1 and 0 < self.segments[-2].head == self.segments[-2].size:
            path = self.segments.pop(-2).path
            self._sync_thread.delete(path, index_path(path), synced_first=fd)

    def delete_old(self, age_s: float, now: float) -> dict[str, Any]:
        """Delete the segments beyond the bounds; returns their number, their ticks and the reason, empty if there were none.

        Args:
            age_s: by the broker's clock.
            now: monotonic seconds.
        """
        count, why = self._retention.due(self.segments, age_s, now)
        if not count:
            return {}
        deleted, self.segments[:count] = self.segments[:count], []
        for segment in deleted:
            self._sync_thread.delete(segment.path, index_path(segment.path))
        self.gone += count
        return {"why": why, "segments": count, "first": deleted[0].ticks + 1, "last": self.segments[0].ticks}


def index_path(segment: Path) -> Path:
    """Return the path of a segment's index."""
    return segment.with_suffix(INDEX)

"""The segments of a journal, in order, added and deleted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hulak.bus.broker.storage.sync_thread import SyncThread, write_whole
from hulak.bus.core.journal.compressed_index import shrink
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate, index_name


@dataclass(slots=True)
class Segment:
    """One segment of the journal."""

    path: Path
    serial: int  # from 1, +1 for each segment
    ticks: int  # number of the last tick before it
    since_ns: int = 0  # when it was begun, ns since 1970 UTC
    size: int = 0  # bytes of its records and its head, also where it is compressed
    head: int = 0  # bytes of its head, if this broker wrote it
    age_s: float = 0.0  # when it was begun, by the broker's clock
    index: SegmentIndex | None = None  # of the newest segment, and of one whose index is not yet in a file
    times: tuple[int, int] | None = None  # its least and largest stamp, if known
    compressed_bytes: int = 0  # of its file; 0: it is not compressed

    @property
    def compressed(self) -> bool:
        """Whether its file is a compressed one."""
        return self.compressed_bytes > 0

    @property
    def stored(self) -> int:
        """Bytes of its file."""
        return self.compressed_bytes or self.size


class JournalSegments:
    """The list of segments.

    Args:
        sync_thread: writes and deletes files.
    """

    def __init__(self, sync_thread: SyncThread) -> None:
        self.segments: list[Segment] = []
        self.gone = 0  # segments deleted
        self.left: Callable[[int], None] = lambda _: None  # called with the serial of a file that is replaced or deleted
        self._sync_thread = sync_thread

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
            segment.index, segment.compressed_bytes = indexes.get(file.name), file.stored
            self.segments.append(segment)

    def add(self, segment: Segment) -> None:
        """Add a new segment after the others, whose indexes are complete now."""
        for former in self.segments:
            self.save_index(former)
        self.segments.append(segment)

    def save_index(self, segment: Segment) -> None:
        """Write a segment's index beside it, in the sync thread; it is kept in memory until then."""
        index, size, compressed = segment.index, segment.size, segment.compressed

        def job() -> None:
            try:
                if index is not None and segment.path.exists():
                    data = index.encode(size)
                    write_whole(index_path(segment.path), shrink(data) if compressed else data)
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

    def remove(self, count: int) -> tuple[int, int]:
        """Delete the oldest segments; returns the numbers of their first and last tick."""
        removed, self.segments[:count] = self.segments[:count], []
        for segment in removed:
            self.left(segment.serial)
            self._sync_thread.delete(segment.path, index_path(segment.path))
        self.gone += count
        return removed[0].ticks + 1, self.segments[0].ticks

    def replace(self, serial: int, path: Path) -> Segment | None:
        """Use the compressed file of a segment from now on, and delete the other one; None if the segment was removed meanwhile.

        Raises:
            OSError: the file cannot be found.
        """
        segment = next((segment for segment in self.segments if segment.serial == serial), None)
        if segment is None:
            self._sync_thread.delete(path, index_path(path))
            return None
        former = segment.path
        segment.compressed_bytes, segment.path = path.stat().st_size, path
        self.left(serial)
        self._sync_thread.do(partial(former.unlink, missing_ok=True))  # if that fails, the next start removes the compressed file
        return segment


def index_path(segment: Path) -> Path:
    """Return the path of a segment's index."""
    return segment.with_name(index_name(segment.name))

"""A journal is read at a start: what its segments' heads say, and what their records add to it."""

from pathlib import Path

from bus.core.index import SegmentIndex
from bus.core.records import SNAPSHOT, Corrupt, Record, Snapshot, needs, record_at, scan, ticks_in
from bus.errors import ProtocolError
from bus.frames import NUL, STAMP


def read_head(path: Path) -> Snapshot | None:
    """Read a segment's snapshot; None if it is not whole."""
    try:
        with path.open("rb") as file:
            data = file.read(1 << 16)
            wanted = needs(data, 0)
            if wanted is not None and wanted > len(data):
                data += file.read(wanted - len(data))
        record: Record | None = record_at(data, 0)
        return Snapshot.decode(record.payload) if record is not None and record.kind == SNAPSHOT else None
    except (OSError, ProtocolError):
        return None


class Reading:
    """Adds the records of segments, in order, to a state.

    Args:
        head: the state at the beginning; None if there is none.
    """

    def __init__(self, head: Snapshot | None) -> None:
        self._head = head
        self._topics = dict(head.topics) if head else {}
        self._sources = dict(head.sources) if head else {}
        self._ticks = head.ticks if head else 0
        self._epoch = head.epoch if head else 0
        self.ticks_read = 0
        self.corrupt = 0  # bytes that were passed over
        self.torn = 0  # bytes at the end of the segment read last that are no whole record
        self.torn_in_all = 0

    def segment(self, data: bytes, index: SegmentIndex | None = None) -> bool:
        """Add one segment's bytes.

        Args:
            data: of the whole segment.
            index: of it, to be filled on the way.
        Returns:
            whether the index is good: false if the numbers are not in order.
        """
        self.torn, at, good = 0, 0, True
        while at < len(data):
            for begin, end, number, instance, running, frame in ticks_in(data, at):
                cut = frame.index(NUL) + 1
                key = frame[:cut]
                self._topics[key] = frame
                self._epoch, _, time_ns = STAMP.unpack_from(frame, cut)
                if instance:
                    self._sources[instance] = running
                self._ticks = max(self._ticks, number)
                self.ticks_read += 1
                if index is not None and good:
                    good = index.found(number, key, (begin, end), self._epoch, time_ns)
                at = end
            one = next(scan(data, at), None)  # no tick, or no whole one
            if one is None:
                break
            if isinstance(one, Corrupt):
                self._damage(one)
            at = one.end
        return good

    def _damage(self, found: Corrupt) -> None:
        if found.last:
            self.torn = found.end - found.offset
            self.torn_in_all += self.torn
        else:
            self.corrupt += found.end - found.offset

    def state(self) -> Snapshot | None:
        """Tell the state after all that was added; None if there was nothing. Without a head, its boot and time are empty."""
        if self._head is None and not self.ticks_read:
            return None
        boot, time_ns = (self._head.boot, self._head.time_ns) if self._head else ("", 0)
        return Snapshot(self._epoch, boot, time_ns, self._ticks, self._topics, self._sources)

"""The index of a segment: the place of each tick by its number and topic, so that a replay reads only the ticks it needs. Pure.

    index    = "HX01" crc:u32 head_bytes:u32 count:u32 zero:u32 head ordinals offsets         (little-endian)
    head     = msgpack map: size, first, epochs, times, topics, before, holes, floor
    ordinals = count x u32: the topic of each tick, as its place in `topics` from 1; 0 where there is no whole record
    offsets  = (count + 1) x u32: where each record begins; the last one is where the last record ends

Numbers have no gaps inside a segment: the place of a tick is its number minus `first`. The ticks of one topic are found by a
search for four bytes, which skips a million ticks of other topics in a millisecond. The CRC (CRC-32 of zlib) covers everything
behind it.
"""

import struct
import zlib
from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from hulak.bus.core.journal import compressed_index
from hulak.bus.core.journal.record_format import Corrupt, Snapshot, scan, ticks_in
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, pack, unpack

MAGIC = b"HX01"
PREFIX = struct.Struct("<4sIIII")  # magic, crc, bytes of the head, ticks, zero
BIG_ENDIAN = struct.pack("=H", 1) == struct.pack(">H", 1)  # this machine
MOST_HOLES = 1_000_000  # numbers without a record in one segment: more means another file, not damage
SLACK_BYTES = 64 << 20  # by which an index may be larger than its segment: heads and holes
FOREVER = (1 << 63) - 1


def little_endian(values: "array[int]") -> bytes:
    if BIG_ENDIAN:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def array_of(kind: str, data: bytes | memoryview) -> "array[int]":
    values = array(kind)
    values.frombytes(data)
    if BIG_ENDIAN:
        values.byteswap()
    return values


class TopicOrdinals:
    """Small numbers of topics, from 1 in the order of their first use; shared by the indexes that one broker writes."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self._of: dict[bytes, int] = {}

    def of(self, key: bytes) -> int:
        """Return a topic's ordinal; a new topic gets the next one."""
        if key not in self._of:
            self.keys.append(key)
            self._of[key] = len(self.keys)
        return self._of[key]

    def find(self, key: bytes) -> int | None:
        """Return a topic's ordinal; None if it has none."""
        return self._of.get(key)

    def under(self, *wanted: bytes) -> Collection[int] | None:
        """Return the ordinals of topics, which end with NUL, and of those under prefixes; None if that is every topic."""
        ordinals = {self._of[key] for key in wanted if key in self._of}
        prefixes = tuple(key for key in wanted if not key.endswith(NUL))
        if prefixes:
            ordinals.update(ordinal for ordinal, key in enumerate(self.keys, 1) if key.startswith(prefixes))
        return None if len(ordinals) == len(self.keys) else ordinals


@dataclass(slots=True)
class SegmentIndex:
    """The index of one segment.

    Args:
        first: number of its first tick.
        topics: ordinals of the topics; may be shared with other indexes, and grow.
        before: topic (with NUL) -> its sequence before this segment, 0 if it is absent; None if unknown.
        offset: where the first record begins.
        floor: no topic that is not in `before` had a larger number before this segment.
    """

    first: int
    topics: TopicOrdinals
    before: Mapping[bytes, int] | None
    offset: int
    floor: int = 0
    ordinals: bytearray = field(default_factory=bytearray)
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    epochs: list[list[int]] = field(default_factory=list)  # [number, epoch]: the epoch from this number on
    least_ns: int = FOREVER  # of the stamps, ns since 1970 UTC
    most_ns: int = 0
    holes: bool = False  # some numbers have no whole record, so that a topic's ticks cannot be counted

    def __post_init__(self) -> None:
        if not self.offsets:
            self.offsets.append(self.offset)

    @property
    def count(self) -> int:
        """The number of ticks that it covers."""
        return len(self.ordinals) >> 2

    @property
    def behind(self) -> int:
        """The number behind the last one."""
        return self.first + self.count

    # Writing

    def add(self, ordinals: Iterable[int], records: Iterable[bytes], epoch: int, time_ns: int) -> None:
        """Add one turn's records, which follow the last ones without a gap.

        Args:
            ordinals: of the topics.
            records: their bytes, as written.
            epoch: of all of them.
            time_ns: the stamp of all of them, ns since 1970 UTC.
        """
        if not self.epochs or self.epochs[-1][1] != epoch:
            self.epochs.append([self.behind, epoch])
        self.ordinals += little_endian(array("I", ordinals))
        ends = accumulate(map(len, records), initial=self.offsets.pop())
        self.offsets.extend(ends)
        self.most_ns = max(self.most_ns, time_ns)
        self.least_ns = min(self.least_ns, time_ns)

    def found(self, number: int, key: bytes, place: tuple[int, int], epoch: int, time_ns: int) -> bool:
        """Add a record that was read from the segment; skipped numbers before it have no whole record.

        Args:
            number: of the tick.
            key: of its topic.
            place: where the record begins and ends.
            epoch, time_ns: of its stamp.
        Returns:
            false if the numbers of the segment are not in order: it cannot have an index.
        """
        holes = number - self.behind
        if not 0 <= holes <= MOST_HOLES:
            return False
        begin, end = place
        if holes:
            self.holes = True
            self.ordinals += bytes(4 * holes)
            self.offsets.extend([begin] * holes)
        if not self.epochs or self.epochs[-1][1] != epoch:
            self.epochs.append([number, epoch])
        self.ordinals += self.topics.of(key).to_bytes(4, "little")
        self.offsets[-1] = begin
        self.offsets.append(end)
        self.most_ns = max(self.most_ns, time_ns)
        self.least_ns = min(self.least_ns, time_ns)
        return True

    # Reading

    def number_before(self, key: bytes) -> int | None:
        """Return a topic's sequence before this segment; None if unknown."""
        return None if self.before is None else self.before.get(key, self.floor)

    def epoch_at(self, number: int) -> int:
        """Return the epoch of a number; 0 before the first."""
        return next((epoch for since, epoch in reversed(self.epochs) if since <= number), 0)

    def find(self, ordinal: int, at: int, most: int) -> tuple[list[int], int]:
        """Find the next ticks of one topic.

        Args:
            ordinal: of the topic.
            at: place to start at.
            most: places returned at most.
        Returns:
            their places, and the place to continue at.
        """
        pattern, search, place = ordinal.to_bytes(4, "little"), self.ordinals.find, 4 * at
        places: list[int] = []
        while len(places) < most:
            place = search(pattern, place)
            if place < 0:
                return places, self.count
            if place & 3:  # across two ordinals
                place += 1
                continue
            places.append(place >> 2)
            place += 4
        return places, place >> 2

    def find_last(self, ordinal: int, nth: int) -> int | None:
        """Find the `nth` tick of a topic from the end, from 1; None if there are fewer."""
        pattern, search, end = ordinal.to_bytes(4, "little"), self.ordinals.rfind, len(self.ordinals)
        while nth:
            place = search(pattern, 0, end)
            if place < 0:
                return None
            if place & 3:
                end = place + 3
                continue
            nth -= 1
            end = place
        return end >> 2

    def find_any(self, ordinals: Collection[int], at: int, until: int) -> list[int]:
        """Find the ticks of several topics in a range of places."""
        view = array_of("I", memoryview(self.ordinals)[4 * at : 4 * until])
        return [place for place, ordinal in enumerate(view, at) if ordinal in ordinals]

    # Bytes

    def encode(self, size: int) -> bytes:
        """Encode the file.

        Args:
            size: bytes of the segment; the index is valid for this size only.
        """
        keys = [*self.topics.keys, *(key for key in self.before or () if self.topics.find(key) is None)]
        head = {
            "size": size,
            "first": self.first,
            "epochs": self.epochs,
            "times": [self.least_ns, self.most_ns],
            "topics": keys,
            "before": None
            if self.before is None
            else little_endian(array("Q", [self.before.get(key, self.floor) for key in keys])),
            "holes": self.holes,
            "floor": self.floor,
        }
        packed = pack(head)
        pieces = (struct.pack("<III", len(packed), self.count, 0), packed, self.ordinals, little_endian(self.offsets))
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        return b"".join((MAGIC, crc.to_bytes(4, "little"), *pieces))

    @classmethod
    def decode(cls, data: bytes, size: int, first: int) -> "SegmentIndex":
        """Decode a file.

        Args:
            data: of the file, which may be compressed.
            size: bytes of the segment that it must belong to.
            first: number of that segment's first tick.
        Raises:
            ProtocolError: `BAD_BODY`, it is not whole, or not of this segment in its present state.
        """
        data = compressed_index.whole(data, size + SLACK_BYTES)
        if len(data) < PREFIX.size:
            raise ProtocolError("BAD_BODY", f"an index of {len(data)} bytes")
        magic, crc, head_bytes, count, _ = PREFIX.unpack_from(data)
        ordinals, offsets = PREFIX.size + head_bytes, PREFIX.size + head_bytes + 4 * count
        if magic != MAGIC or len(data) != offsets + 4 * count + 4 or zlib.crc32(memoryview(data)[8:]) != crc:
            raise ProtocolError("BAD_BODY", f"{len(data)} bytes are not a whole index")
        head: Any = unpack(data[PREFIX.size : ordinals])
        if (head["size"], head["first"]) != (size, first):
            seen = f"of {head['size']} bytes from tick {head['first']} on"
            raise ProtocolError("BAD_BODY", f"the index is of a segment {seen}, this one has {size} bytes from tick {first} on")
        topics = TopicOrdinals()
        for key in head["topics"]:
            topics.of(key)
        before = None if head["before"] is None else dict(zip(head["topics"], array_of("Q", head["before"]), strict=True))
        bounds = array_of("I", memoryview(data)[offsets:])
        floor, placed = head.get("floor", 0), bytearray(memoryview(data)[ordinals:offsets])
        index = cls(head["first"], topics, before, bounds[0], floor, placed, bounds, head["epochs"])
        (index.least_ns, index.most_ns), index.holes = head["times"], head["holes"]
        return index


class IndexBuilder:
    """Builds the index of a segment from its records, slice by slice.

    Args:
        head: of the segment; None if it is not whole.
        first: number of its first tick, as its name says.
    """

    def __init__(self, head: Snapshot | None, first: int) -> None:
        before, floor = (None, 0) if head is None else (head.sequences(), head.floor)
        self.index = SegmentIndex(first, TopicOrdinals(), before, 0, floor)

    def take(self, data: bytes, offset: int, *, last: bool) -> int:
        """Add the records of a slice; return how many bytes of it are processed.

        Args:
            data: begins with a record.
            offset: of the slice in the segment.
            last: this is the last slice; else a record cut by its end is left for the next slice.
        Raises:
            ProtocolError: `BAD_NUMBER`, the segment cannot have an index.
        """
        at = 0
        while at < len(data):
            for begin, end, number, _, _, frame in ticks_in(data, at):
                cut = frame.index(NUL) + 1
                epoch, _, time_ns = STAMP.unpack_from(frame, cut)
                if not self.index.found(number, frame[:cut], (offset + begin, offset + end), epoch, time_ns):
                    raise ProtocolError("BAD_NUMBER", f"tick {number} comes where {self.index.behind} is wanted")
                at = end
            record = next(scan(data, at), None)  # no tick, or no whole one
            if record is None or (isinstance(record, Corrupt) and record.last and not last):
                break
            at = record.end
        return at

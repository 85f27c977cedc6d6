"""The bytes of the tick journal: PROTOCOL.md is the wire, this is the disk. Pure.

    record   = magic:u16 crc:u32 kind:u8 zero:u8 length:u32 payload        (big-endian; length is the payload's)
    tick     = number:u64 instance:u64 running:u64 frame                   (kind "T"; frame as it was published)
    snapshot = msgpack map                                                 (kind "S"; the first record of each segment)

The CRC (CRC-32 of zlib) covers everything behind it. Bytes that do not match are skipped up to the next whole record, found by
its magic, and never served. A segment's snapshot holds the whole state at its beginning, so that a start reads one segment.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from hulak.bus.core.journal.broker_clock import Aged, Clocks
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, pack, unpack

MAGIC = 0x484A
MAGIC_BYTES = b"HJ"
TICK, SNAPSHOT = 0x54, 0x53
_PREFIX = struct.Struct(">HI")
_REST = struct.Struct(">BBI")
_TICK_REST = struct.Struct(">BBIQQQ")
HEAD_BYTES = _PREFIX.size + _REST.size  # 12
TICK_HEAD = struct.Struct(">QQQ")
TICK_NUMBER = struct.Struct(">HIBBIQ")  # the beginning of a tick's record, up to its number
_TICK_CHECK = struct.Struct(">HIBxI")
_WHOLE_TICK = struct.Struct(">HIBBIQQQ")
CHECKED_FROM = _PREFIX.size  # the first byte that the CRC covers
TICK_BYTES = HEAD_BYTES + TICK_HEAD.size  # of a tick's record before its frame
MAX_PAYLOAD = 1 << 28  # a larger length counts as corruption
MAX_EPOCH = 1 << 52  # a larger one leaves no room for later ones
MAX_NUMBER = 1 << 62  # likewise, of ticks and sequences
VERSION = 1
_crc32 = zlib.crc32


def encode_tick(number: int, instance: int, running: int, frame: bytes) -> bytes:
    """Encode the record of a tick.

    Args:
        number: in the one global order of all ticks, from 1.
        instance: of the feed, 0 for unnumbered ones.
        running: its number in the feed.
        frame: as published.
    """
    rest = _TICK_REST.pack(TICK, 0, 24 + len(frame), number, instance, running) + frame
    return _PREFIX.pack(MAGIC, _crc32(rest)) + rest


def decode_tick(record: bytes) -> tuple[int, int, int, bytes]:
    """Decode a record of `encode_tick`: number, instance, running number, frame."""
    *_, number, instance, running = _TICK_REST.unpack_from(record, _PREFIX.size)
    return number, instance, running, record[HEAD_BYTES + TICK_HEAD.size :]


@dataclass(slots=True)
class Batch:
    """The records that one turn of the loop adds to the journal."""

    records: list[bytes]  # in order, their numbers without a gap
    ordinals: list[int]  # of their topics, see `bus.core.journal.segment_index.TopicOrdinals`
    last: int  # number of the last tick
    epoch: int  # of all of them
    time_ns: int  # their stamp, ns since 1970 UTC


class Snapshot(Struct, frozen=True):
    """The state at a segment's beginning."""

    epoch: int
    boot: str  # id of the machine's boot; a different one means that records that were not synced may be lost
    time_ns: int
    ticks: int  # number of the last tick before this segment
    topics: dict[bytes, bytes] = field(default_factory=dict)  # key (with NUL) -> last frame
    sources: dict[int, int] = field(default_factory=dict)  # feed instance -> its last running number
    serial: int = 0  # of the segment; 0: the head is of a version before these four fields
    journal: str = ""  # id of the journal that the segment belongs to
    age_s: float | None = None  # of the broker's own clock, see `bus.core.journal.broker_clock`
    boottime_s: float = 0.0  # seconds since the machine's boot
    ended: dict[bytes, int] = field(default_factory=dict)  # `ended` and `floor` as in `bus.core.ticks.topic_logs.TopicLogs`
    floor: int = 0

    def written(self, serial: int, journal: str, at: Aged) -> "Snapshot":
        """Return it as the head of a segment of a journal, written at a time."""
        clocks = at.clocks
        return replace(
            self,
            boot=clocks.boot,
            time_ns=clocks.time_ns,
            serial=serial,
            journal=journal,
            age_s=at.age_s,
            boottime_s=clocks.boottime_s,
        )

    def aged(self) -> Aged | None:
        """Return the age that was written; None if there is none."""
        return None if self.age_s is None else Aged(self.age_s, Clocks(self.boot, self.boottime_s, self.time_ns))

    def sequences(self) -> dict[bytes, int]:
        """Return the number of each topic's last message, of removed topics too."""
        return {**self.ended, **{key: STAMP.unpack_from(frame, len(key))[1] for key, frame in self.topics.items()}}

    def encode(self) -> bytes:
        """Encode the record."""
        payload = pack(
            {
                "version": VERSION,
                "epoch": self.epoch,
                "boot": self.boot,
                "time_ns": self.time_ns,
                "ticks": self.ticks,
                "topics": list(self.topics.values()),
                "sources": [[instance, running] for instance, running in self.sources.items()],
                "serial": self.serial,
                "journal": self.journal,
                "age_s": self.age_s,
                "boottime_s": self.boottime_s,
                "ended": list(self.ended.items()),
                "floor": self.floor,
            }
        )
        rest = _REST.pack(SNAPSHOT, 0, len(payload))
        return _PREFIX.pack(MAGIC, zlib.crc32(payload, zlib.crc32(rest))) + rest + payload

    @classmethod
    def decode(cls, payload: bytes) -> "Snapshot":
        """Decode a snapshot's payload.

        Raises:
            ProtocolError: `BAD_BODY`, it is not a snapshot, or of another version, which is then in `details`.
        """
        fields: Any = unpack(payload)
        try:
            if fields["version"] != VERSION:
                error = ProtocolError("BAD_BODY", f"its head is of version {fields['version']!r}, this broker reads {VERSION}")
                error.details["version"] = fields["version"]
                raise error
            topics = {key_of(frame): bytes(frame) for frame in fields["topics"]}
            sources = {_whole(instance): _whole(running) for instance, running in fields["sources"]}
            ended = {bytes(key): _whole(number, MAX_NUMBER) for key, number in fields.get("ended", ())}
            age_s = fields.get("age_s")
            return cls(
                _whole(fields["epoch"], MAX_EPOCH),
                str(fields["boot"]),
                _whole(fields["time_ns"]),
                _whole(fields["ticks"], MAX_NUMBER),
                topics,
                sources,
                _whole(fields.get("serial", 0)),
                str(fields.get("journal", "")),
                None if age_s is None else _seconds(age_s),
                _seconds(fields.get("boottime_s", 0.0)),
                ended,
                _whole(fields.get("floor", 0), MAX_NUMBER),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ProtocolError("BAD_BODY", f"a journal's snapshot is malformed: {error!r}") from error


def key_of(frame: bytes) -> bytes:
    """Return a published frame's key: its topic and the NUL.

    Raises:
        ValueError: there is no NUL, or no whole stamp behind it.
    """
    cut = frame.index(NUL) + 1
    if len(frame) < cut + STAMP.size:
        raise ValueError(f"a frame of {len(frame)} bytes has no stamp")
    return bytes(frame[:cut])


def _whole(value: Any, most: int = (1 << 64) - 1) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r} is not a whole number up to {most}")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1 << 40:
        raise ValueError(f"{value!r} is not a number of seconds")
    return float(value)


class Record(Struct, frozen=True):
    """A whole record."""

    offset: int  # of its first byte
    end: int  # of the byte behind it
    kind: int
    payload: bytes

    def tick(self) -> tuple[int, int, int, bytes]:
        """Decode a tick: number, instance, running number, frame."""
        number, instance, running = TICK_HEAD.unpack_from(self.payload)
        return number, instance, running, self.payload[TICK_HEAD.size :]


class Corrupt(Struct, frozen=True):
    """Bytes that are no record, up to the next whole record or to the end of the data."""

    offset: int
    end: int
    last: bool  # no whole record follows: a torn tail, or a damaged last record


def record_at(data: bytes, offset: int) -> Record | None:
    """Return the record that begins at `offset`; None if there is no whole one."""
    if len(data) - offset < HEAD_BYTES:
        return None
    magic, crc = _PREFIX.unpack_from(data, offset)
    kind, _, length = _REST.unpack_from(data, offset + _PREFIX.size)
    end = offset + HEAD_BYTES + length
    if magic != MAGIC or length > MAX_PAYLOAD or end > len(data):
        return None
    if zlib.crc32(data[offset + _PREFIX.size : end]) != crc:
        return None
    return Record(offset, end, kind, data[offset + HEAD_BYTES : end])


def needs(data: bytes, offset: int) -> int | None:
    """Return the bytes of the record at `offset` according to its head; None if that is no head, or not whole."""
    if len(data) - offset < HEAD_BYTES or data[offset : offset + 2] != MAGIC_BYTES:
        return None
    length: int = _REST.unpack_from(data, offset + _PREFIX.size)[2]
    return HEAD_BYTES + length if length <= MAX_PAYLOAD else None


def scan(data: bytes, offset: int = 0) -> Iterator[Record | Corrupt]:
    """Yield all records from `offset` on, and the damaged parts between them.

    Args:
        data: a segment, or a piece of it that begins with a record.
        offset: where to begin.
    """
    while offset < len(data):
        record = record_at(data, offset)
        if record is not None:
            yield record
            offset = record.end
            continue
        following = next_record(data, offset + 1)
        end = len(data) if following is None else following.offset
        yield Corrupt(offset, end, last=following is None)
        offset = end


def ticks_in(data: bytes, offset: int = 0) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """Yield consecutive whole ticks, as (offset, end, number, instance, running, frame); the fast path of `scan`.

    It stops at the first byte that begins no whole tick: a snapshot, damage, or the end of the data.
    """
    view, size, unpack_from, crc32 = memoryview(data), len(data), _WHOLE_TICK.unpack_from, zlib.crc32
    while offset + TICK_BYTES <= size:
        magic, crc, kind, _, length, number, instance, running = unpack_from(data, offset)
        end = offset + HEAD_BYTES + length
        if magic != MAGIC or kind != TICK or end > size or crc32(view[offset + CHECKED_FROM : end]) != crc:
            return
        yield offset, end, number, instance, running, data[offset + TICK_BYTES : end]
        offset = end


def tick_ends(data: bytes, offset: int, most: int) -> list[int]:
    """Return where consecutive whole ticks end, `most` of them at most; as `ticks_in`, for readers of many ticks at once.

    It costs two thirds of `ticks_in`, which also copies each frame.
    """
    view, limit, unpack_from, crc32 = memoryview(data), len(data) - TICK_BYTES, _TICK_CHECK.unpack_from, zlib.crc32
    ends: list[int] = []
    while offset <= limit and len(ends) < most:
        magic, crc, kind, length = unpack_from(data, offset)
        end = offset + HEAD_BYTES + length
        if crc32(view[offset + CHECKED_FROM : end]) != crc or magic != MAGIC or kind != TICK or end > len(data):
            return ends
        ends.append(end)
        offset = end
    return ends


def next_record(data: bytes, offset: int) -> Record | None:
    """Return the first whole record at or behind `offset`."""
    at = data.find(MAGIC_BYTES, offset)
    while at >= 0:
        record = record_at(data, at)
        if record is not None:
            return record
        at = data.find(MAGIC_BYTES, at + 1)
    return None

"""The bytes of the ring, in which processes on the broker's machine read ticks: PROTOCOL.md section 13. Pure.

One file: a page of header, then `capacity` bytes of records. The broker alone writes it; a reader only reads. Positions count
bytes ever written, so position P is at offset `HEADER_BYTES + P % capacity` of the file.
"""

import functools
import struct
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import msgspec
from msgspec import Struct

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import STAMP, array_header
from hulak.bus.wire.names import TICKS

MAGIC: Final = b"HULAKRNG"
VERSION = 1
HEADER_BYTES = 4096
HEADER = struct.Struct("<8sIIQQQ")  # magic, version, bytes of the header, capacity, id, epoch
CLAIM, HEAD = 8, 16  # words of 8 bytes in the header: where the record being written ends; where the last written one ends
TURN = 36  # word of 4 bytes in the header: number of records written, modulo 2^32; readers wait for it to change
TURN_AT = 4 * TURN  # its offset
RECORD = struct.Struct("<IIII")  # bytes of the record, of its frame, number of ticks, bytes of their topics
RECORD_BYTES = RECORD.size
ALIGNED = 16  # records begin at multiples of it: so a record's first 16 bytes are never cut by the end
PADDING = 0xFFFFFFFF  # in place of a record's length: nothing follows before the end
LARGEST_PART = 4  # a record takes at most this part of the capacity
EACH_TICK = 12  # bytes in a record: sequence and offset
NUMBERS = functools.lru_cache(1024)(lambda ticks: struct.Struct(f"<{ticks}Q{ticks}I"))  # of a record: sequences and offsets
FIRST_BODY = len(TICKS) + STAMP.size  # in a frame of `ticks`, but for the header of its array


class RingTerms(Struct, frozen=True):
    """The header of a ring, as far as it does not change."""

    capacity: int
    id: int
    epoch: int  # when it was made

    def pack(self) -> bytes:
        """Return the first bytes of the file."""
        return HEADER.pack(MAGIC, VERSION, HEADER_BYTES, self.capacity, self.id, self.epoch)


def read_terms(header: bytes) -> RingTerms:
    """Read the first bytes of a file.

    Raises:
        ProtocolError: `BAD_FRAME`, it is no ring, or one of another version.
    """
    if len(header) < HEADER.size or header[: len(MAGIC)] != MAGIC:
        raise ProtocolError("BAD_FRAME", f"the file begins with {header[:8]!r}, must be {MAGIC!r}")
    _, version, size, capacity, ring, epoch = HEADER.unpack_from(header)
    if (version, size) != (VERSION, HEADER_BYTES) or capacity % ALIGNED or not capacity:
        seen = f"version {version}, a header of {size} bytes and {capacity} bytes of records"
        raise ProtocolError("BAD_FRAME", f"{seen}; must be {VERSION}, {HEADER_BYTES} and a multiple of {ALIGNED}")
    return RingTerms(capacity, ring, epoch)


class TickRows(msgspec.Struct, gc=False):
    """The message of `ticks` of one turn, and which ticks are in it."""

    frame: bytes  # topic, NUL, stamp, array
    topics: bytes  # for each tick its topic and a NUL
    sequences: list[int]  # for each tick its number within its topic
    sizes: list[int]  # bytes of each tick's body


def pack_record(frame: bytes, numbers: bytes = b"", topics: bytes = b"") -> bytes:
    """Return one record, padded to a multiple of `ALIGNED` bytes.

    Args:
        frame: as published.
        numbers: the sequences and offsets of its ticks; empty unless it is a message of `ticks`.
        topics: for each tick its topic and a NUL.
    """
    size = RECORD_BYTES + len(numbers) + len(topics) + len(frame)
    rest = -size % ALIGNED
    return b"".join(
        (RECORD.pack(size + rest, len(frame), len(numbers) // EACH_TICK, len(topics)), numbers, topics, frame, bytes(rest))
    )


def pack_rows(rows: TickRows) -> bytes:
    """Return the record of one turn's ticks."""
    count = len(rows.sequences)
    *offsets, _ = accumulate(rows.sizes, initial=FIRST_BODY + len(array_header(count)))
    return pack_record(rows.frame, NUMBERS(count).pack(*rows.sequences, *offsets), rows.topics)


@dataclass(slots=True)
class PickedTicks:
    """The ticks of one record whose topics are wanted."""

    names: list[bytes]  # the topic of each tick of the record
    sequences: tuple[int, ...]  # its number within its topic
    offsets: tuple[int, ...]  # where its body begins in `frame`, and at last where the last one ends
    picks: list[int]  # places of the wanted ones
    frame: bytes  # the message of `ticks`

    @property
    def epoch(self) -> int:
        """Return the epoch of all of them."""
        return int.from_bytes(self.frame[len(TICKS) : len(TICKS) + 8], "big")

    @property
    def body(self) -> memoryview:
        """Return the array of all bodies of the record."""
        return memoryview(self.frame)[FIRST_BODY:]

    def frames(self, first: int = 0) -> list[bytes]:
        """Return the frames of the wanted ones from a place in `picks` on, as the publisher's socket has them."""
        frame, offsets, names, sequences, stamp_at = self.frame, self.offsets, self.names, self.sequences, len(TICKS)
        epoch, time = frame[stamp_at : stamp_at + 8], frame[stamp_at + 16 : stamp_at + STAMP.size]
        return [
            b"%b\0%b%b%b%b" % (names[at], epoch, sequences[at].to_bytes(8, "big"), time, frame[offsets[at] : offsets[at + 1]])
            for at in self.picks[first:]
        ]

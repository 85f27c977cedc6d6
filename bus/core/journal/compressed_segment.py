"""The bytes of a compressed segment; `zstd -d` makes the segment of them again. Pure.

    file  = head frame... table                                       (numbers are little-endian, as Zstandard's are)
    head  = 0x184D2A50:u32 length:u32 "HZ01" crc:u32 msgpack map      (a skippable frame)
    frame = `BLOCK_BYTES` of the segment, the last one fewer, as a Zstandard frame with its size and a checksum
    table = the seek table of Zstandard's seekable format: a skippable frame with the sizes of all frames, the head's first

Each frame is independent of the others, so that a replay decompresses only the blocks that it reads, at the same offsets as in
the segment: its index stays valid. The sizes of the frames are in the head and in the table: if one is damaged, the other is
used. A damaged block reads as zeros, which are no record: its ticks are missing, as with any other damage.
"""

import struct
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import zstandard
from msgspec.structs import replace

from hulak.bus.core.journal.record_format import SNAPSHOT, Snapshot, record_at
from hulak.bus.core.journal.segment_index import SegmentIndex, array_of, little_endian
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack

BLOCK_BYTES = 1 << 17  # larger blocks are hardly smaller together, and a single tick costs more to read
LEVEL = 3  # higher levels cost many times the CPU for a few percent
MAGIC = b"HZ01"
SKIPPABLE, TABLE_FRAME, TABLE_END = 0x184D2A50, 0x184D2A5E, 0x8F92EAB1
_FRAME = struct.Struct("<II")  # magic and length of a skippable frame
_HEAD = struct.Struct("<II4sI")
_ENTRY = struct.Struct("<II")  # of the table: bytes of a frame, and of what it holds
_FOOTER = struct.Struct("<IBI")  # of the table: number of frames, flags, magic
FOOTER_BYTES = _FOOTER.size
MAX_BLOCKS = 1 << 20
MAX_BLOCK_BYTES = 1 << 24


@dataclass(slots=True)
class CompressedHead:
    """The description of a compressed segment, read without decompressing anything.

    Args:
        size: bytes of the segment.
        frames: bytes of each compressed block.
        snapshot: the segment's head without its last values; None if that is damaged, or not known.
        head_bytes: of the segment's head; 0 if it is damaged.
        count: whole ticks; None if not known.
        last: number of the last one; 0 if there is none.
        times: least and largest stamp, ns since 1970 UTC.
        block_bytes: of a block.
        start: where the first frame begins.
    """

    size: int
    frames: "array[int]"
    snapshot: Snapshot | None = None
    head_bytes: int = 0
    count: int | None = None
    last: int = 0
    times: tuple[int, int] | None = None
    block_bytes: int = BLOCK_BYTES
    start: int = 0
    _offsets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.start or len(self.encode())
        self.settle()

    def settle(self) -> None:
        """Take over the values of `frames`, where they were changed."""
        self._offsets = list(accumulate(self.frames, initial=self.start))

    @classmethod
    def of(cls, snapshot: Snapshot | None, head_bytes: int, index: SegmentIndex | None, size: int) -> "CompressedHead":
        """Return the head of a segment that is not compressed yet; `frames` are zeros.

        Args:
            snapshot: the segment's head; None if it is damaged.
            head_bytes: its bytes; 0 if it is damaged.
            index: of the segment; None if there is none.
            size: bytes of the segment.
        """
        short = None if snapshot is None else replace(snapshot, topics={}, sources={}, ended={})
        count = None if index is None or index.holes else index.count
        last, times = (0, None) if index is None or not index.count else (index.behind - 1, (index.least_ns, index.most_ns))
        return cls(size, array("I", bytes(4 * -(-size // BLOCK_BYTES))), short, head_bytes, count, last, times)

    def encode(self) -> bytes:
        """Encode the frame; its length does not depend on the values of `frames`."""
        fields = {
            "size": self.size,
            "block": self.block_bytes,
            "frames": little_endian(self.frames),
            "snapshot": None if self.snapshot is None else self.snapshot.encode(),
            "head_bytes": self.head_bytes,
            "count": self.count,
            "last": self.last,
            "times": self.times,
        }
        packed = pack(fields)
        return _HEAD.pack(SKIPPABLE, 8 + len(packed), MAGIC, zlib.crc32(packed)) + packed

    @classmethod
    def decode(cls, data: bytes) -> "CompressedHead":
        """Decode the frame at the beginning of a file.

        Raises:
            ProtocolError: `BAD_BODY`, it is damaged, or not of a compressed segment.
        """
        wanted = head_length(data)
        if wanted is None or len(data) < wanted:
            raise _malformed("it does not begin with a whole head")
        packed = data[_HEAD.size : wanted]
        if zlib.crc32(packed) != _HEAD.unpack_from(data)[3]:
            raise _malformed("its head is damaged")
        fields: Any = unpack(packed)
        try:
            times = fields["times"]
            head = cls(
                int(fields["size"]),
                array_of("I", fields["frames"]),
                _snapshot(fields["snapshot"]),
                int(fields["head_bytes"]),
                fields["count"],
                int(fields["last"]),
                None if times is None else (int(times[0]), int(times[1])),
                int(fields["block"]),
                wanted,
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _malformed(f"its head is malformed: {error!r}") from error
        return head.checked()

    @classmethod
    def of_table(cls, table: bytes) -> "CompressedHead":
        """Return the description by the table at the end of a file.

        Args:
            table: the last bytes of the file, `table_length` of them.
        Raises:
            ProtocolError: `BAD_BODY`, it is damaged, or not of a compressed segment.
        """
        wanted = table_length(table[-FOOTER_BYTES:])
        if wanted is None or len(table) != wanted or _FRAME.unpack_from(table) != (TABLE_FRAME, wanted - _FRAME.size):
            raise _malformed("neither its head nor its table is whole")
        entries = list(_ENTRY.iter_unpack(table[_FRAME.size : -FOOTER_BYTES]))
        (start, nothing), blocks = entries[0], entries[1:]
        if nothing or not blocks or any(size != blocks[0][1] for _, size in blocks[:-1]):
            raise _malformed("its table is not of a compressed segment")
        frames = array("I", [frame for frame, _ in blocks])
        return cls(sum(size for _, size in blocks), frames, block_bytes=blocks[0][1], start=start).checked()

    def checked(self) -> "CompressedHead":
        """Return it; raises ProtocolError if its numbers contradict each other."""
        if not 0 < self.block_bytes <= MAX_BLOCK_BYTES or self.size < 0 or len(self.frames) > MAX_BLOCKS:
            raise _malformed(f"blocks of {self.block_bytes} bytes, {len(self.frames)} of them")
        if len(self.frames) != -(-self.size // self.block_bytes):
            raise _malformed(f"{len(self.frames)} blocks of {self.block_bytes} bytes cannot hold {self.size} bytes")
        return self

    def table(self) -> bytes:
        """Encode the table at the end of the file."""
        entries = [(self.start, 0), *((frame, self.block_size(at)) for at, frame in enumerate(self.frames))]
        body = b"".join([_ENTRY.pack(*entry) for entry in entries]) + _FOOTER.pack(len(entries), 0, TABLE_END)
        return _FRAME.pack(TABLE_FRAME, len(body)) + body

    def block_size(self, at: int) -> int:
        """Return the bytes of a block, decompressed."""
        return min(self.block_bytes, self.size - at * self.block_bytes)

    def place(self, at: int) -> tuple[int, int]:
        """Return where in the file a block's frame is: offset and bytes."""
        return self._offsets[at], self.frames[at]

    def block_at(self, offset: int) -> int:
        """Return the block that has a byte of the segment."""
        return offset // self.block_bytes


def head_length(data: bytes) -> int | None:
    """Return the bytes of the head frame that a file begins with; None if it begins with none."""
    if len(data) < _HEAD.size:
        return None
    magic, length, own, _ = _HEAD.unpack_from(data)
    return _FRAME.size + length if (magic, own) == (SKIPPABLE, MAGIC) and length <= 16 * MAX_BLOCKS else None


def table_length(footer: bytes) -> int | None:
    """Return the bytes of the table that a file ends with, by its last bytes; None if it ends with none."""
    if len(footer) != FOOTER_BYTES:
        return None
    count, flags, magic = _FOOTER.unpack(footer)
    return (
        _FRAME.size + _ENTRY.size * count + FOOTER_BYTES if magic == TABLE_END and not flags and 0 < count <= MAX_BLOCKS else None
    )


def compressor() -> zstandard.ZstdCompressor:
    """Return a compressor of blocks, for one thread."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)


def expand(frame: bytes, size: int) -> bytes | None:
    """Decompress a block of a known size; None if it is damaged."""
    try:
        if zstandard.frame_content_size(frame) != size:  # a damaged one could ask for any amount of memory
            return None
        block = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
    except zstandard.ZstdError:
        return None
    return block if len(block) == size else None


def few_blocks(offsets: "array[int]", places: Sequence[int], block_bytes: int, most: int) -> int:
    """Return how many of the places, from the first on, are in at most some blocks.

    Args:
        offsets: of all records, in order.
        places: of records, in order.
        block_bytes: of a block.
        most: blocks, 1 or more.
    """
    seen, blocks = -1, 0
    for count, place in enumerate(places):
        last = (offsets[place + 1] - 1) // block_bytes
        blocks += last - max(seen, offsets[place] // block_bytes - 1)
        seen = last
        if blocks > most and count:
            return count
    return len(places)


def _snapshot(record: bytes | None) -> Snapshot | None:
    if record is None:
        return None
    whole = record_at(record, 0)
    if whole is None or whole.kind != SNAPSHOT:
        raise ValueError("its snapshot is not whole")
    return Snapshot.decode(whole.payload)


def _malformed(why: str) -> ProtocolError:
    return ProtocolError("BAD_BODY", f"a compressed segment: {why}")

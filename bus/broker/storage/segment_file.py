"""A segment's file, plain or compressed, opened for reading: both have the same bytes at the same offsets."""

import os
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from hulak.bus.core.journal.compressed_segment import (
    FOOTER_BYTES,
    CompressedHead,
    expand,
    head_length,
    table_length,
)
from hulak.bus.core.journal.record_format import SNAPSHOT, Snapshot, needs, record_at
from hulak.bus.core.journal.segment_names import compressed_name, is_compressed
from hulak.bus.errors import ProtocolError

FIRST_BYTES = 1 << 16  # in which most heads fit
BLOCKS = 4  # decompressed ones kept for each file


class SegmentFile:
    """An open segment.

    Args:
        path: of the file.
    Raises:
        OSError: the file cannot be opened or read.
        ProtocolError: `BAD_BODY`, it is a compressed segment of which neither head nor table is whole.
    """

    def __init__(self, path: Path) -> None:
        self.compressed = is_compressed(path.name)
        self.head: CompressedHead | None = None  # of a compressed segment
        self.damaged: set[int] = set()  # blocks that could not be decompressed
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.stored = os.fstat(self._fd).st_size  # bytes on the disk
            self.size = self.stored  # bytes of the segment
            if self.compressed:
                self.head = read_compressed_head(self._fd, self.stored)
                self.size = self.head.size
        except BaseException:
            os.close(self._fd)
            raise
        self.read: Callable[[int, int], bytes] = self._read if self.compressed else partial(os.pread, self._fd)
        """Return bytes of the segment, by size and offset; fewer at its end, zeros in place of a damaged block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _read(self, size: int, offset: int) -> bytes:
        assert self.head is not None, "only a compressed segment is read in blocks"
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        first, last = self.head.block_at(offset), self.head.block_at(end - 1)
        at = offset - first * self.head.block_bytes
        if first == last:
            return self._block(first)[at : at + end - offset]
        return b"".join([self._block(block) for block in range(first, last + 1)])[at : at + end - offset]

    def _block(self, at: int) -> bytes:
        assert self.head is not None, "only a compressed segment has blocks"
        block = self._blocks.get(at)
        if block is not None:
            self._blocks.move_to_end(at)
            return block
        offset, length = self.head.place(at)
        size = self.head.block_size(at)
        block = expand(os.pread(self._fd, length, offset), size)
        if block is None:
            self.damaged.add(at)
            block = bytes(size)
        self._blocks[at] = block
        if len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def snapshot(self) -> tuple[Snapshot | None, int]:
        """Return the segment's head with all last values, and the size of its record; None and 0 if it is not whole.

        Raises:
            OSError: the file cannot be read.
            ProtocolError: `BAD_BODY`, it is of another version, which is then in `details`.
        """
        data = self.read(FIRST_BYTES, 0)
        wanted = needs(data, 0)
        if wanted is not None and wanted > len(data):
            data += self.read(wanted - len(data), len(data))
        record = record_at(data, 0)
        if record is None or record.kind != SNAPSHOT:
            return None, 0
        return Snapshot.decode(record.payload), record.end

    def summary(self) -> tuple[Snapshot | None, int]:
        """Return the same, without last values if the segment is compressed: then nothing is decompressed."""
        if self.head is not None and self.head.snapshot is not None:
            return self.head.snapshot, self.head.head_bytes
        return self.snapshot()


def read_compressed_head(fd: int, stored: int) -> CompressedHead:
    """Read what a compressed segment says about itself: its head, or if that is damaged, its table.

    Args:
        fd: of the file.
        stored: its size.
    Raises:
        OSError: the file cannot be read.
        ProtocolError: `BAD_BODY`, neither is whole.
    """
    data = os.pread(fd, FIRST_BYTES, 0)
    wanted = head_length(data)
    try:
        if wanted is not None and wanted > len(data):
            data += os.pread(fd, wanted - len(data), len(data))
        return CompressedHead.decode(data)
    except ProtocolError:
        length = table_length(os.pread(fd, FOOTER_BYTES, max(0, stored - FOOTER_BYTES))) or 0
        return CompressedHead.of_table(os.pread(fd, length, max(0, stored - length)))


def read_whole(path: Path) -> bytes:
    """Return all bytes of a segment; of the other form of it, if a running broker has compressed it meanwhile.

    Raises:
        OSError: it cannot be read; FileNotFoundError if there is neither form.
        ProtocolError: `BAD_BODY`, as `SegmentFile`.
    """
    try:
        with SegmentFile(path) as file:
            return file.read(file.size, 0)
    except FileNotFoundError:
        other = path.with_name(compressed_name(path.name))
        if other == path:
            raise
        with SegmentFile(other) as file:
            return file.read(file.size, 0)


def read_head(path: Path) -> Snapshot | None:
    """Read a segment's head with all last values; None if it is not whole."""
    try:
        with SegmentFile(path) as file:
            return file.snapshot()[0]
    except (OSError, ProtocolError):
        return None

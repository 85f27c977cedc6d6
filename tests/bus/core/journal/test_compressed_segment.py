"""The bytes of a compressed segment: read without decompressing, and by `zstd` too; damage costs a block."""

import shutil
import subprocess
from array import array

import pytest
from replay_fixture import MemorySegments

from hulak.bus.core.journal import compressed_index
from hulak.bus.core.journal.compressed_segment import (
    BLOCK_BYTES,
    FOOTER_BYTES,
    CompressedHead,
    compressor,
    expand,
    few_blocks,
    table_length,
)
from hulak.bus.core.journal.record_format import Snapshot, record_at
from hulak.bus.errors import ProtocolError


@pytest.fixture(scope="module")
def segment():
    """A segment of three blocks and a bit."""
    library = MemorySegments(900, padding=400)
    [shelf] = library.shelves
    return bytes(shelf.data), library.index(shelf)


def compressed(segment):
    data, index = segment
    record = record_at(data, 0)
    head = CompressedHead.of(Snapshot.decode(record.payload), record.end, index, len(data))
    frames = [compressor().compress(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
    head.frames[:] = array("I", map(len, frames))
    head.settle()
    return head, head.encode() + b"".join(frames) + head.table()


def test_the_head_has_the_numbers_and_times_of_the_segment(segment):
    head = CompressedHead.decode(compressed(segment)[1])
    data, _ = segment
    assert (head.size, head.count, head.last, head.times) == (len(data), 900, 900, (1, 900))
    assert (head.snapshot.epoch, head.snapshot.ticks, head.snapshot.topics) == (1, 0, {})
    assert head.head_bytes == record_at(data, 0).end


def test_each_block_is_decompressed_by_itself(segment):
    head, file = compressed(segment)
    read = [expand(file[offset : offset + length], head.block_size(at)) for at in range(4) for offset, length in [head.place(at)]]
    assert b"".join(read) == segment[0]
    assert [head.block_at(offset) for offset in (0, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES)] == [0, 0, 1, 3]


def test_the_table_has_the_same_places_as_the_head(segment):
    head, file = compressed(segment)
    length = table_length(file[-FOOTER_BYTES:])
    table = CompressedHead.of_table(file[-length:])
    assert (table.size, table.frames, table.start, table.block_bytes) == (head.size, head.frames, head.start, BLOCK_BYTES)
    assert [table.place(at) for at in range(4)] == [head.place(at) for at in range(4)]


def test_the_table_is_that_of_the_seekable_format(segment):
    """By contrib/seekable_format of Zstandard: a skippable frame of entries, which are u32 pairs, and a footer of nine bytes."""
    head, file = compressed(segment)
    table = file[head.place(3)[0] + head.place(3)[1] :]
    assert table[:4] == bytes.fromhex("5e2a4d18")
    assert int.from_bytes(table[4:8], "little") == len(table) - 8 == 8 * 5 + 9
    assert table[-9:] == bytes.fromhex("05000000 00 b1ea928f")
    assert table[8:16] == head.start.to_bytes(4, "little") + bytes(4)


def test_zstd_makes_the_segment_of_it_again(segment, tmp_path):
    if shutil.which("zstd") is None:
        pytest.skip("there is no zstd")
    (tmp_path / "x.hj.zst").write_bytes(compressed(segment)[1])
    subprocess.run(["zstd", "-q", "-d", tmp_path / "x.hj.zst"], check=True)
    assert (tmp_path / "x.hj").read_bytes() == segment[0]


def test_a_flipped_bit_in_a_block_is_noticed(segment):
    head, file = compressed(segment)
    offset, length = head.place(1)
    for bit in range(0, 8 * length, 977):
        frame = bytearray(file[offset : offset + length])
        frame[bit >> 3] ^= 1 << (bit & 7)
        assert expand(bytes(frame), BLOCK_BYTES) in (None, segment[0][BLOCK_BYTES : 2 * BLOCK_BYTES])
    assert expand(file[offset : offset + length - 1], BLOCK_BYTES) is None
    assert expand(file[offset : offset + length], BLOCK_BYTES - 1) is None, "of another size"


def test_damage_to_a_head_or_a_table_is_refused(segment):
    head, file = compressed(segment)
    table = bytearray(head.table())
    for at in range(0, head.start, 7):
        damaged = bytearray(file[: head.start])
        damaged[at] ^= 0x10
        with pytest.raises(ProtocolError, match="compressed segment"):
            CompressedHead.decode(bytes(damaged))
    for wrong in (b"", b"x" * 20, bytes(table[:-1]), bytes(table[1:])):
        with pytest.raises(ProtocolError, match="compressed segment"):
            CompressedHead.of_table(wrong)


def test_few_blocks_are_those_of_whole_records():
    offsets = array("I", [0, 60, 100, 130, 260, 290, 400])
    assert few_blocks(offsets, [0, 1], 100, 1) == 2
    assert few_blocks(offsets, [0, 1, 2], 100, 1) == 2, "the third is in another block"
    assert few_blocks(offsets, [0, 3, 4], 100, 2) == 1, "block 0, then 1 and 2"
    assert few_blocks(offsets, [0, 3, 4, 5], 100, 3) == 3
    assert few_blocks(offsets, [0, 3, 4, 5], 100, 4) == 4
    assert few_blocks(offsets, [3, 4], 100, 1) == 1, "one record is read, however many blocks it is in"


@pytest.mark.parametrize("extra", [0, 1, 3])
def test_an_index_is_compressed_and_is_the_same_again(segment, extra):
    index = segment[1].encode(len(segment[0])) + bytes(extra)
    small = compressed_index.shrink(index)
    assert len(small) < len(index) / 4
    assert compressed_index.whole(small, len(index)) == index
    assert compressed_index.whole(index, 0) == index
    with pytest.raises(ProtocolError, match="index"):
        compressed_index.whole(small, len(index) - 1)
    with pytest.raises(ProtocolError, match="index"):
        compressed_index.whole(small[:-5], len(index))

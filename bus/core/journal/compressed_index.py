"""The bytes of a segment's index beside a compressed segment: a fifth of those of a plain index. Pure.

    file = a Zstandard frame of: all first bytes of each four, then all second, third and fourth ones, then the rest

An index is mostly rising numbers of four bytes, whose upper bytes hardly change: side by side they compress to almost nothing.
"""

import zstandard

from hulak.bus.errors import ProtocolError

MAGIC = bytes.fromhex("28b52ffd")  # of a Zstandard frame
LEVEL = 3


def shrink(index: bytes) -> bytes:
    """Compress an index."""
    end = len(index) & ~3
    columns = [index[at:end:4] for at in range(4)]
    return zstandard.ZstdCompressor(level=LEVEL).compress(b"".join((*columns, index[end:])))


def whole(data: bytes, most: int) -> bytes:
    """Return the bytes of an index, which may be compressed.

    Args:
        data: of its file.
        most: bytes that it can have, decompressed.
    Raises:
        ProtocolError: `BAD_BODY`, it is damaged.
    """
    if not data.startswith(MAGIC):
        return data
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= most:
            raise ProtocolError("BAD_BODY", f"a compressed index of {size} bytes")
        columns = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ProtocolError("BAD_BODY", f"a compressed index is damaged: {error}") from error
    count = len(columns) >> 2
    index = bytearray(columns)
    for at in range(4):
        index[at : 4 * count : 4] = columns[at * count : (at + 1) * count]
    return bytes(index)

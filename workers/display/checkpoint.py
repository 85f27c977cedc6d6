"""What is written down of a display, so that another worker goes on from there instead of from the day's first tick. Pure.

A checkpoint is the whole state of one display as it was when every tick of its symbol up to `upto` was in it. So it is never
wrong, only of an earlier position: who takes it up needs the ticks behind `upto`, and nothing else. An old one that overwrites a
newer one (its writer was frozen, and wakes) costs some ticks more, and no truth.

Numbers may be used again by a broker that lost its last ones; `epoch`, under which `upto` was numbered, tells. And a display may
have been given another beginning meanwhile: `grew_from` says what it grew from, `day` what the newest day began with.

    file = magic:4s version:u32 crc:u32 msgpack map       (this machine's byte order; CRC-32 of the map)
"""

import struct
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack

MAGIC = b"HDCP"
VERSION = 3  # raise it whenever a state's dump has another form, or what it holds another meaning
HEAD = struct.Struct("=4sII")  # native: a file of a machine with the other byte order is of another version


class Checkpoint(msgspec.Struct, frozen=True):
    """One display at one position."""

    display: str
    symbol: str
    grew_from: bytes  # `fingerprint` of the row that it was built up from
    day: bytes  # `fingerprint` of what the newest day began with, if the row did not say so yet; else empty
    day_from: int  # number of that day's first tick; 0: none is to be told
    upto: int  # number, in the one global order
    epoch: int  # under which `upto` was numbered
    number: int  # of the last tick in the state; 0: none
    received_ns: int  # when the feed received that
    incomplete: bool
    skipped: list[int]  # ticks left out, since the state failed at them
    state: dict[str, Any]  # as the state dumps it


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def encode(checkpoint: Checkpoint) -> bytes:
    """Make a file's bytes."""
    body = _encode(checkpoint)
    return HEAD.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def decode(data: bytes) -> Checkpoint:
    """Read a file's bytes.

    Raises:
        ProtocolError: `BAD_CHECKPOINT`, it is not whole, of another version, or none.
    """
    if len(data) < HEAD.size:
        raise _bad(f"{len(data)} bytes, must be {HEAD.size} at least")
    magic, version, crc = HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise _bad(f"it begins with {magic!r} and version {version}, must be {MAGIC!r} and {VERSION}")
    body = memoryview(data)[HEAD.size :]
    if zlib.crc32(body) != crc:
        raise _bad(f"the CRC of {len(body)} bytes is not {crc:#010x}")
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise _bad(str(error)) from error


def _bad(why: str) -> ProtocolError:
    return ProtocolError("BAD_CHECKPOINT", why)


def fingerprint(symbol: str, init: Mapping[str, Any], first: int) -> bytes:
    """Tell a display's beginning from every other one: its symbol, its init, and the number of the first tick that counts."""
    return blake2b(pack([symbol, init, first]), digest_size=16).digest()

"""Checkpoint of a display, so that another worker continues from it instead of from the day's first tick. Pure.

A checkpoint is the complete state of one display, with every tick of its symbol up to `upto`. So it is never wrong, only early: a
worker that restores it needs the ticks after `upto`, and nothing else. An old checkpoint that overwrites a newer one (its writer
was suspended and resumed) costs the replay of more ticks, and no correctness.

Numbers may be used again by a broker that lost its last ones; `epoch`, under which `upto` was numbered, shows this. And the start
of a display may have been changed meanwhile: `grew_from` identifies the start of the state, `day` the start of its newest day.

    file = magic:4s version:u32 crc:u32 msgpack map       (this machine's byte order; CRC-32 of the map)
"""

import struct
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, pack_plain

MAGIC = b"HDCP"
VERSION = 4  # increase it whenever the form or the meaning of a state's dump changes
HEAD = struct.Struct("=4sII")  # native: a file from a machine with the other byte order has another version


class Checkpoint(msgspec.Struct, frozen=True):
    """One display at one position."""

    display: str
    symbol: str
    grew_from: bytes  # `fingerprint` of the row that the state was built from
    day: bytes  # `fingerprint` of the newest day's start, if the row did not have it yet; else empty
    day_from: int  # number of that day's first tick; 0: none is to be sent
    upto: int  # number, in the one global order
    epoch: int  # under which `upto` was numbered
    number: int  # of the last tick in the state; 0: none
    received_ns: int  # when the feed received it
    incomplete: bool
    skipped: list[int]  # ticks that are skipped, since the state failed at them
    state: dict[str, Any]  # see `DisplayState.dump`


_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a file."""
    body = pack_plain(checkpoint)
    return HEAD.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def decode(data: bytes) -> Checkpoint:
    """Parse the bytes of a file.

    Raises:
        ProtocolError: `BAD_CHECKPOINT`, it is incomplete, of another version, or no checkpoint.
    """
    if len(data) < HEAD.size:
        raise _bad(f"{len(data)} bytes, must be at least {HEAD.size}")
    magic, version, crc = HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise _bad(f"it begins with {magic!r} and version {version}, must be {MAGIC!r} and {VERSION}")
    body = memoryview(data)[HEAD.size :]
    if zlib.crc32(body) != crc:
        raise _bad(f"the CRC of its {len(body)} bytes is not {crc:#010x}")
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise _bad(str(error)) from error


def _bad(why: str) -> ProtocolError:
    return ProtocolError("BAD_CHECKPOINT", why)


def fingerprint(symbol: str, init: Mapping[str, Any], first: int) -> bytes:
    """Return a hash of a display's start: its symbol, its init, and the number of the first tick that counts."""
    return blake2b(pack([symbol, init, first]), digest_size=16).digest()

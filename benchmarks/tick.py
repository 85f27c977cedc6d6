"""The tick that every system carries: the same bytes, of one length, with its number and its time inside.

It has the form of PROTOCOL.md section 3.3, so that it is a tick to whoever reads it; `bid` is the tick's running number and
`timestamp` says when it was posted, by the monotonic clock, both at fixed offsets, so that a consumer that decodes nothing can
still count what is missing. A broker takes only times from 1990 to 2100 in ms: of those `timestamp` is one, that grows each
microsecond and begins again after twelve days.
"""

import itertools
import struct
import time

import msgpack

from bus.wire.messages import FIRST_MS, Tick

CURRENCIES = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")
SYMBOLS = ["".join(pair) for pair in itertools.combinations(CURRENCIES, 2)]  # 28
TOPICS = [b"tick." + symbol.encode() for symbol in SYMBOLS]
TOPIC_BYTES = len(TOPICS[0])
SOURCE = "bench"
KINDS = len(SYMBOLS)
TURNS = (1 << 40) - 1  # microseconds of `timestamp`

_packer = msgpack.Packer()  # of one thread; `bus.wire.codec.pack` may be called from several and makes one each time


def now() -> int:
    """Read the clock of `timestamp`."""
    return FIRST_MS + (time.monotonic_ns() // 1000 & TURNS)


def age_ns(timestamp: int) -> int:
    """Say how long ago a `timestamp` was, in ns; whole microseconds."""
    return (now() - timestamp & TURNS) * 1000


def make(number: int) -> Tick:
    """Make tick `number`, counted from 1, with the time now."""
    bid = float(number)
    return Tick(SYMBOLS[number % KINDS], bid, bid + 0.5, now(), SOURCE)


def encode(number: int) -> bytes:
    """Pack tick `number`, counted from 1, with the time now: `SIZE` bytes of msgpack."""
    bid = float(number)
    packed: bytes = _packer.pack(
        {
            "symbol": SYMBOLS[number % KINDS],
            "bid": bid,
            "ask": bid + 0.5,
            "timestamp": now(),
            "source": SOURCE,
        }
    )
    return packed


_example = encode(1)
SIZE = len(_example)
NUMBER_AT = _example.index(b"\xa3bid\xcb") + 5
TIME_AT = _example.index(b"\xa9timestamp\xcf") + 11
number_at = struct.Struct(">d").unpack_from
time_at = struct.Struct(">Q").unpack_from

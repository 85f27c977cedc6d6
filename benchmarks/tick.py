"""The tick that every system carries: of constant length, with its number and its time.

It has the format of PROTOCOL.md section 3.3, so that it is a valid tick; `bid` is the tick's running number and `timestamp` its
time of posting by the monotonic clock, both at fixed offsets, so that a consumer that decodes nothing can count missing ticks. A
broker accepts only times from 1990 to 2100 in ms: `timestamp` is one of those, which grows each microsecond and wraps after
twelve days.
"""

import itertools
import struct
import time

import msgpack

from hulak.bus.wire.messages import FIRST_MS, Tick

CURRENCIES = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")
SYMBOLS = ["".join(pair) for pair in itertools.combinations(CURRENCIES, 2)]  # 28
TOPICS = [b"tick." + symbol.encode() for symbol in SYMBOLS]
TOPIC_BYTES = len(TOPICS[0])
SOURCE = "bench"
KINDS = len(SYMBOLS)
TURNS = (1 << 40) - 1  # microseconds of `timestamp`

_packer = msgpack.Packer()  # for one thread; `bus.wire.codec.pack` is for several and makes one each time


def now() -> int:
    """Return the current `timestamp`."""
    return FIRST_MS + (time.monotonic_ns() // 1000 & TURNS)


def age_ns(timestamp: int) -> int:
    """Return the age of a `timestamp`, in ns, whole microseconds."""
    return (now() - timestamp & TURNS) * 1000


def make(number: int) -> Tick:
    """Make tick `number`, counted from 1, with the current time."""
    bid = float(number)
    return Tick(SYMBOLS[number % KINDS], bid, bid + 0.5, now(), SOURCE)


def encode(number: int) -> bytes:
    """Pack tick `number`, counted from 1, with the current time: `SIZE` bytes of msgpack."""
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

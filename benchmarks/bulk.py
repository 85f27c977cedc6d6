"""A journal of any size, made in this process by the broker's own intake and journal: no socket, no broker, no waiting.

Benchmarks and trials need a home folder as after hours of a market. Ticks are those of `tick`
(28 symbols in turn), with one of a rare symbol at intervals, so that both kinds of replay have data.
"""

import itertools
import random
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks import tick
from hulak.bus.backoff import Backoff
from hulak.bus.broker.storage.journal import Journal
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.errors import ProtocolError
from hulak.bus.process.lifecycle import boot_id
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import NUL, STAMP, pack
from hulak.bus.wire.messages import FIRST_MS

INSTANCE = 11  # of the feed of all ticks
TURN = 500  # ticks per turn
RARE = "RARE"
RARE_EVERY = 200_000  # ticks between two of the rare symbol
BEATS_S = 0.05  # of the journal's clock, between two turns: a new segment can begin at each
NS_PER_TICK = 1_000_000  # 1,000 ticks a second


@dataclass(slots=True)
class Made:
    """The content of a journal that was made."""

    ticks: int = 0  # number of the newest one
    size: int = 0  # bytes of all segments
    rare: list[int] = field(default_factory=list)  # numbers of the rare symbol's ticks, in the one global order


def fill(
    home: Path, settings: Settings, size: int, *, rare_every: int = RARE_EVERY, symbols: int = 28, ends_ns: int | None = None
) -> Made:
    """Grow the journal of a home folder by a size; an existing journal is continued.

    Args:
        home: of a broker that is not running.
        settings: `[journal]` bounds the journal; where `size` is above `max_bytes`, the oldest segments are deleted. Nothing is
            compressed or archived.
        size: minimum of bytes of records that this call adds.
        rare_every: ticks between two of the rare symbol; the first one is the very first tick of an empty journal.
        symbols: number of the other symbols, 1 or more; beyond 28 they are named `S<number>`.
        ends_ns: stamp of the newest tick, ns since 1970 UTC; now if None. Earlier ones are a millisecond apart.
    Returns:
        the ticks that this call added, and the journal's size.
    Raises:
        ConfigError: the journal cannot be used.
    """
    plain = msgspec.structs.replace(settings.journal, compress=False, archive=None)  # the broker compresses it later
    journal = Journal(home / "journal", plain, boot_id(), time.time_ns)
    state = journal.open(0.0).state
    last = state.sources.get(INSTANCE, 0)
    limits = Limits(settings.broker.max_topics, settings.broker.max_tick_bytes)
    bus = BrokerState(state.epoch, "bulk", limits, Policy(), _refused, 0.0, Backoff(0.5, 60.0, random.random), journal.ordinals)
    bus.restore(msgspec.structs.replace(state, sources={INSTANCE: last}))  # a known feed
    made = Made(state.ticks)
    expected = size // 130 * NS_PER_TICK  # a record has about 130 bytes
    time_ns, now, added = (time.time_ns() if ends_ns is None else ends_ns) - expected, 0.0, 0
    feed = frames(symbols, rare_every, last + 1)
    while added < size:
        batch = list(itertools.islice(feed, TURN))
        turn = bus.turn([frame for frame, _ in batch], now, time_ns)
        if not journal.append(turn.batch, now):
            raise OSError(journal.degraded)
        made.rare += [bus.topics.ticks - len(batch) + at for at, (_, rare) in enumerate(batch, 1) if rare]
        added += sum(map(len, turn.batch.records))
        time_ns, now = time_ns + TURN * NS_PER_TICK, now + BEATS_S
        journal.beat(now, lambda at=time_ns: bus.snapshot(journal.boot, at))  # type: ignore[misc]
    made.ticks, made.size = bus.topics.ticks, sum(segment.size for segment in journal.segments)
    journal.close()
    return made


def frames(symbols: int, rare_every: int, first: int) -> Iterator[tuple[bytes, bool]]:
    """Iterate over a feed's frames, from running number `first` on; each with whether it is of the rare symbol."""
    names = [tick.SYMBOLS[at] if at < tick.KINDS else f"S{at:05d}" for at in range(symbols)]
    heads = [_head(name) for name in names]
    rare = _head(RARE)
    stamp_of, quote_of, tail = STAMP.pack, _QUOTE.pack, pack("source") + pack(tick.SOURCE)
    for number in itertools.count(first):
        is_rare = (number - 1) % rare_every == 0
        topic, symbol = rare if is_rare else heads[number % symbols]
        bid = float(number)
        quote = quote_of(b"\xa3bid\xcb", bid, b"\xa3ask\xcb", bid + 0.5, b"\xa9timestamp\xcf", FIRST_MS + number)
        yield topic + stamp_of(INSTANCE, number, number) + symbol + quote + tail, is_rare


_QUOTE = struct.Struct(">5sd5sd11sQ")  # the varying part of a tick in msgpack: bid, ask, timestamp
FIELDS = b"\x85"  # a map of five: symbol, bid, ask, timestamp, source


def _head(symbol: str) -> tuple[bytes, bytes]:
    """Return the bytes before a tick's stamp, and the begin of its body."""
    return b"tick." + symbol.encode() + NUL, FIELDS + pack("symbol") + pack(symbol)


def _refused(error: ProtocolError) -> None:
    raise error

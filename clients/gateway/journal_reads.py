"""The gateway's reads of the broker's journal: today's figures of a symbol, past bars, and the known symbols.

Runs in the threads of `clients.gateway.bus_calls`. Ticks are selected by the broker's time of receipt, and put into bars by the
venue's clock.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from hulak.bus.errors import BusError, BusTimeout, ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.calls.client import BusClient
from hulak.clients.derive.journal_bars import bars_before
from hulak.clients.gateway.fx.candles import Bar, bars_of, start_of
from hulak.clients.gateway.fx.protocol import Facts, digits_of, facts_of_bar
from hulak.clients.history import History, last_events

NS_PER_MS = 1_000_000
LAST_NS = (1 << 63) - 1  # the largest time of a stamp
READ_S = 20.0  # limit of one read
MAX_BARS = 10_000
PAGE_BARS = 1000  # of an answer, at least; less than three times as many are in it
SEEN_PRICES = 200  # prices whose decimals are counted


def last_ticks(client: BusClient) -> list[Tick]:
    """Return the last tick of every symbol. Raises as `BusClient.call`."""
    return [tick for event in last_events(client, "tick.") if (tick := _tick(event.packed)) is not None]


def ticks_of(client: BusClient, symbol: str, since_ms: float, until_ms: float | None = None) -> Iterator[Tick]:
    """Iterate over the ticks of a symbol that the broker received in a time, as far back as the journal goes.

    Args:
        since_ms, until_ms: ms since 1970 UTC.
    Raises:
        BusError: `UNKNOWN_TOPIC`, no such symbol; others as `History`.
        BusTimeout: reading takes longer than `READ_S`.
    """
    deadline = time.monotonic() + READ_S
    since_ns, until_ns = _ns(since_ms), None if until_ms is None else _ns(until_ms)
    for event in History(client, f"tick.{symbol}", since_ns=since_ns, until_ns=until_ns, timeout_s=5.0):
        if (tick := _tick(event.packed)) is not None:
            yield tick
        if time.monotonic() > deadline:
            raise BusTimeout(f"the ticks of {symbol} could not be read within {READ_S:g} s; request a shorter time")


def facts(client: BusClient, symbol: str, now_ms: float) -> Facts:
    """Return today's figures of a symbol; from its last tick if it has none today.

    Raises:
        BusError: `UNKNOWN_TOPIC`, no such symbol; others as `ticks_of`.
    """
    ticks = list(ticks_of(client, symbol, start_of("D", int(now_ms))))
    ticks = ticks or [tick for event in last_events(client, f"tick.{symbol}") if (tick := _tick(event.packed)) is not None]
    if not ticks:
        raise BusError("UNKNOWN_TOPIC", f"no tick of {symbol} is known")
    prices = [price for tick in ticks[-SEEN_PRICES:] for price in (tick.bid, tick.ask) if price is not None]
    if not (day_bars := bars_of("D", _bids(ticks), 1)):
        raise BusError("UNKNOWN_TOPIC", f"no bid of {symbol} is known")
    return facts_of_bar(symbol, day_bars[0], digits_of(symbol, prices))


def bars(client: BusClient, symbol: str, resolution: str, since_ms: float, until_ms: float | None = None) -> list[Bar]:
    """Return a symbol's bars in a time; raises as `ticks_of`."""
    ticks = ticks_of(client, symbol, since_ms, until_ms)
    return bars_of(resolution, _bids(ticks), MAX_BARS)


def older_bars(client: BusClient, symbol: str, interval: str, before: int) -> dict[str, Any]:
    """Return the answer to `bars.read`, PROTOCOL.md section 12.9: a page of published bars before a sequence of their topic.

    Raises:
        BusError: `UNKNOWN_TOPIC`, there is none; others as `History`.
    """
    page = bars_before(client, symbol, interval, before, PAGE_BARS, timeout_s=5.0)
    priced = ((bar, bar["mid"] or bar["bid"] or bar["ask"]) for bar in page.bars)
    return {"bars": [[bar["start"], *prices, bar["ticks"]] for bar, prices in priced if prices], "before": page.before}


def _bids(ticks: Iterable[Tick]) -> Iterator[tuple[float, int]]:
    """Iterate over the prices for bars, with their times; a tick with an empty bid has none."""
    return ((tick.bid, tick.timestamp) for tick in ticks if tick.bid is not None)


def _ns(time_ms: float) -> int:
    return min(int(time_ms * NS_PER_MS), LAST_NS)


def _tick(body: bytes | None) -> Tick | None:
    try:
        return codec.decode_tick(body or b"")
    except (ProtocolError, ValueError):
        return None

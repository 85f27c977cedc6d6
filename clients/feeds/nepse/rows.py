"""Rows of the exchange as ticks. Pure.

The exchange publishes the price of the last trade of each security; a bid and an ask are in the order book of one security, which
is read for a watch list only. So a tick has the book's best prices, or else the last price as both, with the flag `last`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.clients.feeds.nepse.market_clock import NEPAL
from hulak.clients.feeds.symbol_keys import canonical_symbol

SOURCE = "nepse"
LAST = "last"
INDEX_KEYS = {  # id -> symbol of its topic
    51: "BANKING",
    52: "HOTELS",
    53: "OTHERS",
    54: "HYDROPOWER",
    55: "DEVELOPMENT-BANKS",
    56: "MANUFACTURING",
    57: "SENSITIVE",
    58: "NEPSE",
    59: "NON-LIFE-INSURANCE",
    60: "FINANCE",
    61: "TRADING",
    62: "FLOAT",
    63: "SENSITIVE-FLOAT",
    64: "MICROFINANCE",
    65: "LIFE-INSURANCE",
    66: "MUTUAL-FUND",
    67: "INVESTMENT",
}
LARGEST = 2**53  # of a number: beyond, floats are not exact, and beyond 2**64 a body cannot hold a whole number
_FRACTION = re.compile(r"\.(\d{1,6})\d*$")


class MarketTick(Tick, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A tick of a security or an index, with the figures of its session. Prices are in rupees, indices in points."""

    last: float | None = None  # of the last trade
    volume: int | None = None  # shares traded in the session
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    name: str = ""  # as the exchange writes the symbol, where that differs


def symbol_of(name: object) -> str:
    """Return the symbol of a security's topic: `NICAD85/86` is `NICAD85-86`, since a topic has no slash.

    Raises:
        FeedError: it is not a symbol.
    """
    if not isinstance(name, str) or not name.strip():
        raise FeedError(f"symbol is {name!r:.60}, must be text")
    return canonical_symbol(name.strip().replace("/", "-"))


def name_of(name: object, symbol: str) -> str:
    """Return how the exchange writes a security, if that is not its symbol; else an empty text."""
    return "" if name == symbol else str(name).strip()


def time_ms(text: object) -> int:
    """Parse a time of the exchange; ms since 1970 UTC. Otherwise as `time_us`."""
    return round(time_us(text) / 1000)


def time_us(text: object) -> int:
    """Parse a time of the exchange: in Nepal, without zone, with "T" or a blank, with or without a fraction; us since 1970 UTC.

    Raises:
        FeedError: it is no such time.
    """
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(lambda match: f".{match[1]:0<6}", str(text)))
        if moment.tzinfo is not None:
            raise ValueError("it has a zone")
    except ValueError as error:
        raise FeedError(f"time is {text!r:.60}, must be a time such as 2026-04-24T14:59:59.5: {error}") from error
    at_us = (moment - datetime(1970, 1, 1) - NEPAL) // timedelta(microseconds=1)  # noqa: DTZ001 - both are UTC here
    if not FIRST_MS <= at_us // 1000 < END_MS - 1:
        raise FeedError(f"time is {text!r:.60}, must be from 1990 to 2100")
    return at_us


def live_tick(row: Mapping[str, Any]) -> MarketTick:
    """Return the tick of a row of lives-market.

    Raises:
        FeedError: symbol, price or time are missing, as they may be before the opening.
    """
    last, name = price_in(row, "lastTradedPrice"), row.get("symbol")
    symbol = symbol_of(name)
    return MarketTick(
        symbol=symbol,
        bid=last,
        ask=last,
        timestamp=time_ms(row.get("lastUpdatedDateTime")),
        source=SOURCE,
        flags=(LAST,),
        last=last,
        volume=count_of(row.get("totalTradeQuantity")),
        open=_number(row.get("openPrice")),
        high=_number(row.get("highPrice")),
        low=_number(row.get("lowPrice")),
        previous_close=_number(row.get("previousClose")),
        name=name_of(name, symbol),
    )


def closing_tick(row: Mapping[str, Any], at_ms: int) -> MarketTick:
    """Return the tick of a row of securityDailyTradeStat after the close.

    Args:
        row: of a security that was traded.
        at_ms: the end of the session, ms since 1970 UTC.
    Raises:
        FeedError: symbol or price are missing.
    """
    last, name = price_in(row, "lastTradedPrice"), row.get("symbol")
    symbol = symbol_of(name)
    return MarketTick(
        symbol=symbol,
        bid=last,
        ask=last,
        timestamp=at_ms,
        source=SOURCE,
        flags=(LAST,),
        last=last,
        volume=count_of(row.get("totalTradeQuantity")),
        previous_close=_number(row.get("previousClose")),
        name=name_of(name, symbol),
    )


def index_tick(row: Mapping[str, Any], at_ms: int) -> MarketTick:
    """Return the tick of a row of nepse-index or of the sub-indices.

    Args:
        row: with `id` and `currentValue`; `close` is the previous session's.
        at_ms: the time of the snapshot, for a row without `generatedTime`.
    Raises:
        FeedError: the id is unknown, or there is no value.
    """
    number = row.get("id")
    symbol = INDEX_KEYS.get(number) if isinstance(number, int) else None
    if symbol is None:
        raise FeedError(f"the index has id {number!r:.20}, known are {min(INDEX_KEYS)} to {max(INDEX_KEYS)}")
    value = price_in(row, "currentValue")
    generated = row.get("generatedTime")
    return MarketTick(
        symbol=symbol,
        bid=value,
        ask=value,
        timestamp=at_ms if generated is None else time_ms(generated),
        source=SOURCE,
        flags=(LAST,),
        last=value,
        high=_number(row.get("high")),
        low=_number(row.get("low")),
        previous_close=_number(row.get("close")),
    )


def book_tick(tick: MarketTick, depth: Mapping[str, Any] | None, at_ms: int) -> MarketTick:
    """Return a security's tick with the best prices of its order book; unchanged without a book.

    Args:
        tick: of its last row.
        depth: the answer of market-depth; None or without orders: there is no book.
        at_ms: when it was read, ms since 1970 UTC.
    """
    book = depth.get("marketDepth") if isinstance(depth, Mapping) else None
    if not isinstance(book, Mapping):
        return tick
    bid, ask = _best(book.get("buyMarketDepthList"), max), _best(book.get("sellMarketDepthList"), min)
    if bid is None and ask is None:
        return tick
    values = {name: getattr(tick, name) for name in tick.__struct_fields__}
    return MarketTick(**(values | {"bid": bid, "ask": ask, "timestamp": at_ms, "flags": ()}))


def _best(orders: object, best: Callable[[list[float]], float]) -> float | None:
    if not isinstance(orders, Iterable):
        return None
    prices = [_number(order.get("orderBookOrderPrice")) for order in orders if isinstance(order, Mapping)]
    known = [price for price in prices if price is not None and price > 0]
    return best(known) if known else None


def price_in(row: Mapping[str, Any], key: str) -> float:
    """Return a price of a row.

    Raises:
        FeedError: it is no number above 0.
    """
    value = _number(row.get(key))
    if value is None or value <= 0:
        raise FeedError(f"{key} is {row.get(key)!r:.40}, must be a number above 0")
    return value


def _number(value: object) -> float | None:
    """Return a number of at most `LARGEST` as it is; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        return None
    return float(value)


def count_of(value: object) -> int | None:
    """Return a number of at most `LARGEST` as a whole one; None for anything else."""
    number = _number(value)
    return None if number is None else int(number)

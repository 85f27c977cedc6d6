"""The day of each symbol, for tables of quotes: price, open, high, low, volatility. Pure. PROTOCOL.md section 12.8.

The figures are made of every tick that arrives. The day before the first one is known from the tick's own keys, where the venue
has them (an exchange's open, high, low and previous close), and from bars of a day. A day is one of UTC.
"""

import math
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec

from hulak.bus.wire.price_digits import OF_VENUES, digits_of, usual_digits

DAY_MS = 86_400_000
NS_PER_MS = 1_000_000
AHEAD_MS = 60_000  # by which a venue's clock may be ahead of this machine's
SAMPLE_MS = 1000  # at least, between two prices of which the volatility is made: moves between bid and ask are none of the market
DECAY_S = 300.0  # time constant of the volatility
HOUR_S = 3600.0
COLUMNS = (
    *("symbol", "source", "digits", "bid", "ask", "price", "open", "high", "low", "previous_close", "volume", "ticks"),
    *("volatility", "timestamp", "received_ms", "since_ms"),
)


class WideTick(msgspec.Struct, gc=False):
    """A tick with the further keys that some feeds post; their values are unchecked."""

    symbol: str
    bid: float | None
    ask: float | None
    timestamp: int
    source: str = ""
    received_ns: int = 0
    last: Any = None
    volume: Any = None
    open: Any = None
    high: Any = None
    low: Any = None
    previous_close: Any = None


class Quote(msgspec.Struct, gc=False):
    """One symbol. Prices are in the quote currency, times in ms since 1970 UTC."""

    symbol: str
    source: str
    digits: int
    day: int  # days since 1970 UTC
    bid: float | None = None
    ask: float | None = None
    price: float | None = (
        None  # the last trade where the feed has it, else the middle of bid and ask, else the side that there is
    )
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    volume: float | None = None
    ticks: int = 0  # of the day, since `since_ms`
    variance: float = 0.0  # sum of the squared moves (natural logarithms of ratios), each with a weight that decays
    sampled: float | None = None  # the price at `sampled_at`
    sampled_at: int = 0
    timestamp: int = 0
    received_ms: float = 0.0
    since_ms: int = 0  # open, high and low are those since then; 0: of the whole day

    @property
    def volatility(self) -> float | None:
        """Return the standard deviation of an hour's move, in percent, by the moves of the last minutes; None without any."""
        if self.sampled is None or self.variance == 0:
            return None
        return 100 * math.sqrt(self.variance / DECAY_S * HOUR_S)

    def row(self) -> list[Any]:
        """Return the values of `COLUMNS`."""
        return list(_values(self))


_values = attrgetter(*COLUMNS)


class Quotes:
    """The quotes of all symbols."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, Quote] = {}
        self._bars: dict[str, tuple[int, list[float]]] = {}  # symbol -> start and prices of its newest bar of a day
        self._changed: dict[str, Quote] = {}

    def take(self, tick: WideTick, stamped_ns: int) -> None:
        """Take the next tick of a symbol.

        Args:
            tick: in the order of its topic.
            stamped_ns: when the broker received it, ns since 1970 UTC.
        """
        quote = self.by_symbol.get(tick.symbol)
        at = _time_of(tick, stamped_ns)
        day = at // DAY_MS
        if quote is None:
            quote = self.by_symbol[tick.symbol] = _new(tick, at)
            self._meet_bar(quote)
        elif day > quote.day:
            _begin_day(quote, day)
        price = _price_of(tick)
        quote.source, quote.bid, quote.ask = tick.source, tick.bid, tick.ask
        quote.timestamp, quote.received_ms = tick.timestamp, tick.received_ns / 1e6
        if day == quote.day:
            quote.ticks += 1
            _take_day(quote, tick, price)
        if price is not None:
            quote.price = price
            _take_move(quote, price, at)
        self._changed[tick.symbol] = quote

    def take_bar(self, symbol: str, start: int, prices: Iterable[Any]) -> None:
        """Take the newest bar of a day: the one of today knows the open, an older one the previous close.

        Args:
            symbol: with its prefix.
            start: ms since 1970 UTC.
            prices: open, high, low and close.
        """
        known = [price for price in map(_number, prices) if price is not None]
        if len(known) != 4 or type(start) is not int:
            return
        self._bars[symbol] = start, known
        quote = self.by_symbol.get(symbol)
        if quote is not None and (quote.since_ms or quote.previous_close is None):
            self._meet_bar(quote)
            self._changed[symbol] = quote

    def _meet_bar(self, quote: Quote) -> None:
        start, prices = self._bars.get(quote.symbol, (0, []))
        if not prices:
            return
        if start == quote.day * DAY_MS and quote.since_ms:
            quote.open, quote.since_ms = prices[0], 0
            quote.high = max(prices[1], prices[1] if quote.high is None else quote.high)
            quote.low = min(prices[2], prices[2] if quote.low is None else quote.low)
        elif start < quote.day * DAY_MS and quote.previous_close is None:
            quote.previous_close = prices[3]

    @property
    def pending(self) -> bool:
        """Return whether `changed` has rows."""
        return bool(self._changed)

    def changed(self) -> dict[str, list[Any]]:
        """Return the rows that have changed since the last call, by symbol."""
        changed, self._changed = self._changed, {}
        return {symbol: quote.row() for symbol, quote in changed.items()}

    def clear(self) -> None:
        """Forget all symbols."""
        self.by_symbol.clear()
        self._bars.clear()
        self._changed.clear()


def _time_of(tick: WideTick, stamped_ns: int) -> int:
    """Return the time that counts of a tick, ms since 1970 UTC: the venue's, unless the broker received it long before that.

    A single tick of the future would begin a day that every later tick is before.
    """
    stamped = stamped_ns // NS_PER_MS
    return stamped if tick.timestamp > stamped + AHEAD_MS else tick.timestamp


def _new(tick: WideTick, at: int) -> Quote:
    digits = OF_VENUES.get(tick.source)
    if digits is None:
        digits = usual_digits(tick.symbol.rpartition(".")[2])
    if digits is None:
        digits = digits_of(price for price in (tick.bid, tick.ask) if price is not None)
    return Quote(tick.symbol, tick.source, digits, at // DAY_MS, since_ms=at)


def _begin_day(quote: Quote, day: int) -> None:
    quote.previous_close, quote.day = quote.price, day
    quote.open = quote.high = quote.low = quote.volume = None
    quote.ticks, quote.since_ms = 0, 0


def _take_day(quote: Quote, tick: WideTick, price: float | None) -> None:
    own = _number(tick.open), _number(tick.high), _number(tick.low)
    if price is not None:
        quote.open = price if quote.open is None else quote.open
        quote.high = price if quote.high is None else max(quote.high, price)
        quote.low = price if quote.low is None else min(quote.low, price)
    if None not in own:
        quote.open, quote.high, quote.low = own
        quote.since_ms = 0
    previous, volume = _number(tick.previous_close), _number(tick.volume)
    quote.previous_close = quote.previous_close if previous is None else previous
    quote.volume = quote.volume if volume is None else volume


def _take_move(quote: Quote, price: float, timestamp: int) -> None:
    """Add the move since the last sample to the variance."""
    if quote.sampled is None or timestamp < quote.sampled_at:  # the venue's clock was set back
        quote.sampled, quote.sampled_at = price, timestamp
        return
    passed_ms = timestamp - quote.sampled_at
    if passed_ms < SAMPLE_MS:
        return
    move = math.log(price) - math.log(quote.sampled) if price > 0 and quote.sampled > 0 else 0.0
    quote.variance = quote.variance * math.exp(-passed_ms / 1000 / DECAY_S) + move * move
    quote.sampled, quote.sampled_at = price, timestamp


def _price_of(tick: WideTick) -> float | None:
    last = _number(tick.last)
    if last is not None:
        return last
    if tick.bid is None or tick.ask is None:
        return _number(tick.ask if tick.bid is None else tick.bid)
    return _number((tick.bid + tick.ask) / 2)


def _number(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None

"""The known values of a symbol's day before the first tick of a display. Pure.

The rules of the original (each value counts only if it is a number), without its faults: it lost the price of the feed's packages
(`initialPrice`), assumed 1.1000 where there was none, and turned 0 digits into 5. Here an unknown value stays None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from hulak.bus.wire.price_digits import MOST, PAIR, usual_digits
from hulak.workers.display.quantities.adr import Bar, read_bar
from hulak.workers.display.quantities.rounding import rounded

OWN_NAMES = (
    *("digits", "price", "open", "high", "low", "adr_high", "adr_low", "adr", "minute_bars", "daily_bars", "timestamp"),
    *("only_source", "kept_source", "late_ticks"),
)
FX_NAMES = (  # of the FX front end's packages
    *("bid", "currentPrice", "initialPrice", "todaysOpen", "todaysHigh", "todaysLow"),
    *("projectedAdrHigh", "projectedAdrLow", "initialMarketProfile"),
)
MINUTES = 1440  # bars of one day, at most


class MinuteBar(NamedTuple):
    """A bar of the day so far; for the profile it counts as one tick with a volume."""

    timestamp: int | None  # ms since 1970 UTC
    open: float
    close: float
    volume: int


@dataclass(frozen=True, slots=True)
class Init:
    """The day so far; None for an unknown value. All values but the daily bars are of the day of `timestamp`."""

    symbol: str
    digits: int | None = PAIR  # decimals of a price, a pipette is the last of them; None: as in the first quote
    price: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    adr_high: float | None = None
    adr_low: float | None = None
    adr_width: float | None = None  # an average daily range, price units, where no daily bars are given
    minute_bars: tuple[MinuteBar, ...] = ()
    daily_bars: tuple[Bar, ...] = ()  # oldest first; today's may be among them
    timestamp: int = 0  # time of these values, ms since 1970 UTC; 0: on the day of the first tick
    only_source: str | None = None  # the requested source, or ANY_SOURCE; None: that of the first tick that counts
    kept_source: str | None = None  # that source, if there was such a tick before
    late_ticks: bool = False  # ticks of earlier days count into the present one

    @classmethod
    def from_values(cls, symbol: str, values: Mapping[str, Any]) -> "Init":
        """Return the start of the day from the init map of a display.

        Args:
            values: by the names of `OWN_NAMES` and `FX_NAMES`; other names are ignored. A value that is no number is unknown, and
                so is a price of 0. While the digits are unknown, prices keep the maximum of digits.
        """
        known = _digits(values.get("digits"), symbol)
        digits = MOST if known is None else known

        def price(*names: str) -> float | None:
            prices = (rounded(values.get(name), digits) for name in names)
            return next((value for value in prices if value), None)

        adr_high, adr_low = price("adr_high", "projectedAdrHigh"), price("adr_low", "projectedAdrLow")
        if adr_high is None or adr_low is None or adr_high < adr_low:  # half a range is none, and so is an inverted one
            adr_high = adr_low = None
        daily = tuple(day for row in _rows(values, "daily_bars") if (day := read_bar(row, digits)))
        width = price("adr") if adr_high is None or adr_low is None else rounded(adr_high - adr_low, digits)
        bars = [bar for row in _rows(values, "minute_bars", "initialMarketProfile") if (bar := _minute_bar(row, digits))]
        return cls(
            symbol=symbol,
            digits=known,
            price=price("price", "bid", "currentPrice", "initialPrice"),
            open=price("open", "todaysOpen"),
            high=price("high", "todaysHigh"),
            low=price("low", "todaysLow"),
            adr_high=adr_high,
            adr_low=adr_low,
            adr_width=None if daily else width,
            minute_bars=tuple(bars[-MINUTES:]),
            daily_bars=daily,
            timestamp=_whole(values.get("timestamp")) or 0,
            only_source=_text(values.get("only_source")),
            kept_source=_text(values.get("kept_source")),
            late_ticks=values.get("late_ticks") is True,
        )

    def dump(self) -> dict[str, Any]:
        """Return it as plain values, by field name; not the form that `from_values` reads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        bars = {name: [list(bar) for bar in values[name]] for name in ("minute_bars", "daily_bars")}
        return {**values, **bars}

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> "Init":
        """Return the object of a `dump`."""
        minutes = tuple(MinuteBar(*bar) for bar in values["minute_bars"])
        return cls(**{**values, "minute_bars": minutes, "daily_bars": tuple(Bar(*bar) for bar in values["daily_bars"])})


def _digits(value: Any, symbol: str) -> int | None:
    digits = _whole(value)
    return usual_digits(symbol) if digits is None or not 0 <= digits <= MOST else digits


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _rows(values: Mapping[str, Any], *names: str) -> list[Any]:
    candidates = (values.get(name) for name in names)
    return next((list(rows) for rows in candidates if isinstance(rows, list | tuple)), [])


def _minute_bar(value: Any, digits: int) -> MinuteBar | None:
    if not isinstance(value, Mapping):
        return None
    open_, close = rounded(value.get("open"), digits), rounded(value.get("close"), digits)
    if open_ is None or close is None or not close:
        return None
    volume = _whole(value.get("volume"))
    return MinuteBar(_whole(value.get("timestamp")), open_, close, 1 if volume is None else max(0, volume))

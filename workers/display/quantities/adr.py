"""The average daily range (ADR): the mean of high less low over the last days, and its projection. Pure.

A day counts by its UTC date, taken at the bar's middle, so that bars that open at 21:00 UTC (New York's close) belong to the
day that contains most of them. Today's bar, still growing, is never counted. The original requested `lookback + 5` calendar days
and averaged the days it got, mostly 12 of 14; here the caller may pass more, and `days` has their number.

If an ADR is given without daily bars, it represents the days of its average: each day that ends here replaces one of them. If
nothing is known, the day's own range so far is used, and `source` has the case: "given", "days", "day". No price is invented (the
original used 1 percent around the price).
"""

from collections import deque
from typing import Any, NamedTuple

from hulak.workers.display.quantities.rounding import rounded

DAY_MS = 86_400_000
KEPT_DAYS = 400  # maximum of daily bars, and so of the lookback
LEAST_MS = DAY_MS // 2  # a day with less data (a Sunday evening, the day of the start) is no measure of daily ranges


class Bar(NamedTuple):
    """One day: when it opened (ms since 1970 UTC), and its extremes."""

    timestamp: int
    high: float
    low: float


class Average(NamedTuple):
    """A mean daily range in price units, the number of days, and their source."""

    width: float
    days: int
    source: str


class Projection(NamedTuple):
    """High and low of the average daily range around today's open."""

    high: float
    low: float
    source: str
    days: int


class DailyRanges:
    """The ranges of the days before today.

    Args:
        digits: decimals to which each range is rounded before the mean is taken.
        bars: oldest first; the newest KEPT_DAYS are kept.
        width: an average range that was given, or None.
    """

    __slots__ = ("_digits", "bars", "width")

    def __init__(self, digits: int, bars: tuple[Bar, ...], width: float | None) -> None:
        self._digits = digits
        self.bars: deque[Bar] = deque(sorted(bars), maxlen=KEPT_DAYS)
        self.width = width

    def end_day(self, day: int, high: float, low: float, lookback: int) -> None:
        """Add a day that is over, merged with a known bar of it. Bars beyond `lookback` are dropped.

        Args:
            day: days since 1970 UTC.
        """
        known = [bar for bar in self.bars if day_of(bar) == day]
        kept = [other for other in self.bars if day_of(other) != day]
        bar = Bar(day * DAY_MS, max([high, *(other.high for other in known)]), min([low, *(other.low for other in known)]))
        self.bars = deque([*kept, bar][-max(1, lookback) :], maxlen=KEPT_DAYS)

    def dump(self) -> list[Any]:
        """Return the state as plain values."""
        return [self.width, [list(bar) for bar in self.bars]]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump` with the same digits."""
        self.width, bars = state
        self.bars = deque((Bar(*bar) for bar in bars), maxlen=KEPT_DAYS)

    def average(self, today: int | None, lookback: int) -> Average | None:
        """Return the mean range of the newest `lookback` days before today; None if none is known.

        Args:
            today: days since 1970 UTC; None: the newest bar is today's.
        """
        bars = list(self.bars)
        past = bars[:-1] if today is None else [bar for bar in bars if day_of(bar) < today]
        ranges = [rounded(bar.high - bar.low, self._digits) or 0.0 for bar in past[-lookback:]]
        total = 0.0
        for value in ranges:  # not sum(), whose last bits differ from Python 3.12 on
            total += value
        missing = lookback - len(ranges)
        if self.width is not None and missing > 0:
            return Average((total + self.width * missing) / lookback if ranges else self.width, len(ranges), "given")
        return Average(total / len(ranges), len(ranges), "days") if ranges else None


def day_of(bar: Bar) -> int:
    """Return the day that contains most of a bar, in days since 1970 UTC."""
    return (bar.timestamp + DAY_MS // 2) // DAY_MS


def project(open_: float, average: Average) -> Projection:
    """Project half of the average range to each side of the open, unrounded."""
    return Projection(open_ + average.width / 2, open_ - average.width / 2, average.source, average.days)


def read_bar(value: Any, digits: int) -> Bar | None:
    """Parse a daily bar {timestamp, high, low}; None if a value is missing or the low is above the high."""
    if not isinstance(value, dict):
        return None
    high, low = rounded(value.get("high"), digits), rounded(value.get("low"), digits)
    stamp = value.get("timestamp")
    if high is None or low is None or low > high or isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return None
    return Bar(int(stamp), high, low)

"""The average daily range (ADR): the mean of high less low over the last days, and what is projected from it. Pure.

A day counts by its UTC date, taken at the bar's middle, so that bars that open at 21:00 UTC (New York's close) belong to the
day they mostly lie in. Today's bar, still growing, is never counted. The original asked for `lookback + 5` calendar days and
averaged what came, mostly 12 of 14; its caller is free to give more, and `days` says how many there were.

Where an ADR is given but no daily bars, it stands for the days it was made of: each day that ends here replaces one of them.
Where nothing is known, the day's own range so far is all there is, and `source` says so: "given", "days", "day". No price is
ever made up (the original laid 1 percent around the price).
"""

from collections import deque
from typing import Any, NamedTuple

from workers.display.quantities.rounding import rounded

DAY_MS = 86_400_000
KEPT_DAYS = 400  # most daily bars that are kept, and so the longest lookback
LEAST_MS = DAY_MS // 2  # a day of which less was seen (a Sunday evening, the day of the start) says nothing about daily ranges


class Bar(NamedTuple):
    """One day: when it opened (ms since 1970 UTC), and its extremes."""

    timestamp: int
    high: float
    low: float


class Average(NamedTuple):
    """A mean daily range in price units, from how many days, and where they come from."""

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
        width: an average range that was given from outside, or None.
    """

    __slots__ = ("_digits", "bars", "width")

    def __init__(self, digits: int, bars: tuple[Bar, ...], width: float | None) -> None:
        self._digits = digits
        self.bars: deque[Bar] = deque(sorted(bars), maxlen=KEPT_DAYS)
        self.width = width

    def end_day(self, day: int, high: float, low: float, lookback: int) -> None:
        """Add a day that is over; where a bar of it is known, the wider of both is kept. Bars beyond what is looked back for go.

        Args:
            day: days since 1970 UTC.
        """
        known = [bar for bar in self.bars if day_of(bar) == day]
        kept = [one for one in self.bars if day_of(one) != day]
        bar = Bar(day * DAY_MS, max([high, *(one.high for one in known)]), min([low, *(one.low for one in known)]))
        self.bars = deque([*kept, bar][-max(1, lookback) :], maxlen=KEPT_DAYS)

    def dump(self) -> list[Any]:
        """Write the state as plain values."""
        return [self.width, [list(bar) for bar in self.bars]]

    def restore(self, told: list[Any]) -> None:
        """Go on from what `dump` wrote for the same digits."""
        self.width, bars = told
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
        for one in ranges:  # one by one: Python's sum() has other last bits from 3.12 on
            total += one
        missing = lookback - len(ranges)
        if self.width is not None and missing > 0:
            return Average((total + self.width * missing) / lookback if ranges else self.width, len(ranges), "given")
        return Average(total / len(ranges), len(ranges), "days") if ranges else None


def day_of(bar: Bar) -> int:
    """Return the day that a bar mostly lies in, in days since 1970 UTC."""
    return (bar.timestamp + DAY_MS // 2) // DAY_MS


def project(open_: float, average: Average) -> Projection:
    """Lay half of the average range to each side of the open, unrounded."""
    return Projection(open_ + average.width / 2, open_ - average.width / 2, average.source, average.days)


def read_bar(value: Any, digits: int) -> Bar | None:
    """Read a daily bar {timestamp, high, low}; None if one is missing or the low is above the high."""
    if not isinstance(value, dict):
        return None
    high, low = rounded(value.get("high"), digits), rounded(value.get("low"), digits)
    stamp = value.get("timestamp")
    if high is None or low is None or low > high or isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return None
    return Bar(int(stamp), high, low)

"""Bars of ticks, by the venue's clock in UTC. Pure.

A bar is made of bids, as in FX charts; its volume is its number of ticks. Weeks begin on Monday.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

MINUTE_MS = 60_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS  # 1970-01-05
# Resolution -> name of the period, its length in ms; a month has no fixed length.
PERIODS = {
    "1m": ("M1", MINUTE_MS),
    "5m": ("M5", 5 * MINUTE_MS),
    "10m": ("M10", 10 * MINUTE_MS),
    "15m": ("M15", 15 * MINUTE_MS),
    "30m": ("M30", 30 * MINUTE_MS),
    "1h": ("H1", 60 * MINUTE_MS),
    "4h": ("H4", 240 * MINUTE_MS),
    "12h": ("H12", 720 * MINUTE_MS),
    "D": ("D1", DAY_MS),
    "W": ("W1", WEEK_MS),
    "M": ("MN1", 0),
}


@dataclass(slots=True)
class Bar:
    """One bar; prices in quote currency."""

    open: float
    high: float
    low: float
    close: float
    volume: int  # ticks
    timestamp: int  # begin of the bar, ms since 1970 UTC

    def add(self, price: float) -> None:
        """Add a price."""
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the bar as a dictionary."""
        return asdict(self)


def start_of(resolution: str, time_ms: int) -> int:
    """Return the begin of the bar of a time; both in ms since 1970 UTC."""
    if resolution == "M":
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
    if resolution == "W":
        return (time_ms - MONDAY_MS) // WEEK_MS * WEEK_MS + MONDAY_MS
    length = PERIODS[resolution][1]
    return time_ms // length * length


class Candles:
    """The running bar of one symbol and resolution, and the last one that closed.

    Args:
        resolution: one of `PERIODS`.
    """

    def __init__(self, resolution: str) -> None:
        self.resolution = resolution
        self.bar: Bar | None = None
        self.closed: Bar | None = None
        self.changed = 0  # revision of the last tick
        self.closed_at = 0  # revision at which the last bar closed

    def add(self, price: float, time_ms: int, revision: int) -> None:
        """Add a tick; a tick older than the running bar is added to the running bar."""
        begins = start_of(self.resolution, time_ms)
        if self.bar is None or begins > self.bar.timestamp:
            if self.bar is not None:
                self.closed, self.closed_at = self.bar, revision
            self.bar = Bar(price, price, price, price, 1, begins)
        else:
            self.bar.add(price)
        self.changed = revision

    def prepend(self, past: Bar | None) -> None:
        """Prepend the journal's part of the running bar to the ticks received since."""
        bar = self.bar
        if past is None or (bar is not None and past.timestamp != bar.timestamp):
            return
        if bar is None:
            self.bar = past
            return
        bar.open, bar.high, bar.low = past.open, max(past.high, bar.high), min(past.low, bar.low)
        bar.volume += past.volume


def bars_of(resolution: str, ticks: Iterable[tuple[float, int]], most: int) -> list[Bar]:
    """Return the bars of ticks, (price, ms since 1970 UTC) in order; the newest `most` of them."""
    bars: list[Bar] = []
    for price, time_ms in ticks:
        begins = start_of(resolution, time_ms)
        if bars and begins <= bars[-1].timestamp:
            bars[-1].add(price)
            continue
        bars.append(Bar(price, price, price, price, 1, begins))
        if len(bars) > 2 * most:
            del bars[:-most]
    return bars[-most:]

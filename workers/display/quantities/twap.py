"""The time-weighted average price of the day: the mean of its minutes' last prices. Pure.

Minutes are made from ticks; a minute without a tick has no price and is not counted, as a venue sends no bar for it. The running
minute counts with its newest price, so there is a value from the first tick on. The original used a minute's first price where
its bars came live, and counted a minute again when an older one was repeated: neither is done here.
"""

from typing import Any

MINUTE_MS = 60_000


class Twap:
    """The running mean of one day; a new day is a new object."""

    __slots__ = ("_last", "_minute", "_minutes", "_sum")

    def __init__(self) -> None:
        self._sum = 0.0  # of the minutes that are over
        self._minutes = 0
        self._minute: int | None = None
        self._last = 0.0

    def fold(self, price: float, timestamp: int) -> None:
        """Add a price; `timestamp` is in ms, never going backwards (an older price counts for the running minute)."""
        minute = timestamp // MINUTE_MS
        if self._minute is None:
            self._minute = minute
        elif minute > self._minute:
            self._sum += self._last
            self._minutes += 1
            self._minute = minute
        self._last = price

    @property
    def minutes(self) -> int:
        """The number of minutes in the mean."""
        return self._minutes + (self._minute is not None)

    @property
    def value(self) -> float | None:
        """The mean; None before the first price."""
        return None if self._minute is None else (self._sum + self._last) / (self._minutes + 1)

    def dump(self) -> list[Any]:
        """Return the state as plain values."""
        return [self._sum, self._minutes, self._minute, self._last]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump`."""
        self._sum, self._minutes, self._minute, self._last = state

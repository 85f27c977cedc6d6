"""The day's open, high and low. Pure; a new day is a new object."""


class Extremes:
    """Open, high and low of one day's bids, in price units; None while unknown.

    Args:
        open_, high, low: the values known before the first tick, each or None.
        price: a price of this day known before, or None: it counts like a tick if no other value is given.
    """

    __slots__ = ("high", "low", "open")

    def __init__(
        self, open_: float | None = None, high: float | None = None, low: float | None = None, price: float | None = None
    ) -> None:
        self.open = open_ if open_ is not None else price
        self.high = high if high is not None else price
        self.low = low if low is not None else price

    def fold(self, price: float) -> None:
        """Add a price."""
        if self.open is None:
            self.open = price
        if self.high is None or price > self.high:
            self.high = price
        if self.low is None or price < self.low:
            self.low = price

    def dump(self) -> list[float | None]:
        """Return the state as plain values: open, high, low."""
        return [self.open, self.high, self.low]

    def restore(self, state: list[float | None]) -> None:
        """Restore the state of a `dump`."""
        self.open, self.high, self.low = state

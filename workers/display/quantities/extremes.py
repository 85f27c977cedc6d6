"""The day's open, high and low. Pure; a new day is a new object."""


class Extremes:
    """Open, high and low of one day's bids, in price units; None as long as nothing is known.

    Args:
        open_, high, low: what is known of the day before the first tick here, each or None.
        price: a price of this day that is known beforehand, or None: it counts like a tick where nothing else is given.
    """

    __slots__ = ("high", "low", "open")

    def __init__(
        self, open_: float | None = None, high: float | None = None, low: float | None = None, price: float | None = None
    ) -> None:
        self.open = open_ if open_ is not None else price
        self.high = high if high is not None else price
        self.low = low if low is not None else price

    def fold(self, price: float) -> None:
        """Take one price in."""
        if self.open is None:
            self.open = price
        if self.high is None or price > self.high:
            self.high = price
        if self.low is None or price < self.low:
            self.low = price

    def dump(self) -> list[float | None]:
        """Write the state as plain values: open, high, low."""
        return [self.open, self.high, self.low]

    def restore(self, told: list[float | None]) -> None:
        """Go on from what `dump` wrote."""
        self.open, self.high, self.low = told

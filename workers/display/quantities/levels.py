"""Price levels in ascending order, on whole numbers of pipettes. Pure.

The original computed bucket numbers in floating point, so that with 5 digits 89 percent of all prices fell one pipette too low;
here a price is first converted to a whole number of pipettes, and all else is integers. Adding costs a binary search and, for a
new level, an insertion into a list of bounded length.
"""

from bisect import bisect_left
from fractions import Fraction
from typing import Any

Row = tuple[int, int, int, int]  # index, volume, buy volume, sell volume; the rest is neutral


class Levels:
    """Volume by price; when there are more levels than the limit, pairs of neighbours are joined: the bucket doubles.

    Args:
        multiplier: pipettes per bucket, above 0, not necessarily whole.
        limit: maximum of levels, at least 2.
    """

    __slots__ = ("_den", "_limit", "_num", "doublings", "indexes", "peak", "rows", "total", "volumes")

    def __init__(self, multiplier: Fraction, limit: int) -> None:
        self._num, self._den = multiplier.numerator, multiplier.denominator
        self._limit = limit
        self.indexes: list[int] = []  # of the rows
        self.rows: list[Row] = []  # a row is replaced, never changed: a copy of the list is a snapshot
        self.volumes: list[int] = []  # of the rows, for code that only compares volumes
        self.total = 0  # volume of all levels
        self.peak = 0  # largest volume of a level
        self.doublings = 0

    def add(self, pipettes: int, volume: int, buy: int, sell: int) -> None:
        """Add volume above 0 at a price; buy and sell are parts of it."""
        index = pipettes * self._den // self._num
        indexes, volumes = self.indexes, self.volumes
        at = bisect_left(indexes, index)
        self.total += volume
        if at < len(indexes) and indexes[at] == index:
            row = self.rows[at]
            self.rows[at] = (index, row[1] + volume, row[2] + buy, row[3] + sell)
            volumes[at] = volume = row[1] + volume
        else:
            indexes.insert(at, index)
            self.rows.insert(at, (index, volume, buy, sell))
            volumes.insert(at, volume)
        self.peak = max(self.peak, volume)
        while len(self.indexes) > self._limit:
            self._double()

    def remove(self, pipettes: int, volume: int, buy: int, sell: int) -> None:
        """Remove volume that was added before; an empty level is dropped."""
        index = pipettes * self._den // self._num
        at = bisect_left(self.indexes, index)
        row = self.rows[at]
        self.total -= volume
        if row[1] == volume:
            del self.indexes[at], self.rows[at], self.volumes[at]
        else:
            self.rows[at] = (index, row[1] - volume, row[2] - buy, row[3] - sell)
            self.volumes[at] -= volume
        if row[1] == self.peak:
            self.peak = max(self.volumes, default=0)

    def price(self, index: int, digits: int) -> float:
        """Return the lower edge of a level, correctly rounded (index times bucket has float noise)."""
        scale: int = 10**digits
        return index * self._num / (self._den * scale)

    def dump(self) -> list[Any]:
        """Return the state as plain values: the number of doublings, and the flattened rows."""
        return [self.doublings, [part for row in self.rows for part in row]]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump` with the same multiplier and limit, before anything was added."""
        self.doublings, flat = state
        self._num <<= self.doublings
        self.rows = list(zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True))
        self.indexes, self.volumes = flat[::4], flat[1::4]
        self.total, self.peak = sum(self.volumes), max(self.volumes, default=0)

    def _double(self) -> None:
        self._num *= 2
        self.doublings += 1
        joined: dict[int, Row] = {}
        for index, volume, buy, sell in self.rows:
            half = index >> 1  # the index in buckets twice as wide
            _, v, b, s = joined.get(half, (half, 0, 0, 0))
            joined[half] = (half, v + volume, b + buy, s + sell)
        self.indexes, self.rows = list(joined), list(joined.values())
        self.volumes = [row[1] for row in self.rows]
        self.peak = max(self.volumes)

"""The market profile: the volume of upticks and downticks at each price of the day. Pure, constant cost per tick, bounded.

The stored data, and why it is sufficient:

* `shown`: the levels at the configured bucket. Each tick adds to one level; with depth "percentage", one tick is removed in
  exchange.
* `base`: the whole day at one pipette, from which the levels of a new bucket are made when the config changes, without the ticks.
* `ring`: the newest ticks, 8 bytes each, for the depth "percentage" (the newest n of the day's ticks, n = floor(all *
  percentage)). It has its full size from the start, so that memory is constant. When n is larger than the ring, the newest ticks
  that fit are shown.

The original stored every tick and rebuilt everything for each: 33 ms at the 8,000th. It also showed all ticks where n was 0;
here n is at least 1.
"""

from array import array
from collections.abc import Mapping
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

from hulak.workers.display.quantities.levels import Levels
from hulak.workers.display.quantities.value_area import ValueArea


class Bounds(NamedTuple):
    """The limits of a profile."""

    levels: int
    base: int  # pairs of price and direction
    ring: int  # ticks


# 2,000 levels are more than a screen has rows, and more pipettes than EURUSD moves on an ordinary day; their message has 20 kB.
# With all three full, a display takes 1 MB; with the generous bounds 7 MB.
SAVING = Bounds(2000, 6000, 16_384)
GENEROUS = Bounds(8000, 48_000, 131_072)

FINEST = Fraction(1, 1000)  # pipettes per level: keeps every index within the 64 bits of a message


class Shape(NamedTuple):
    """The part of the config that affects the profile; equal shapes give equal profiles."""

    multiplier: float = 1.0  # pipettes per level
    percentage: float | None = None  # of the ticks, newest first; None for all
    bounds: Bounds = SAVING


class MarketProfile:
    """The profile of one day; a new day is a new object.

    Args:
        digits: decimals of the symbol; a pipette is the last of them.
    """

    __slots__ = (
        "_area",
        "_base",
        "_base_shift",
        "_depth",
        "_digits",
        "_inexact",
        "_ring",
        "_shape",
        "_start",
        "_weights",
        "count",
        "shown",
    )

    def __init__(self, digits: int, shape: Shape) -> None:
        self._digits = digits
        self._base: dict[int, int] = {}  # pipettes * 4 + direction + 1 -> volume
        self._base_shift = 0  # the base is exact to 2 ** shift pipettes
        self._weights: dict[int, int] = {}  # number -> volume of the entries in the ring that are not plain ticks
        self._ring = array("q", bytes(8 * shape.bounds.ring))
        self.count = 0  # ticks and bars of the day
        self._area = ValueArea()
        self._start = 0  # number of the first tick that is shown, with a depth
        self._use(shape)

    def fold(self, pipettes: int, direction: int, volume: int = 1) -> None:
        """Add a tick, or a bar with its volume (0 or more); direction is 1 for buy, -1 for sell, 0 for neither."""
        key = pipettes * 4 + direction + 1
        number = self.count
        self.count = number + 1
        if volume:
            self._add_to_base(key, volume)
            self.shown.add(pipettes, volume, volume if direction > 0 else 0, volume if direction < 0 else 0)
        if self._depth is not None:
            self._shrink()
        ring = self._ring
        self._weights.pop(number - len(ring), None)
        ring[number % len(ring)] = key
        if volume != 1:
            self._weights[number] = volume

    def configure(self, shape: Shape) -> None:
        """Apply another shape; the same shape changes nothing."""
        if shape == self._shape:
            return
        if shape.bounds != self._shape.bounds:
            self._resize(shape.bounds.ring)
        self._use(shape)

    def snapshot(self, share: float) -> dict[str, Any]:
        """Return the profile, the point of control and the value area with this share of the volume.

        Returns:
            {profile: {bucket (price units), levels: [[index, volume, buy, sell], ..] ascending, ticks, trimmed},
            poc, value_area}. trimmed: it is coarser or shorter than configured. Prices are the levels' lower
            edges.
        """
        shown, digits = self.shown, self._digits
        rows, poc, area = shown.rows, None, None
        if rows:
            at = shown.volumes.index(shown.peak)
            low, high = self._area.find(shown.indexes, shown.volumes, at, share * shown.total)
            poc = shown.price(rows[at][0], digits)
            area = {"high": shown.price(rows[high][0], digits), "low": shown.price(rows[low][0], digits)}
        return {
            "profile": {
                "bucket": shown.price(1, digits),
                "levels": rows.copy(),
                "ticks": shown.total,
                "trimmed": bool(shown.doublings or self._inexact or self._visible() > len(self._ring)),
            },
            "poc": poc,
            "value_area": area,
        }

    def dump(self) -> dict[str, Any]:
        """Return the state as plain values; of the ring the filled part, in this machine's byte order."""
        return {
            "count": self.count,
            "base": list(chain.from_iterable(self._base.items())),
            "base_shift": self._base_shift,
            "weights": list(chain.from_iterable(self._weights.items())),
            "ring": memoryview(self._ring)[: self.count].tobytes(),
            "start": self._start,
            "inexact": self._inexact,
            "shown": self.shown.dump(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a `dump` with the same digits and shape, before the first tick."""
        base, weights, ring = state["base"], state["weights"], array("q", state["ring"])
        self.count, self._base_shift = state["count"], state["base_shift"]
        self._start, self._inexact = state["start"], state["inexact"]
        self._base = dict(zip(base[::2], base[1::2], strict=True))
        self._weights = dict(zip(weights[::2], weights[1::2], strict=True))
        if len(ring) != min(self.count, len(self._ring)):
            raise ValueError(f"{len(ring)} ticks are stored of {self.count}, must be {min(self.count, len(self._ring))}")
        self._ring[: len(ring)] = ring
        self.shown.restore(state["shown"])

    def _visible(self) -> int:
        """Return how many of the newest ticks are shown; 0 where all are, without the ring."""
        depth = self._depth
        return 0 if depth is None else max(1, self.count * depth.numerator // depth.denominator) if self.count else 0

    def _add_to_base(self, key: int, volume: int) -> None:
        if self._base_shift:
            key = _coarse(key, self._base_shift)
        self._base[key] = self._base.get(key, 0) + volume
        while len(self._base) > self._shape.bounds.base:
            self._base_shift += 1
            old, self._base = self._base, {}
            for fine, part in old.items():
                coarse = _coarse(fine, self._base_shift)
                self._base[coarse] = self._base.get(coarse, 0) + part

    def _shrink(self) -> None:
        """Remove ticks that are no longer among the newest: at most one for each new one. The newest is not in the ring yet."""
        first = self.count - min(self._visible(), len(self._ring))
        while self._start < first:
            key, volume = self._at(self._start)
            if volume:
                self.shown.remove(key >> 2, volume, volume if key & 3 == 2 else 0, volume if key & 3 == 0 else 0)
            self._start += 1

    def _at(self, number: int) -> tuple[int, int]:
        return self._ring[number % len(self._ring)], self._weights.get(number, 1)

    def _use(self, shape: Shape) -> None:
        self._shape = shape
        depth = None if shape.percentage is None else Fraction(str(shape.percentage)) / 100
        self._depth = None if depth is None or depth >= 1 else depth
        self.shown = Levels(max(FINEST, Fraction(str(shape.multiplier))), shape.bounds.levels)
        self._inexact = False
        if self._depth is None:
            self._inexact = bool(self._base_shift)
            entries = [(key, volume) for key, volume in self._base.items() if volume]
        else:
            self._start = self.count - min(self._visible(), len(self._ring))
            entries = [self._at(number) for number in range(self._start, self.count)]
        for key, volume in entries:
            if volume:
                self.shown.add(key >> 2, volume, volume if key & 3 == 2 else 0, volume if key & 3 == 0 else 0)

    def _resize(self, size: int) -> None:
        old, self._ring = self._ring, array("q", bytes(8 * size))
        for number in range(max(0, self.count - min(len(old), size)), self.count):
            self._ring[number % size] = old[number % len(old)]
        self._weights = {number: volume for number, volume in self._weights.items() if number >= self.count - size}


def _coarse(key: int, shift: int) -> int:
    """Round a price down to a multiple of 2 ** shift pipettes, keeping the direction."""
    return (key >> 2 >> shift << shift << 2) | (key & 3)

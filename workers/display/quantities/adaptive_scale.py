"""A scale that widens in quarters of the average daily range as the price moves away from the middle. Pure.

An alternative to `visual_range` for displays with an open-centred scale. Without an average range there is no scale, where the
original drew 5,000 pips to each side; an average range of 0, which gave the original NaN, gives none either.
"""

from math import ceil
from typing import NamedTuple

STEPS = ((0.4, 0.5), (0.6, 0.75))  # (share of the range that was moved, at most; share of it to each side)
AHEAD, PER_RANGE = 0.15, 4  # above: the next quarter above the move plus this margin


class Scale(NamedTuple):
    """Lowest and highest price of the scale, and the share of the average range to each side of the middle."""

    low: float
    high: float
    expansion: float


def adaptive_scale(
    middle: float, price: float, day: tuple[float | None, float | None], adr: tuple[float, float] | None
) -> Scale | None:
    """Compute a scale.

    Args:
        middle: the day's open, or the price if that is unknown.
        price: the current price.
        day: the day's high and low, each or None.
        adr: high and low of the average daily range, projected.
    """
    width = 0.0 if adr is None else adr[0] - adr[1]
    if width <= 0:
        return None
    up = 0.0 if day[0] is None else day[0] - middle
    down = 0.0 if day[1] is None else middle - day[1]
    expansion = expand(max(up, down, abs(price - middle), 0.0) / width)
    return Scale(middle - width * expansion, middle + width * expansion, expansion)


def expand(moved: float) -> float:
    """Return the share of the average range to each side, given the share of it that the day has moved."""
    for most, expansion in STEPS:
        if moved <= most:
            return expansion
    return ceil((moved + AHEAD) * PER_RANGE) / PER_RANGE

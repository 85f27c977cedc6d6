"""The range of prices that a display shows: a part of the average daily range around the open, widened in tiers. Pure.

Identical to the original, to the bit: the tier is chosen by the distance from the open relative to the whole range, while half of
the range goes to each side, so beyond the first tier only the day's high and low keep the price in view.
"""

from typing import NamedTuple

TIERS = ((0.75, 1.0), (0.5, 0.75), (0.3, 0.5))  # (share of the range, tier above it)
LOWEST = 0.3
PADDING = 0.05


class VisualRange(NamedTuple):
    """Prices, and the share of the average daily range that is shown."""

    high: float
    low: float
    tier: float


def tier(price: float, centre: float, width: float) -> float:
    """Choose the share of the average daily range to show: 0.3, 0.5, 0.75 or 1. With a range of 0, any move exceeds it."""
    distance = abs(price - centre)
    if width == 0:
        return TIERS[0][1] if distance else LOWEST
    share = distance / width
    return next((shown for above, shown in TIERS if share > above), LOWEST)


def visual_range(price: float, centre: float, adr: tuple[float, float], day: tuple[float, float]) -> VisualRange:
    """Compute the visible range of a display.

    Args:
        price: the current price.
        centre: the day's open.
        adr: high and low of the average daily range, projected.
        day: the day's high and low so far.
    """
    width = adr[0] - adr[1]
    shown = tier(price, centre, width)
    half = (width / 2) * shown
    high, low = max(centre + half, day[0]), min(centre - half, day[1])
    pad = (high - low) * PADDING
    return VisualRange(high + pad, low - pad, shown)

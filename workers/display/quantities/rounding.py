"""Rounding as JavaScript's toFixed does it: the exact binary value to the nearest, ties away from zero. Pure.

Python's `round` takes ties to the even neighbour (0.125 to 2 digits: JavaScript 0.13, Python 0.12), so it cannot stand in.
"""

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

WIDE = Context(prec=400)  # toFixed writes numbers below 1e21 in full, however many digits that takes
NOISE = 1e-6  # of a pipette: more than multiplying a decimal price may lose, below a thousand million pipettes
TEXT_FROM = 1e21  # from here on toFixed gives the number unrounded


def to_fixed(value: float, digits: int) -> str:
    """Write a number with exactly so many decimals, e.g. to_fixed(0.125, 2) is "0.13"; zero has no sign."""
    if not math.isfinite(value) or abs(value) >= TEXT_FROM:
        return repr(float(value))
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, WIDE)
    return f"{abs(rounded) if not rounded and value == 0 else rounded:f}"


def rounded(value: Any, digits: int) -> float | None:
    """Round a price to the symbol's digits.

    Returns:
        None for what is no price: not a number (texts and booleans too), or not finite. The original let infinity through.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(to_fixed(value, digits))


def whole_pipettes(scaled: float) -> int:
    """Return how many whole pipettes a price has, given price * 10 ** digits: 1.10005 has 110005 of 5 digits, 1.100058 too."""
    return math.floor(scaled + max(NOISE, abs(scaled) * 1e-15))

"""Rounding like JavaScript's toFixed: the exact binary value to the nearest, ties away from zero. Pure.

Python's `round` rounds ties to even (0.125 to 2 digits: JavaScript 0.13, Python 0.12), so it cannot be used.
"""

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

WIDE = Context(prec=400)  # toFixed writes numbers below 1e21 with all their digits
NOISE = 1e-6  # of a pipette: more than the error of multiplying a decimal price, up to a thousand million pipettes
TEXT_FROM = 1e21  # from here on toFixed returns the number unrounded


def to_fixed(value: float, digits: int) -> str:
    """Return a number with a fixed number of decimals, e.g. to_fixed(0.125, 2) is "0.13"; zero has no sign."""
    if not math.isfinite(value) or abs(value) >= TEXT_FROM:
        return repr(float(value))
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, WIDE)
    return f"{abs(rounded) if not rounded and value == 0 else rounded:f}"


def rounded(value: Any, digits: int) -> float | None:
    """Round a price to the symbol's digits.

    Returns:
        None if the value is not a number (text and booleans included), or not finite. The original accepted infinity.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(to_fixed(value, digits))


def whole_pipettes(scaled: float) -> int:
    """Return the whole pipettes of a price, given price * 10 ** digits: 110005 for 1.10005 with 5 digits, and for 1.100058."""
    return math.floor(scaled + max(NOISE, abs(scaled) * 1e-15))

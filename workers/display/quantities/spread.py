"""The two sides of the newest quote: their middle and spread. Pure."""

import math

BEYOND_PIPETTES = 2  # decimals more than the symbol's digits: enough for quotes finer than a pipette, without float noise


def usable(price: float) -> bool:
    """Return whether a side of a quote is present: venues send 0 for a missing one. A negative price is valid (oil, 2020)."""
    return price != 0 and math.isfinite(price)


def mid(bid: float | None, ask: float | None) -> float | None:
    """Return the middle of both sides; None unless both are known."""
    return None if bid is None or ask is None else (bid + ask) / 2


def spread(bid: float | None, ask: float | None, digits: int) -> float | None:
    """Return ask less bid, below 0 for a crossed quote; None unless both are known."""
    return None if bid is None or ask is None else round(ask - bid, digits + BEYOND_PIPETTES)

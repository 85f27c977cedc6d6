"""The parts of a drawn price: the steady figures, the pips in large type, and the finest figures. Pure."""

from typing import NamedTuple

from hulak.workers.display.quantities.rounding import to_fixed


class PriceText(NamedTuple):
    """The three parts of a price, to be drawn side by side; each includes its decimal point."""

    figure: str
    pips: str
    pipette: str


def price_text(price: float, digits: int) -> PriceText:
    """Split a price for drawing.

    Args:
        price: not negative.
        digits: decimals of the symbol.
    Returns:
        from 100,000 on, whole numbers: 118780 is 118, 78, 0; from 1,000 on: 2345.6 is 23, 45, .6; from 100 on with at most 3
        digits (the yen's way): 151.191 is 151., 19 and nothing; with 3 or 5 digits else: 1.08541 is 1.08, 54, 1;
        else the last two decimals are the pips.
    """
    whole, _, decimals = to_fixed(price, digits).partition(".")
    if price >= 100_000:
        return PriceText(whole[:-3], whole[-3:-1], whole[-1])
    if price >= 1000:
        return PriceText(whole[:-2], whole[-2:], f".{decimals[0]}" if decimals else "")
    if price >= 100 and digits <= 3:
        return PriceText(f"{whole}." if decimals else whole, decimals[:2], "")
    if digits in {3, 5}:
        return PriceText(f"{whole}.{decimals[: digits - 3]}", decimals[digits - 3 : digits - 1], decimals[digits - 1 :])
    return PriceText(f"{whole}.{decimals[:-2]}" if decimals else whole, decimals[-2:], "")

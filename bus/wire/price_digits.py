"""The default number of decimals of a symbol's prices. Pure.

Currency pairs and metals have the decimals that all venues quote them with, and all symbols of an exchange those of the exchange.
For any other symbol the first quote decides: as many
decimals as its two prices have, at least four figures of the smaller price, and cents below 100,000. So 0.00001234 has 8, the
same at 1.2e-9 has 12, 42269.81 has 2, and 757000 has none.
"""

import math
from collections.abc import Iterable
from decimal import Decimal

PAIR, YEN_OR_GOLD = 5, 3
OF_VENUES = {"nepse": 2}  # source of ticks -> decimals of all its prices
TICK_SIZES = {"nepse": 0.1}  # source of ticks -> the step of its prices, where that is not the last decimal
CURRENCIES = frozenset("AUD CAD CHF CNH CZK DKK EUR GBP HKD HUF JPY MXN NOK NZD PLN SEK SGD TRY USD ZAR".split())  # noqa: SIM905
METALS = frozenset(("XAG", "XAU", "XPD", "XPT"))
FIGURES = 4  # of the smaller price, at least
BELIEVED = 9  # figures of a price; digits behind them are rounding noise
CENTS, CENTS_BELOW = 2, 100_000
MOST = 12


def usual_digits(symbol: str) -> int | None:
    """Return the decimals of a currency pair or of a metal; None for any other symbol."""
    base, quote = symbol[:3], symbol[3:]
    if quote not in CURRENCIES or base not in CURRENCIES | METALS:
        return None
    return YEN_OR_GOLD if quote == "JPY" or base == "XAU" else PAIR


def digits_of(prices: Iterable[float]) -> int:
    """Return the decimals that prices need, from 0 to `MOST`; 2 if no price is a finite number other than 0."""
    known = [decimal_of(price) for price in prices if price and math.isfinite(price)]
    if not known:
        return CENTS
    smallest, largest = min(map(abs, known)), max(map(abs, known))
    seen = max(map(decimals_in, known))
    cents = CENTS if largest < CENTS_BELOW else 0
    return min(MOST, max(seen, FIGURES - 1 - smallest.adjusted(), cents))


def decimal_of(price: float) -> Decimal:
    """Return a price rounded to its significant figures."""
    return Decimal(f"{price:.{BELIEVED}g}")


def decimals_in(price: Decimal) -> int:
    """Return the number of decimals of a price, without trailing zeros."""
    exponent = price.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0

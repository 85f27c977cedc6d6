"""The strength of a currency against a basket of others: the weighted mean of the logarithms of its prices. Pure."""

from collections.abc import Mapping
from math import exp, isfinite, log


def basket_value(currency: str, weights: Mapping[str, float], prices: Mapping[str, float]) -> float | None:
    """Compute a basket.

    Args:
        currency: e.g. "USD".
        weights: pair -> weight above 0; each pair starts or ends with the currency.
        prices: pair -> price.
    Returns:
        the weighted mean of ln(price) of pairs that start with the currency, and of -ln(price) of the others; None unless every
        pair has a price above 0, since a basket of other pairs is a different one.
    """
    if not weights or any(not (0 < prices.get(pair, 0) < float("inf")) for pair in weights):
        return None
    total = 0.0
    for weight in weights.values():
        total += weight
    value = 0.0
    for pair, weight in weights.items():
        price = prices[pair]
        value += weight / total * log(price if pair.startswith(currency) else 1 / price)
    return value


def basket_index(value: float | None, start: float | None) -> float | None:
    """Return the basket as an index, 100 at the start; None unless both are known."""
    if value is None or start is None or not isfinite(value) or not isfinite(start):
        return None
    return exp(value) / exp(start) * 100

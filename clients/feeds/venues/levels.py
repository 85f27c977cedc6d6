"""The best price of a side of an order book, as crypto venues write it: a list of levels, price and size first. Pure."""

from collections.abc import Callable
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.parsing import field_of, price_of, shown

EMPTY = 0.0  # an empty side, for `Sides`


def best_bid(book: dict[str, Any], name: str = "bids", *, is_delta: bool = False) -> float | None:
    """Return the best bid of a book; `EMPTY` if there is none, None if a delta leaves it unchanged.

    Args:
        book: the message's object.
        name: of the side in it.
        is_delta: the levels are changes: no level means unchanged, and a size of 0 removes a level.
    Raises:
        FeedError: the side is missing, or not a list of levels.
    """
    return _best(book, name, max, is_delta)


def best_ask(book: dict[str, Any], name: str = "asks", *, is_delta: bool = False) -> float | None:
    """Return the best ask of a book; see `best_bid`."""
    return _best(book, name, min, is_delta)


def _best(book: dict[str, Any], name: str, best: Callable[[list[float]], float], is_delta: bool) -> float | None:
    levels = field_of(book, name)
    if not isinstance(levels, list) or not all(isinstance(level, list) and len(level) >= 2 for level in levels):
        raise FeedError(f"{name} is {shown(levels)}, must be a list of levels: price and size")
    if is_delta and not levels:
        return None
    prices = [price_of(level[0], f"{name} price") for level in levels if price_of(level[1], f"{name} size") != 0]
    return best(prices) if prices else EMPTY

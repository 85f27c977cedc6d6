"""The parts of a tick or of a market's state that the rules read; anything else in a body is ignored. Pure."""

from math import isfinite
from typing import Any, NamedTuple

import msgspec

from hulak.bus.wire.messages import END_MS, FIRST_MS

Body = dict[str, Any]


class Quote(msgspec.Struct, frozen=True, gc=False):
    """A tick as the rules see it."""

    bid: float | None  # None: no finite price
    ask: float | None
    at: int | None  # the venue's clock, ms since 1970 UTC; None: it has no time
    source: str
    halted: bool


def quote_of(body: Body) -> Quote:
    """Read a tick's body."""
    bid, ask, at, source, flags = body.get("bid"), body.get("ask"), body.get("timestamp"), body.get("source"), body.get("flags")
    return Quote(
        bid if type(bid) is float and isfinite(bid) else _price(bid),
        ask if type(ask) is float and isfinite(ask) else _price(ask),
        at if type(at) is int and FIRST_MS <= at < END_MS else None,
        source if type(source) is str else "",
        bool(flags) and isinstance(flags, list) and "halted" in flags,
    )


def _price(value: object) -> float | None:
    """Return a price that is written as an integer; None for anything else."""
    if type(value) is not int:
        return None
    try:
        return float(value)
    except OverflowError:
        return None


class MarketState(NamedTuple):
    """The state of a market."""

    market: str  # the source of its ticks
    is_open: bool
    pause_ms: int  # without a tick that say nothing while it is open


def market_of(body: Body) -> MarketState | None:
    """Read the body of a `market.` topic; None if it is none."""
    market, state, pause_s = body.get("market"), body.get("state"), body.get("pause_s")
    if type(market) is not str or state not in ("open", "pre-open", "closed"):
        return None
    is_pause = isinstance(pause_s, int | float) and not isinstance(pause_s, bool) and 0 < pause_s <= 86_400
    return MarketState(market, state == "open", int(pause_s * 1000) if is_pause else 0)  # type: ignore[operator]

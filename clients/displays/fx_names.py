"""The FX front end's names of a display's configuration, and the check of its ticks. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Any

from hulak.bus.errors import BusError
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.clients.feeds.symbol_keys import in_capitals

SPECIAL = {"maxMarkerDecay": "max_marker_decay_s", "statesPerSecond": "states_per_s"}
OPTIMIZATIONS = ("batch_dispatching", "memory_optimization", "performance_monitoring")
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def config_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config by the names of live keys: `priceBucketMultiplier` is `price_bucket_multiplier`.

    Raises:
        BusError: `BAD_CONFIG`, two names mean the same key.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        key = SPECIAL.get(name) or _CAPITAL.sub(lambda match: f"_{match[1].lower()}", name)
        if key in values:
            raise BusError("BAD_CONFIG", f"key {key} is given twice, once as {name}")
        values[key] = value
    return values


def tick_of(symbol: str, given: Mapping[str, Any], source: str) -> Tick:
    """Make a tick; other keys are ignored.

    Args:
        symbol: upper case, except its prefix.
        given: `bid`, `ask` (finite numbers) and `timestamp` (ms since 1970 UTC, from 1990 to 2100); `symbol`, if present,
            must be the same.
        source: of the tick.
    Raises:
        BusError: `BAD_TICK`, with the value and what it must be.
    """
    prices = []
    for name in ("bid", "ask"):
        value = given.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BusError("BAD_TICK", f"{name} is {value!r}, must be a finite number")
        prices.append(float(value))
    at = given.get("timestamp")
    if isinstance(at, bool) or not isinstance(at, int | float) or not FIRST_MS <= at < END_MS:
        raise BusError("BAD_TICK", f"timestamp is {at!r}, must be ms since 1970 UTC, from 1990 to 2100")
    if in_capitals(str(given.get("symbol", symbol))) != symbol:
        raise BusError("BAD_TICK", f"symbol is {given['symbol']!r}, but the tick is dispatched to {symbol}")
    return Tick(symbol, prices[0], prices[1], int(at), source)

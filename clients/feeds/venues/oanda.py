"""OANDA's v20 prices: the lines of its pricing stream, and the snapshot of its REST API.

From OANDA's public documentation: `GET /v3/accounts/<account>/pricing/stream?instruments=EUR_USD,USD_JPY` answers with
one JSON object a line: `{"type": "PRICE", "instrument": "EUR_USD", "time": "2016-10-27T08:38:45.664613867Z", "bids":
[{"price": "1.09177", "liquidity": ..}], "asks": [..], "status": "tradeable"}`, and every 5 s `{"type": "HEARTBEAT",
"time": ..}`. Levels are not always sorted, so the best one is searched; a list without levels is an empty side. Over a
weekend each instrument comes once, as not tradeable (`"tradeable": false`, `"status": "non-tradeable"`), and gets the flag
`halted`; then only heartbeats come: the data is stale, the connection is alive.
"""

import re
from collections.abc import Callable
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import FAILED, Effect, Heartbeat, UrlDialect, classify_refusal
from hulak.clients.feeds.venues.parsing import field_of, iso_time_of, load_object, of_each, price_of, rows_of, shown, time_of

CLOSED = ("non-tradeable", "invalid")  # values of `status` other than "tradeable"
_UNIX = re.compile(r"([0-9]{1,11})\.([0-9]{3})[0-9]*").fullmatch  # the other format of times: seconds with nine decimals


class Oanda(UrlDialect):
    """The pricing stream; the url subscribes."""

    parameter = "instruments"

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one line, or one snapshot; see `Dialect.parse`."""
        frame = load_object(message)
        if "prices" in frame:
            return of_each(rows_of(frame, "prices"), lambda price: self._quote(price, received_ms))
        if "errorMessage" in frame:
            return [classify_refusal(None, frame["errorMessage"], frame.get("errorCode"), otherwise=FAILED)]
        match field_of(frame, "type"):
            case "PRICE":
                return self._quote(frame, received_ms)
            case "HEARTBEAT":
                return [Heartbeat()]
        return []

    def _quote(self, price: dict[str, Any], received_ms: int) -> list[Effect]:
        symbol = self.names.of(field_of(price, "instrument"))
        bid, ask = _best(price, "bids", max), _best(price, "asks", min)
        time_ms = _time_ms(price["time"]) if "time" in price else received_ms
        halted = price.get("tradeable") is False or price.get("status") in CLOSED
        return self._sides.quote(symbol, bid, ask, time_ms, "oanda", ("halted",) if halted else ())


def _best(price: dict[str, Any], name: str, best: Callable[[list[float]], float]) -> float | None:
    """Return the best price of a side; 0 where it is empty, None where it is missing."""
    if name not in price:
        return None
    levels = rows_of(price, name)
    if not all(isinstance(level, dict) for level in levels):
        raise FeedError(f"{name} is {shown(levels)}, must be a list of objects")
    prices = [price_of(field_of(level, "price"), f"{name}.price") for level in levels]
    return best(prices) if prices else 0.0


def _time_ms(value: object) -> int:
    unix = _UNIX(value) if isinstance(value, str) else None
    return time_of(int(unix[1] + unix[2]), "time") if unix else iso_time_of(value, "time")

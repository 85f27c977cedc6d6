"""Deribit's best bid and ask, from the channels `quote.*` of its JSON-RPC over a WebSocket.

From Deribit's public documentation (`public/set_heartbeat`, `public/subscribe`, "quote.{instrument_name}"):

* `{"jsonrpc": "2.0", "id": 2, "method": "public/subscribe", "params": {"channels": ["quote.BTC-PERPETUAL"]}}` is answered with
  the list of the channels that were taken; an unknown instrument is missing in it, without an error.
* `{"method": "subscription", "params": {"channel": "quote.BTC-PERPETUAL", "data": {"timestamp": .., "instrument_name": ..,
  "best_bid_price": 81234.0, "best_bid_amount": .., "best_ask_price": ..}}}`: 0 or null is an empty side. Prices of options are
  in the coin, not in US dollars.
* After `public/set_heartbeat` the venue sends heartbeats; one of the type `test_request` is answered with `public/test`, or the
  venue closes the connection at once.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import (
    FAILED,
    NOT_FOUND,
    BaseDialect,
    Effect,
    Heartbeat,
    Send,
    Subscribed,
    SymbolError,
    classify_refusal,
)
from hulak.clients.feeds.venues.levels import EMPTY
from hulak.clients.feeds.venues.parsing import field_of, load_object, price_of, shown, time_of

HEARTBEAT_S = 10  # the shortest interval that the venue accepts
QUOTE = "quote."


class Deribit(BaseDialect):
    """The channels `quote.*`; other channels give no events."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)
        self._asked: dict[int, list[str]] = {}  # id of an unanswered request -> its symbols

    def opening(self) -> list[Effect]:
        """Ask for heartbeats; see `Dialect.opening`."""
        return [self._request("public/set_heartbeat", {"interval": HEARTBEAT_S}, next(self._ids))]

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.subscribe`."""
        number = next(self._ids)
        self._asked[number] = list(symbols)
        return [self._request("public/subscribe", _channels(symbols), number)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [self._request("public/unsubscribe", _channels(symbols), next(self._ids))]

    def _request(self, method: str, params: dict[str, Any], number: int) -> Send:
        return Send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        del received_ms
        frame = load_object(message)
        if "method" not in frame:
            return self._answer(frame)
        params = field_of(frame, "params")
        if not isinstance(params, dict):
            raise FeedError(f"params is {shown(params)}, must be an object")
        match frame["method"]:
            case "heartbeat":
                answer: list[Effect] = [self._request("public/test", {}, next(self._ids))]
                return [Heartbeat(), *(answer if params.get("type") == "test_request" else [])]
            case "subscription":
                channel = field_of(params, "channel")
                is_quote = isinstance(channel, str) and channel.startswith(QUOTE)
                return self._quote(field_of(params, "data")) if is_quote else []
        return []

    def _quote(self, data: object) -> list[Effect]:
        if not isinstance(data, dict):
            raise FeedError(f"data is {shown(data)}, must be an object")
        symbol, time_ms = self.names.of(field_of(data, "instrument_name")), time_of(field_of(data, "timestamp"), "timestamp")
        bid, ask = (_price(data, f"best_{side}_price") for side in ("bid", "ask"))
        return self._sides.quote(symbol, bid, ask, time_ms, "deribit")

    def _answer(self, frame: dict[str, Any]) -> list[Effect]:
        number = frame.get("id")
        asked = self._asked.pop(number, []) if isinstance(number, int) else []
        if "error" in frame:
            error = frame["error"]
            text = error.get("message") if isinstance(error, dict) else error
            symbols: list[str | None] = [*asked] or [None]
            return [classify_refusal(symbol, text, otherwise=FAILED) for symbol in symbols]
        result = field_of(frame, "result")
        if not asked:
            return []
        if not isinstance(result, list):
            raise FeedError(f"result is {shown(result)}, must be a list of channels")
        return [self._taken(symbol, result) for symbol in asked]

    def _taken(self, symbol: str, channels: list[Any]) -> Subscribed | SymbolError:
        key = self.names.key(symbol)
        if QUOTE + symbol in channels:
            return Subscribed(key)
        return SymbolError(key, NOT_FOUND, "the venue's answer does not list the channel of this instrument")


def _channels(symbols: Sequence[str]) -> dict[str, Any]:
    return {"channels": [QUOTE + symbol for symbol in symbols]}


def _price(data: dict[str, Any], name: str) -> float:
    price = field_of(data, name)
    return EMPTY if price is None else price_of(price, name)

"""Hyperliquid's best bid and offer, from the subscription `bbo` of its WebSocket.

From Hyperliquid's public documentation of its WebSocket, and its Python SDK:

* `{"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}}`, one request for each coin, is answered with
  `{"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {..}}}`, or with `{"channel": "error",
  "data": "Invalid subscription {..}"}`. A new connection gets the text `Websocket connection established.`.
* `{"channel": "bbo", "data": {"coin": "BTC", "time": .., "bbo": [{"px": "81234.0", "sz": "0.51", "n": 3}, null]}}`: bid and
  ask; null is an empty side. A message comes only if one of them changed within a block.
* Coins: `BTC`, `kPEPE` (a thousand of PEPE: upper and lower case matter), `PURR/USDC`, `@107` (a spot pair by its number),
  `xyz:XYZ100` (a market of others). Their topics are BTC, KPEPE, PURRUSDC, `_40_107`, `XYZ_3A_XYZ100`.
* The venue closes a connection that has sent nothing for a minute. `{"method": "ping"}` is answered with `{"channel": "pong"}`.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.symbol_keys import SymbolKeys
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Heartbeat, Send, Subscribed, Timer, classify_refusal
from hulak.clients.feeds.venues.levels import EMPTY
from hulak.clients.feeds.venues.parsing import field_of, load_object, price_of, shown, time_of

GREETINGS = ("Websocket connection established.", b"Websocket connection established.")
_COIN = re.compile(r'"coin": ?"([^"]{1,64})"').search


class Hyperliquid(BaseDialect):
    """The subscription `bbo`; other channels give no events."""

    timers: tuple[Timer, ...] = (Timer('{"method": "ping"}', 20.0),)

    def __init__(self) -> None:
        super().__init__(SymbolKeys(by_case=True))

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each coin; see `Dialect.subscribe`."""
        return [_request("subscribe", symbol) for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each coin; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [_request("unsubscribe", symbol) for symbol in symbols]

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        del received_ms
        if message in GREETINGS:
            return []
        frame = load_object(message)
        match field_of(frame, "channel"):
            case "bbo":
                return self._quote(_object(frame))
            case "pong":
                return [Heartbeat()]
            case "subscriptionResponse":
                return self._answer(_object(frame))
            case "error":
                text = frame.get("data")
                named = _COIN(text) if isinstance(text, str) else None
                return [classify_refusal(named[1] if named else None, text, otherwise=FAILED)]
        return []

    def _quote(self, data: dict[str, Any]) -> list[Effect]:
        symbol, sides = self.names.of(field_of(data, "coin")), field_of(data, "bbo")
        if not isinstance(sides, list) or len(sides) != 2:
            raise FeedError(f"bbo is {shown(sides)}, must be a list of bid and ask")
        bid, ask = (_price(side, name) for side, name in zip(sides, ("bid", "ask"), strict=True))
        return self._sides.quote(symbol, bid, ask, time_of(field_of(data, "time"), "time"), "hyperliquid")

    def _answer(self, data: dict[str, Any]) -> list[Effect]:
        wanted = data.get("subscription")
        if data.get("method") != "subscribe" or not isinstance(wanted, dict) or wanted.get("type") != "bbo":
            return []
        return [Subscribed(self.names.key(field_of(wanted, "coin")))]


def _object(frame: dict[str, Any]) -> dict[str, Any]:
    data = field_of(frame, "data")
    if not isinstance(data, dict):
        raise FeedError(f"data is {shown(data)}, must be an object")
    return data


def _price(side: object, name: str) -> float:
    if side is None:
        return EMPTY
    if not isinstance(side, dict):
        raise FeedError(f"{name} is {shown(side)}, must be an object or null")
    return price_of(field_of(side, "px"), f"px ({name})")


def _request(method: str, coin: str) -> Send:
    return Send(json.dumps({"method": method, "subscription": {"type": "bbo", "coin": coin}}, ensure_ascii=False))

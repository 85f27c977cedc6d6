"""Kraken's tickers, from its WebSocket: version 2, and version 1, which is still in use.

Version 2 (wss://ws.kraken.com/v2): `{"channel": "ticker", "type": "snapshot" | "update", "data": [{"symbol": "BTC/USD",
"bid": .., "ask": .., "timestamp": "2026-09-24T03:54:18.054886Z"}]}` with numbers; older servers send no timestamp. A
refused symbol comes as an ordinary reply with `"success": false`. `{"channel": "heartbeat"}` comes each second without
other traffic.

Version 1 (wss://ws.kraken.com): `[channel, {"a": ["0.1", ..], "b": ["0.09", ..], ..}, "ticker", "XBT/USD"]`, decimal text
and no time; everything else is an object with an `event`, refusals have `"status": "error"`.

In both an empty side of the book is written as 0.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Heartbeat, Send, Subscribed, classify_refusal
from hulak.clients.feeds.venues.parsing import field_of, iso_time_of, load_json, load_object, of_each, rows_of, shown


class Kraken(BaseDialect):
    """Version 2 of the protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request; see `Dialect.subscribe`. It asks for each change of the best prices, not only for trades."""
        return [self._request("subscribe", symbols)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [self._request("unsubscribe", symbols)]

    def _request(self, method: str, symbols: Sequence[str]) -> Send:
        params = {"channel": "ticker", "symbol": list(symbols), "event_trigger": "bbo"}
        return Send(json.dumps({"method": method, "params": params, "req_id": next(self._ids)}))

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        frame = load_object(message)
        channel, method = frame.get("channel"), frame.get("method")
        if channel == "ticker":
            return of_each(rows_of(frame, "data"), lambda row: self._quote(row, received_ms))
        if channel == "heartbeat" or method == "pong":
            return [Heartbeat()]
        if method == "subscribe" or "error" in frame:
            return self._answer(frame)
        if not isinstance(channel, str) and not isinstance(method, str):
            raise FeedError(f"{shown(frame)} has neither channel nor method")
        return []

    def _quote(self, row: dict[str, Any], received_ms: int) -> list[Effect]:
        symbol, timestamp = self.names.of(field_of(row, "symbol")), row.get("timestamp")
        time_ms = received_ms if timestamp is None else iso_time_of(timestamp, "timestamp")
        return self._sides.quote(symbol, row.get("bid"), row.get("ask"), time_ms, "kraken")

    def _answer(self, frame: dict[str, Any]) -> list[Effect]:
        if frame.get("success") is not True:
            return [classify_refusal(frame.get("symbol"), frame.get("error"), otherwise=FAILED)]
        result = frame.get("result")
        if not isinstance(result, dict):
            raise FeedError(f"result is {shown(result)}, must be an object")
        return [Subscribed(self.names.key(field_of(result, "symbol")))] if result.get("channel") == "ticker" else []


class KrakenV1(BaseDialect):
    """Version 1 of the protocol."""

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request; see `Dialect.subscribe`."""
        return [_request("subscribe", symbols)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [_request("unsubscribe", symbols)]

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`. Quotes carry no time and get `received_ms`."""
        frame = load_json(message)
        if isinstance(frame, list):
            return self._quote(frame, received_ms)
        if not isinstance(frame, dict):
            raise FeedError(f"{shown(frame)} is neither a JSON object nor a list")
        event = field_of(frame, "event")
        if event in ("heartbeat", "pong"):
            return [Heartbeat()]
        if event == "error" or (event == "subscriptionStatus" and frame.get("status") == "error"):
            return [classify_refusal(frame.get("pair"), frame.get("errorMessage"), otherwise=FAILED)]
        if event == "subscriptionStatus" and frame.get("status") == "subscribed" and frame.get("channelName") == "ticker":
            return [Subscribed(self.names.key(field_of(frame, "pair")))]
        return []

    def _quote(self, frame: list[Any], received_ms: int) -> list[Effect]:
        if len(frame) < 4 or not isinstance(frame[-2], str):
            raise FeedError(f"{shown(frame)} is not [channel, data, name, pair]")
        if frame[-2] != "ticker":
            return []
        data = frame[1]
        if not isinstance(data, dict):
            raise FeedError(f"data is {shown(data)}, must be an object")
        bid, ask = (_first(data.get(name), name) for name in ("b", "a"))
        return self._sides.quote(self.names.of(frame[-1]), bid, ask, received_ms, "kraken")


def _request(event: str, symbols: Sequence[str]) -> Send:
    return Send(json.dumps({"event": event, "pair": list(symbols), "subscription": {"name": "ticker"}}))


def _first(values: object, name: str) -> object:
    if values is None:
        return None
    if not isinstance(values, list) or not values:
        raise FeedError(f"{name} is {shown(values)}, must be a list that begins with a price")
    return values[0]

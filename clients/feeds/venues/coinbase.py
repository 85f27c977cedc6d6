"""Coinbase's ticker, in the two formats of its feeds.

* Exchange (wss://ws-feed.exchange.coinbase.com), the format that subscribes: `{"type": "ticker", "product_id":
  "BTC-USD", "best_bid": "..", "best_ask": "..", "time": "2021-04-17T16:43:30.244075Z"}`; `subscriptions` lists every
  subscription; errors are `{"type": "error", "message": "Failed to subscribe", "reason": "XYZ-USD is not a valid
  product"}`.
* Advanced Trade: `{"channel": "ticker", "timestamp": .., "events": [{"tickers": [{"product_id", "best_bid",
  "best_ask"}]}]}`; a quote has no time there; the frame's is used.

Heartbeats are subscribed to like quotes. A missing side of a quote is the last known one; an empty side of the book is 0.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Event, Heartbeat, Send, Subscribed, classify_refusal
from hulak.clients.feeds.venues.parsing import field_of, iso_time_of, load_object, of_each, rows_of, shown

_BAD_PRODUCT = re.compile(r"([A-Za-z0-9-]{1,32}) is not a valid product").match


class Coinbase(BaseDialect):
    """Coinbase's ticker channel; trades and books give no events."""

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request, in the Exchange's format; see `Dialect.subscribe`."""
        return [_request("subscribe", symbols)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request, in the Exchange's format; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [_request("unsubscribe", symbols)]

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        frame = load_object(message)
        if "channel" in frame:
            return self._advanced(frame, received_ms)
        match field_of(frame, "type"):
            case "ticker":
                return self._quote(frame, frame.get("time"), received_ms)
            case "heartbeat":
                return [Heartbeat()]
            case "subscriptions":
                return self._subscriptions(frame)
            case "error":
                return [_error(frame)]
        return []

    def _quote(self, quote: dict[str, Any], time: object, received_ms: int) -> list[Effect]:
        time_ms = received_ms if time is None else iso_time_of(time, "time")
        symbol = self.names.of(field_of(quote, "product_id"))
        return self._sides.quote(symbol, quote.get("best_bid"), quote.get("best_ask"), time_ms, "coinbase")

    def _advanced(self, frame: dict[str, Any], received_ms: int) -> list[Effect]:
        match frame["channel"]:
            case "heartbeats":
                return [Heartbeat()]
            case "ticker" | "ticker_batch":
                events = _objects(frame, "events")
                quotes = [quote for event in events for quote in rows_of(event, "tickers")]
                return of_each(quotes, lambda quote: self._quote(quote, frame.get("timestamp"), received_ms))
            case "subscriptions":
                bodies = [event.get("subscriptions") for event in _objects(frame, "events")]
                return [event for body in bodies if isinstance(body, dict) for event in self._subscribed(body.get("ticker", []))]
        return []

    def _subscriptions(self, frame: dict[str, Any]) -> list[Effect]:
        channels = [channel for channel in _objects(frame, "channels") if channel.get("name") == "ticker"]
        return [event for channel in channels for event in self._subscribed(channel.get("product_ids", []))]

    def _subscribed(self, names: object) -> list[Effect]:
        if not isinstance(names, list):
            raise FeedError(f"product_ids is {shown(names)}, must be a list")
        return [Subscribed(self.names.key(name)) for name in names]


def _request(kind: str, symbols: Sequence[str]) -> Send:
    return Send(json.dumps({"type": kind, "product_ids": list(symbols), "channels": ["ticker", "heartbeat"]}))


def _objects(frame: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(frame, name) if isinstance(row, dict)]


def _error(frame: dict[str, Any]) -> Event:
    reason = frame.get("reason")
    text = reason if isinstance(reason, str) else frame.get("message")
    bad = _BAD_PRODUCT(text) if isinstance(text, str) else None
    return classify_refusal(bad[1] if bad else None, text, otherwise=FAILED)

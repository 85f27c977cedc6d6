"""Coinbase's ticker, in the two forms that its feeds send.

* Exchange (wss://ws-feed.exchange.coinbase.com), which is also what is subscribed to: `{"type": "ticker", "product_id":
  "BTC-USD", "best_bid": "..", "best_ask": "..", "time": "2021-04-17T16:43:30.244075Z"}`; `subscriptions` lists all that
  is subscribed to; errors are `{"type": "error", "message": "Failed to subscribe", "reason": "XYZ-USD is not a valid
  product"}`.
* Advanced Trade: `{"channel": "ticker", "timestamp": .., "events": [{"tickers": [{"product_id", "best_bid",
  "best_ask"}]}]}`; a quote has no time of its own there, the frame's is taken.

Heartbeats are subscribed to like quotes. A quote whose side is absent or empty text is
completed with the last known one; a side of which the book has nothing is 0.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from bus.errors import FeedError
from clients.feeds.symbol_keys import SymbolKeys
from clients.feeds.venues.dialect import FAILED, Event, Heartbeat, Sides, Subscribed, refused, same_url
from clients.feeds.venues.parsing import field_of, iso_time_of, load_object, of_each, rows_of, shown

_BAD_PRODUCT = re.compile(r"([A-Za-z0-9-]{1,32}) is not a valid product").match


class Coinbase:
    """Speaks Coinbase's ticker channel; trades and books give no events."""

    own_heartbeats = True
    greets = False

    def __init__(self) -> None:
        self._sides = Sides()
        self.names = SymbolKeys()

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Return the url as it is; see `Dialect.address`."""
        return same_url(url, symbols)

    def subscribe_messages(self, symbols: Sequence[str]) -> list[str]:
        """Write one request, in the Exchange's form; see `Dialect.subscribe_messages`."""
        return [json.dumps({"type": "subscribe", "product_ids": list(symbols), "channels": ["ticker", "heartbeat"]})]

    def parse(self, message: str | bytes, received_ms: int) -> list[Event]:
        """Read one message; see `Dialect.parse`."""
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

    def _quote(self, quote: dict[str, Any], time: object, received_ms: int) -> list[Event]:
        time_ms = received_ms if time is None else iso_time_of(time, "time")
        symbol = self.names.of(field_of(quote, "product_id"))
        return self._sides.quote(symbol, quote.get("best_bid"), quote.get("best_ask"), time_ms, "coinbase")

    def _advanced(self, frame: dict[str, Any], received_ms: int) -> list[Event]:
        match frame["channel"]:
            case "heartbeats":
                return [Heartbeat()]
            case "ticker" | "ticker_batch":
                events = _objects(frame, "events")
                quotes = [quote for event in events for quote in rows_of(event, "tickers")]
                return of_each(quotes, lambda quote: self._quote(quote, frame.get("timestamp"), received_ms))
            case "subscriptions":
                told = [event.get("subscriptions") for event in _objects(frame, "events")]
                return [event for one in told if isinstance(one, dict) for event in self._subscribed(one.get("ticker", []))]
        return []

    def _subscriptions(self, frame: dict[str, Any]) -> list[Event]:
        channels = [channel for channel in _objects(frame, "channels") if channel.get("name") == "ticker"]
        return [event for channel in channels for event in self._subscribed(channel.get("product_ids", []))]

    def _subscribed(self, names: object) -> list[Event]:
        if not isinstance(names, list):
            raise FeedError(f"product_ids is {shown(names)}, must be a list")
        return [Subscribed(self.names.key(name)) for name in names]


def _objects(frame: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(frame, name) if isinstance(row, dict)]


def _error(frame: dict[str, Any]) -> Event:
    reason = frame.get("reason")
    text = reason if isinstance(reason, str) else frame.get("message")
    bad = _BAD_PRODUCT(text) if isinstance(text, str) else None
    return refused(bad[1] if bad else None, text, otherwise=FAILED)

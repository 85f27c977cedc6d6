"""Binance's best bid and ask, as its market streams send them, spot and futures.

Forms, from Binance's public documentation of its WebSocket market streams ("Individual Symbol Book Ticker Streams"):

* raw: `{"u": .., "s": "BNBUSDT", "b": "25.35190000", "B": .., "a": "25.36520000", "A": ..}`; futures add
  `"e": "bookTicker"`, `"E"` (event time) and `"T"` (transaction time), both ms since 1970 UTC.
* combined: `{"stream": "bnbusdt@bookTicker", "data": <the raw form>}`.
* answers to SUBSCRIBE and the like: `{"result": null, "id": 1}`, or `{"error": {"code": .., "msg": ..}, "id": 1}`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bus.errors import FeedError
from bus.messages import Tick
from clients.feeds.parser import load_json, price_of, shown, symbol_of, time_of


@dataclass(frozen=True, slots=True)
class BinanceParser:
    """Parses Binance's bookTicker messages; other kinds of streams give no ticks."""

    source: str = "binance"  # what the ticks name as their source

    def parse(self, message: str | bytes, received_ms: int) -> list[Tick]:
        """Read one message; see `Parser.parse`. Spot quotes carry no time and get `received_ms`."""
        event = load_json(message)
        if not isinstance(event, dict):
            raise FeedError(f"{shown(message)} is not a JSON object")
        if "stream" in event:
            kind = event["stream"]
            if not isinstance(kind, str):
                raise FeedError(f"stream is {shown(kind)}, must be text")
            if not kind.endswith("bookTicker"):
                return []
            event = event.get("data")
            if not isinstance(event, dict):
                raise FeedError(f"data of stream {shown(kind)} is {shown(event)}, must be an object")
        elif _carries_no_quote(event):
            return []
        return [self._tick(event, received_ms)]

    def _tick(self, event: dict[str, Any], received_ms: int) -> Tick:
        try:
            symbol, bid, ask = event["s"], event["b"], event["a"]
        except KeyError as missing:
            raise FeedError(f"field {missing} is missing in {shown(event)}") from None
        return Tick(
            symbol_of(symbol),
            price_of(bid, "b (bid)"),
            price_of(ask, "a (ask)"),
            _event_time(event, received_ms),
            self.source,
        )


def _event_time(event: dict[str, Any], received_ms: int) -> int:
    for name in ("E", "T"):
        if name in event:
            return time_of(event[name], name)
    return received_ms


def _carries_no_quote(event: dict[str, Any]) -> bool:
    # A refused subscription comes as an ordinary message and must surface, or the symbol stays silent for ever.
    if "error" in event or "code" in event:
        raise FeedError(f"Binance reports an error: {shown(event.get('error', event))}")
    if "e" in event:
        return bool(event["e"] != "bookTicker")
    return "result" in event or "lastUpdateId" in event  # an acknowledgement; a partial book, which has no event name


def stream_path(symbols: Iterable[str]) -> str:
    """Return the path and query that subscribe to these symbols' quotes in the combined form.

    Args:
        symbols: as Binance writes them, in any case; none for all of the venue.
    """
    streams = [f"{symbol.lower()}@bookTicker" for symbol in symbols] or ["!bookTicker"]
    return "/stream?streams=" + "/".join(streams)

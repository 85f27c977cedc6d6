"""Binance's best bid and ask, from its market streams, spot and futures.

Formats, from Binance's public documentation of its WebSocket market streams ("Individual Symbol Book Ticker Streams"):

* addresses: `wss://stream.binance.com:9443/ws` for spot; for USD-M futures `wss://fstream.binance.com/public/ws`, or
  `/public/stream` for the combined format: the paths without `/public` were retired on 2026-04-23. There is no stream of
  all symbols any longer: `!bookTicker` was removed from spot in December 2022.
* raw: `{"u": .., "s": "BNBUSDT", "b": "25.35190000", "B": .., "a": "25.36520000", "A": ..}`; futures add
  `"e": "bookTicker"`, `"E"` (event time) and `"T"` (transaction time), both ms since 1970 UTC.
* combined: `{"stream": "bnbusdt@bookTicker", "data": <the raw form>}`.
* `{"method": "SUBSCRIBE", "params": ["bnbusdt@bookTicker"], "id": 1}` is answered with `{"result": null, "id": 1}`, or with
  `{"error": {"code": .., "msg": ..}, "id": 1}`. An unknown symbol is accepted as well, and brings no quotes.
* An empty side is written as 0. Several of these objects may come in a list.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Send, Subscribed, classify_refusal
from hulak.clients.feeds.venues.parsing import field_of, load_objects, of_each, price_of, shown, time_of

SOURCES = {"fstream.binance.com": "binance-futures", "dstream.binance.com": "binance-coin"}  # BTCUSDT is on spot and on futures
RETIRED = ("/ws", "/stream")  # paths of the futures' host


class Binance(BaseDialect):
    """Binance's bookTicker streams; other streams give no events.

    Args:
        source: the source in the ticks.
    """

    own_heartbeats = False

    def __init__(self, source: str = "binance") -> None:
        super().__init__()
        self.source = source
        self._ids = count(1)
        self._asked: dict[int, list[str]] = {}  # id of an unanswered request -> its symbols

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Check and return the url; see `Dialect.address`.

        Raises:
            FeedError: the venue sends nothing at this url.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host == "fstream.binance.com" and parts.path.startswith(RETIRED):
            raise FeedError(f"url {url!r}: {parts.path} of {host} was retired in April 2026; use /public{parts.path}")
        if "!bookTicker" in url and host.endswith("binance.com"):
            raise FeedError("Binance has removed the stream !bookTicker; use the streams of single symbols")
        self.source = SOURCES.get(host, self.source)
        return super().address(url, symbols)

    def selects(self, url: str) -> bool:
        """Return whether the url names streams; see `Dialect.selects`."""
        return "bookTicker" in url

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.subscribe`."""
        number = next(self._ids)
        self._asked[number] = list(symbols)
        return [self._request("SUBSCRIBE", symbols, number)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [self._request("UNSUBSCRIBE", symbols, next(self._ids))]

    def _request(self, method: str, symbols: Sequence[str], number: int) -> Send:
        request = {"method": method, "params": [_stream(symbol) for symbol in symbols], "id": number}
        return Send(json.dumps(request, ensure_ascii=False, separators=(",", ":")))

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`. Spot quotes carry no time and get `received_ms`."""
        return of_each(load_objects(message), lambda event: self._event(event, received_ms))

    def _event(self, event: dict[str, Any], received_ms: int) -> list[Effect]:
        if "stream" in event:
            stream = event["stream"]
            if not isinstance(stream, str):
                raise FeedError(f"stream is {shown(stream)}, must be text")
            if not stream.endswith("bookTicker"):
                return []
            data = event.get("data")
            if not isinstance(data, dict):
                raise FeedError(f"data of stream {shown(stream)} is {shown(data)}, must be an object")
            event = data
        elif "error" in event or "code" in event:
            return self._refused(event)
        elif "result" in event:
            return [Subscribed(self.names.key(symbol)) for symbol in self._answered(event)]
        elif event.get("e", "bookTicker") != "bookTicker" or "lastUpdateId" in event:
            return []  # another stream; a partial book, which has no `e`
        return [self._tick(event, received_ms)]

    def _tick(self, event: dict[str, Any], received_ms: int) -> Tick:
        symbol, bid, ask = (field_of(event, name) for name in "sba")
        time_ms = next((time_of(event[name], name) for name in ("E", "T") if name in event), received_ms)
        sides = price_of(bid, "b (bid)") or None, price_of(ask, "a (ask)") or None
        return Tick(self.names.of(symbol), *sides, time_ms, self.source)

    def _refused(self, event: dict[str, Any]) -> list[Effect]:
        error = event.get("error", event)
        text = error.get("msg") if isinstance(error, dict) else error
        symbols: list[str | None] = [*self._answered(event)] or [None]
        return [classify_refusal(symbol, text, otherwise=FAILED) for symbol in symbols]

    def _answered(self, event: dict[str, Any]) -> list[str]:
        number = event.get("id")
        return self._asked.pop(number, []) if isinstance(number, int) else []


def _stream(symbol: str) -> str:
    return f"{symbol.lower()}@bookTicker"

"""Binance's best bid and ask, as its market streams send them, spot and futures.

Forms, from Binance's public documentation of its WebSocket market streams ("Individual Symbol Book Ticker Streams"):

* raw: `{"u": .., "s": "BNBUSDT", "b": "25.35190000", "B": .., "a": "25.36520000", "A": ..}`; futures add
  `"e": "bookTicker"`, `"E"` (event time) and `"T"` (transaction time), both ms since 1970 UTC.
* combined: `{"stream": "bnbusdt@bookTicker", "data": <the raw form>}`.
* `{"method": "SUBSCRIBE", "params": ["bnbusdt@bookTicker"], "id": 1}` is answered with `{"result": null, "id": 1}`, or with
  `{"error": {"code": .., "msg": ..}, "id": 1}`. A symbol that there is not is taken as well, and stays silent.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bus.errors import FeedError
from bus.messages import Tick
from clients.feeds.events import FAILED, Event, Subscribed, refused, same_url
from clients.feeds.parser import canonical_symbol, field_of, load_object, price_of, shown, symbol_of, time_of


class Binance:
    """Speaks Binance's bookTicker streams; other kinds of streams give no events.

    Args:
        source: what the ticks name as their source.
    """

    own_heartbeats = False
    greets = False

    def __init__(self, source: str = "binance") -> None:
        self.source = source
        self._asked: dict[int, list[str]] = {}  # id of a request that is not answered yet -> its symbols

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Return the url as it is; see `Dialect.address`."""
        return same_url(url, symbols)

    def subscribe_messages(self, symbols: Sequence[str]) -> list[str]:
        """Write one request for all these symbols; see `Dialect.subscribe_messages`."""
        number = max(self._asked, default=0) + 1
        self._asked[number] = list(symbols)
        streams = ",".join(f'"{symbol.lower()}@bookTicker"' for symbol in symbols)
        return [f'{{"method":"SUBSCRIBE","params":[{streams}],"id":{number}}}']

    def parse(self, message: str | bytes, received_ms: int) -> list[Event]:
        """Read one message; see `Dialect.parse`. Spot quotes carry no time and get `received_ms`."""
        event = load_object(message)
        if "stream" in event:
            kind = event["stream"]
            if not isinstance(kind, str):
                raise FeedError(f"stream is {shown(kind)}, must be text")
            if not kind.endswith("bookTicker"):
                return []
            data = event.get("data")
            if not isinstance(data, dict):
                raise FeedError(f"data of stream {shown(kind)} is {shown(data)}, must be an object")
            event = data
        elif "error" in event or "code" in event:
            return self._refused(event)
        elif "result" in event:
            return [Subscribed(canonical_symbol(symbol)) for symbol in self._answered(event)]
        elif event.get("e", "bookTicker") != "bookTicker" or "lastUpdateId" in event:
            return []  # another kind of stream; a partial book, which has no name
        return [self._tick(event, received_ms)]

    def _tick(self, event: dict[str, Any], received_ms: int) -> Tick:
        symbol, bid, ask = (field_of(event, name) for name in "sba")
        time_ms = next((time_of(event[name], name) for name in ("E", "T") if name in event), received_ms)
        return Tick(symbol_of(symbol), price_of(bid, "b (bid)"), price_of(ask, "a (ask)"), time_ms, self.source)

    def _refused(self, event: dict[str, Any]) -> list[Event]:
        error = event.get("error", event)
        text = error.get("msg") if isinstance(error, dict) else error
        symbols: list[str | None] = [*self._answered(event)] or [None]
        return [refused(symbol, text, otherwise=FAILED) for symbol in symbols]

    def _answered(self, event: dict[str, Any]) -> list[str]:
        number = event.get("id")
        return self._asked.pop(number, []) if isinstance(number, int) else []


def stream_path(symbols: Iterable[str]) -> str:
    """Return the path and query that subscribe to these symbols' quotes in the combined form.

    Args:
        symbols: as Binance writes them, in any case; none for all of the venue.
    """
    streams = [f"{symbol.lower()}@bookTicker" for symbol in symbols] or ["!bookTicker"]
    return "/stream?streams=" + "/".join(streams)

"""Bitget's best bid and ask, from the channel `books1` of its public WebSocket (version 2).

From Bitget's public documentation of its WebSocket ("Depth Channel"):

* One address, `wss://ws.bitget.com/v2/ws/public`, has all products; each argument names its product: `{"op": "subscribe",
  "args": [{"instType": "SPOT", "channel": "books1", "instId": "BTCUSDT"}]}`. Another product than SPOT is given here in the
  url, as `?instType=USDT-FUTURES`: BTCUSDT is on both, as two instruments.
* Each argument is answered with `{"event": "subscribe", "arg": {..}}`, or `{"event": "error", "arg": {..}, "code": 30001,
  "msg": "instType:SPOT,channel:books1,instId:X doesn't exist"}`.
* `{"action": "snapshot", "arg": {..}, "data": [{"asks": [["81234.6", "0.41"]], "bids": [..], "seq": .., "ts":
  "1793491200012"}]}`: each message is the whole top of the book, also with the action `update`; a side may be [].
* The client sends the text `ping` every 30 s, which is answered with the text `pong`, or the venue closes the connection. It
  also closes one that sends more than 10 messages a second.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Heartbeat, Send, Subscribed, Timer, classify_refusal
from hulak.clients.feeds.venues.levels import best_ask, best_bid
from hulak.clients.feeds.venues.parsing import field_of, load_object, of_each, rows_of, shown, time_of, time_text_of

CHANNEL, PARAMETER, SPOT = "books1", "instType", "SPOT"
PRODUCTS = (SPOT, "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES")
PONGS = ("pong", b"pong")


class Bitget(BaseDialect):
    """The channel `books1` of one product; other channels give no events."""

    timers: tuple[Timer, ...] = (Timer("ping", 20.0),)

    def __init__(self) -> None:
        super().__init__()
        self.product = SPOT
        self.source = "bitget"

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Take the product from the url, and return the venue's own url; see `Dialect.address`.

        Raises:
            FeedError: the product is unknown.
        """
        del symbols
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
        self.product = next((value for name, value in query if name == PARAMETER), SPOT)
        if self.product not in PRODUCTS:
            raise FeedError(f"{PARAMETER} is {shown(self.product)}, must be one of {', '.join(PRODUCTS)}")
        self.source = "bitget" if self.product == SPOT else f"bitget-{self.product.lower()}"
        return parts._replace(query=urlencode([(name, value) for name, value in query if name != PARAMETER])).geturl()

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.subscribe`."""
        return [self._request("subscribe", symbols)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [self._request("unsubscribe", symbols)]

    def _request(self, op: str, symbols: Sequence[str]) -> Send:
        wanted = [{PARAMETER: self.product, "channel": CHANNEL, "instId": symbol} for symbol in symbols]
        return Send(json.dumps({"op": op, "args": wanted}))

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        del received_ms
        if message in PONGS:
            return [Heartbeat()]
        frame = load_object(message)
        argument = frame.get("arg")
        if frame.get("event") == "error":
            raw = argument.get("instId") if isinstance(argument, dict) else None
            return [classify_refusal(raw, frame.get("msg"), frame.get("code"), otherwise=FAILED)]
        if not isinstance(argument, dict):
            raise FeedError(f"arg is {shown(argument)}, must be an object")
        if argument.get("channel") != CHANNEL or argument.get(PARAMETER) != self.product:
            return []
        if "event" in frame:
            return [Subscribed(self.names.key(field_of(argument, "instId")))] if frame["event"] == "subscribe" else []
        symbol = self.names.of(field_of(argument, "instId"))
        return of_each(rows_of(frame, "data"), lambda book: self._quote(symbol, book))

    def _quote(self, symbol: str, book: dict[str, Any]) -> list[Effect]:
        time_ms = time_of(time_text_of(field_of(book, "ts"), "ts"), "ts")
        return self._sides.quote(symbol, best_bid(book), best_ask(book), time_ms, self.source)

"""OKX's best bid and ask, from the channel `bbo-tbt` of its public WebSocket (version 5).

From OKX's public documentation of its WebSocket ("Order book channel") and public fixtures of its messages:

* `{"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-USDT"}]}` is answered once for each argument, with
  `{"event": "subscribe", "arg": {..}}` or `{"event": "error", "code": "60018", "msg": "Wrong URL or channel:bbo-tbt,instId:X
  doesn't exist."}`. A connection may send 480 such requests an hour, so that one request has all symbols of a group.
* `{"arg": {..}, "data": [{"asks": [["81234.6", "0.41", "0", "3"]], "bids": [..], "ts": "1793491200012", "seqId": ..}]}`: each
  message is the whole top of the book. A level is price, size, a former field, orders; a side may be []. The sizes of swaps are
  contracts.
* The venue closes a connection that has had no message for 30 s. The client sends the text `ping`, which is answered with the
  text `pong`; pings of the WebSocket do not count.
* `{"event": "notice", "code": "64008"}`: the connection will soon be closed for a change of the service.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import (
    FAILED,
    LONGEST_TEXT,
    BaseDialect,
    Effect,
    Heartbeat,
    Reconnect,
    Send,
    Subscribed,
    Timer,
    classify_refusal,
)
from hulak.clients.feeds.venues.levels import best_ask, best_bid
from hulak.clients.feeds.venues.parsing import field_of, load_object, of_each, rows_of, shown, time_of, time_text_of

CHANNEL = "bbo-tbt"
PONGS = ("pong", b"pong")
_REFUSED = re.compile(r"instId:(\S{1,64}?)(?: doesn|,|$)").search


class Okx(BaseDialect):
    """The channel `bbo-tbt`; other channels give no events."""

    timers: tuple[Timer, ...] = (Timer("ping", 20.0),)

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.subscribe`."""
        return [_request("subscribe", symbols)]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for all these symbols; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [_request("unsubscribe", symbols)]

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        del received_ms
        if message in PONGS:
            return [Heartbeat()]
        frame = load_object(message)
        if "event" in frame:
            return self._answer(frame)
        argument = _argument(frame)
        if argument.get("channel") != CHANNEL:
            return []
        symbol = self.names.of(field_of(argument, "instId"))
        return of_each(rows_of(frame, "data"), lambda book: self._quote(symbol, book))

    def _quote(self, symbol: str, book: dict[str, Any]) -> list[Effect]:
        time_ms = time_of(time_text_of(field_of(book, "ts"), "ts"), "ts")
        return self._sides.quote(symbol, best_bid(book), best_ask(book), time_ms, "okx")

    def _answer(self, frame: dict[str, Any]) -> list[Effect]:
        text = frame.get("msg")
        match frame["event"]:
            case "subscribe":
                return [Subscribed(self.names.key(field_of(_argument(frame), "instId")))]
            case "error":
                named = _REFUSED(text) if isinstance(text, str) else None
                return [classify_refusal(named[1] if named else None, text, frame.get("code"), otherwise=FAILED)]
            case "notice":
                return [Reconnect(f"the venue will close it: {text if isinstance(text, str) else shown(text)}"[:LONGEST_TEXT])]
        return []


def _argument(frame: dict[str, Any]) -> dict[str, Any]:
    argument = field_of(frame, "arg")
    if not isinstance(argument, dict):
        raise FeedError(f"arg is {shown(argument)}, must be an object")
    return argument


def _request(op: str, symbols: Sequence[str]) -> Send:
    return Send(json.dumps({"op": op, "args": [{"channel": CHANNEL, "instId": symbol} for symbol in symbols]}))

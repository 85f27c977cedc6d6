"""Bybit's best bid and ask, from the public WebSocket of its API version 5: `orderbook.1`, of options `tickers`.

From Bybit's public documentation ("Orderbook", "Ticker", "Connect") and public fixtures of its messages:

* Each category has an address, `wss://stream.bybit.com/v5/public/{spot|linear|inverse|option}`: BTCUSDT of spot and of linear
  are two instruments of one name. The ticks' source is `bybit`, `bybit-linear`, `bybit-inverse` or `bybit-option`.
* `{"op": "subscribe", "req_id": "1", "args": ["orderbook.1.BTCUSDT"]}` is answered with `{"success": true, "op": "subscribe",
  "req_id": "1"}`, or with success false and `"ret_msg": "error:handler not found,topic:orderbook.1.X"`. One bad topic refuses a
  whole request, so that each symbol has a request. Options are answered with `"type": "COMMAND_RESP"` and lists of topics.
* `{"topic": "orderbook.1.BTCUSDT", "type": "snapshot" | "delta", "ts": .., "cts": .., "data": {"s": .., "b": [["81234.50",
  "1.25"]], "a": [..], "u": .., "seq": ..}}`: in a delta a side of [] is unchanged and a size of 0 removes a level; in a
  snapshot [] is an empty side. `cts` is the time of the matching engine, `ts` that of the message. A snapshot comes again after
  3 s.
* `tickers` of options have `bidPrice` and `askPrice`, 0 if there is none; those of futures `bid1Price` and `ask1Price`, in a
  delta only if changed; those of spot have neither.
* The client sends `{"op": "ping"}` every 20 s, or the venue closes. The answer is `"op": "ping"` with `"ret_msg": "pong"`, of
  options `"op": "pong"`.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import FAILED, BaseDialect, Effect, Heartbeat, Send, Subscribed, Timer, classify_refusal
from hulak.clients.feeds.venues.levels import best_ask, best_bid
from hulak.clients.feeds.venues.parsing import field_of, load_object, shown, time_of

BOOK, TICKERS = "orderbook.1.", "tickers."
CATEGORIES = ("linear", "inverse", "option")  # other than spot
MOST_ASKED = 10_000  # requests whose answers are waited for


class Bybit(BaseDialect):
    """One category: the best level of each book, and tickers; other topics give no events."""

    timers: tuple[Timer, ...] = (Timer('{"op": "ping"}', 20.0),)

    def __init__(self) -> None:
        super().__init__()
        self.source = "bybit"
        self._stream = BOOK
        self._ids = count(1)
        self._asked: dict[str, str] = {}  # req_id -> symbol

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Take the category from the url; see `Dialect.address`."""
        category = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        self.source = f"bybit-{category}" if category in CATEGORIES else "bybit"
        self._stream = TICKERS if category == "option" else BOOK
        return super().address(url, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each symbol; see `Dialect.subscribe`."""
        return [self._request("subscribe", symbol) for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each symbol; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [self._request("unsubscribe", symbol) for symbol in symbols]

    def _request(self, op: str, symbol: str) -> Send:
        number = str(next(self._ids))
        if op == "subscribe" and len(self._asked) < MOST_ASKED:
            self._asked[number] = symbol
        return Send(json.dumps({"op": op, "req_id": number, "args": [self._stream + symbol]}))

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        del received_ms
        frame = load_object(message)
        if "topic" not in frame:
            return self._answer(frame)
        topic, data = frame["topic"], field_of(frame, "data")
        if not isinstance(topic, str):
            raise FeedError(f"topic is {shown(topic)}, must be text")
        if not topic.startswith((BOOK, TICKERS)):
            return []
        if not isinstance(data, dict):
            raise FeedError(f"data of {shown(topic)} is {shown(data)}, must be an object")
        kind = field_of(frame, "type")
        if kind not in ("snapshot", "delta"):
            raise FeedError(f"type of {shown(topic)} is {shown(kind)}, must be snapshot or delta")
        time_ms = time_of(frame.get("cts", frame.get("ts")), "cts")
        return self._book(data, time_ms, kind == "delta") if topic.startswith(BOOK) else self._ticker(data, time_ms)

    def _book(self, data: dict[str, Any], time_ms: int, is_delta: bool) -> list[Effect]:
        symbol = self.names.of(field_of(data, "s"))
        bid, ask = best_bid(data, "b", is_delta=is_delta), best_ask(data, "a", is_delta=is_delta)
        return self._quote(symbol, bid, ask, time_ms)

    def _ticker(self, data: dict[str, Any], time_ms: int) -> list[Effect]:
        symbol = self.names.of(field_of(data, "symbol"))
        bid, ask = (data.get(f"{side}1Price", data.get(f"{side}Price")) for side in ("bid", "ask"))
        return self._quote(symbol, bid, ask, time_ms)

    def _quote(self, symbol: str, bid: object, ask: object, time_ms: int) -> list[Effect]:
        if bid in (None, "") and ask in (None, ""):  # a delta of other fields
            return []
        return self._sides.quote(symbol, bid, ask, time_ms, self.source)

    def _answer(self, frame: dict[str, Any]) -> list[Effect]:
        if frame.get("type") == "COMMAND_RESP":
            return self._answer_of_options(frame)
        match field_of(frame, "op"):
            case "ping" | "pong":
                return [Heartbeat()]
            case "subscribe":
                number, text = frame.get("req_id"), frame.get("ret_msg")
                symbol = self._asked.pop(number, None) if isinstance(number, str) else None
                if frame.get("success") is not True:
                    return [classify_refusal(symbol or _named(text), text, otherwise=FAILED)]
                return [Subscribed(self.names.key(symbol))] if symbol else []
        return []

    def _answer_of_options(self, frame: dict[str, Any]) -> list[Effect]:
        data = field_of(frame, "data")
        if not isinstance(data, dict):
            raise FeedError(f"data is {shown(data)}, must be an object")
        taken, failed = (data.get(name) or [] for name in ("successTopics", "failTopics"))
        if not isinstance(taken, list) or not isinstance(failed, list):
            raise FeedError(f"data is {shown(data)}, must be two lists of topics")
        text = frame.get("ret_msg") or "the venue refused this topic"
        effects: list[Effect] = [Subscribed(self.names.key(symbol)) for symbol in filter(None, map(_of_topic, taken))]
        return effects + [classify_refusal(_of_topic(topic), text, otherwise=FAILED) for topic in failed]


def _of_topic(topic: object) -> str | None:
    for stream in (BOOK, TICKERS):
        if isinstance(topic, str) and topic.startswith(stream):
            return topic.removeprefix(stream)
    return None


def _named(text: object) -> str | None:
    return _of_topic(text.rpartition("topic:")[2]) if isinstance(text, str) else None

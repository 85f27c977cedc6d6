"""The server sides of OKX, Bybit, Bitget, Hyperliquid and Deribit: subscriptions, replies, pings and quotes. Pure.

Each speaks the part of its venue's protocol that `clients.feeds.venues` uses, in the venue's own form, with the symbols of the
simulated market. A request for another symbol is refused as the venue refuses it: OKX and Bitget by an error that names it, Bybit
by an error that refuses the whole request, Hyperliquid by a text, Deribit by leaving it out of its answer.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from hulak.sim.fx_market import Quote
from hulak.sim.venue_forms import Form

SIZE = "1.5"


class CryptoClient(ABC):
    """A connection with one of these protocols.

    Args:
        known: the known symbols.
    """

    form: ClassVar[Form]

    def __init__(self, known: Iterable[str]) -> None:
        self.known = frozenset(known)
        self.symbols: set[str] = set()  # subscribed

    def stream_of(self, symbol: str) -> str | None:
        """Return the symbol if the client subscribes to it, else None."""
        return symbol if symbol in self.symbols else None

    def greeting(self) -> list[str]:
        """Return the first messages to a client."""
        return []

    def heartbeat(self, time_ms: int) -> list[str]:
        """Return what the venue sends regularly."""
        del time_ms
        return []

    def receive(self, message: str | bytes) -> list[str]:
        """Handle a request; return the replies."""
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            return self.receive_text(str(message))
        return [compact(reply) for reply in self.answers(request)] if isinstance(request, dict) else []

    def receive_text(self, text: str) -> list[str]:
        """Handle a message that is no JSON; return the replies."""
        return ["pong"] if text == "ping" else []

    @abstractmethod
    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Return the replies to a request."""

    @abstractmethod
    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; arguments: see `sim.venue_streams.encode_quote`."""

    def take(self, name: object, *, subscribe: bool) -> bool:
        """Subscribe to a symbol, or end it; returns whether the symbol is known."""
        if name not in self.known:
            return False
        (self.symbols.add if subscribe else self.symbols.discard)(str(name))
        return True


class OkxClient(CryptoClient):
    """OKX, channel `bbo-tbt`."""

    form = Form.OKX
    channel = "bbo-tbt"

    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Answer each argument."""
        op = request.get("op")
        return [self._answer(op, wanted) for wanted in _list(request, "args")] if op in ("subscribe", "unsubscribe") else []

    def _answer(self, op: Any, wanted: Any) -> Any:
        name = wanted.get("instId") if isinstance(wanted, dict) else None
        if self.take(name, subscribe=op == "subscribe"):
            return {"event": op, "arg": wanted, "connId": "sim"}
        return self.refusal(wanted, name)

    def refusal(self, wanted: Any, name: Any) -> Any:
        """Return the error for an unknown symbol."""
        del wanted
        text = f"Wrong URL or channel:{self.channel},instId:{name} doesn't exist."
        return {"event": "error", "code": "60018", "msg": text, "connId": "sim"}

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        bid, ask = _prices(quote)
        book = {"asks": [[ask, SIZE, "0", "2"]], "bids": [[bid, SIZE, "0", "3"]], "ts": str(time_ms), "seqId": number}
        return compact({"arg": {"channel": self.channel, "instId": quote.symbol}, "data": [book]})


class BitgetClient(OkxClient):
    """Bitget, channel `books1` of spot."""

    form = Form.BITGET
    channel = "books1"

    def refusal(self, wanted: Any, name: Any) -> Any:
        """Return the error for an unknown symbol."""
        text = f"instType:SPOT,channel:{self.channel},instId:{name} doesn't exist"
        return {"event": "error", "arg": wanted, "code": 30001, "msg": text, "op": "subscribe"}

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        bid, ask = _prices(quote)
        book = {"asks": [[ask, SIZE]], "bids": [[bid, SIZE]], "checksum": 0, "seq": number, "ts": str(time_ms)}
        argument = {"instType": "SPOT", "channel": self.channel, "instId": quote.symbol}
        return compact({"action": "snapshot", "arg": argument, "data": [book], "ts": time_ms})


class BybitClient(CryptoClient):
    """Bybit, `orderbook.1` of spot."""

    form = Form.BYBIT
    stream = "orderbook.1."

    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Answer a request as a whole."""
        op, number = request.get("op"), request.get("req_id")
        if op == "ping":
            return [{"success": True, "ret_msg": "pong", "conn_id": "sim", "req_id": number, "op": "ping"}]
        topics = [str(topic) for topic in _list(request, "args")]
        unknown = [topic for topic in topics if topic.removeprefix(self.stream) not in self.known]
        if unknown:
            text = f"error:handler not found,topic:{unknown[0]}"
            return [{"success": False, "ret_msg": text, "conn_id": "sim", "req_id": number, "op": op}]
        for topic in topics:
            self.take(topic.removeprefix(self.stream), subscribe=op == "subscribe")
        return [{"success": True, "ret_msg": "", "conn_id": "sim", "req_id": number, "op": op}]

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        bid, ask = _prices(quote)
        data = {"s": quote.symbol, "b": [[bid, SIZE]], "a": [[ask, SIZE]], "u": number, "seq": number}
        return compact({"topic": self.stream + quote.symbol, "ts": time_ms, "type": "snapshot", "data": data, "cts": time_ms})


class HyperliquidClient(CryptoClient):
    """Hyperliquid, subscription `bbo`."""

    form = Form.HYPERLIQUID

    def greeting(self) -> list[str]:
        """Return the text that a new connection gets."""
        return ["Websocket connection established."]

    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Answer a request."""
        method, wanted = request.get("method"), request.get("subscription")
        if method == "ping":
            return [{"channel": "pong"}]
        if not isinstance(wanted, dict) or not self.take(wanted.get("coin"), subscribe=method == "subscribe"):
            return [{"channel": "error", "data": f"Invalid subscription {compact(wanted)}"}]
        return [{"channel": "subscriptionResponse", "data": {"method": method, "subscription": wanted}}]

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        levels = [{"px": price, "sz": SIZE, "n": 1 + number % 5} for price in _prices(quote)]
        return compact({"channel": "bbo", "data": {"coin": quote.symbol, "time": time_ms, "bbo": levels}})


class DeribitClient(CryptoClient):
    """Deribit, channels `quote.*`; every heartbeat is a `test_request`, and a client that does not answer is closed."""

    form = Form.DERIBIT

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(known)
        self.has_heartbeats = False

    def answers(self, request: dict[str, Any]) -> list[Any]:
        """Answer a request."""
        method, params = request.get("method"), request.get("params", {})
        result: Any = {"version": "sim"}
        if method == "public/set_heartbeat":
            self.has_heartbeats, result = True, "ok"
        elif method in ("public/subscribe", "public/unsubscribe"):
            channels = _list(params, "channels")
            is_start = method == "public/subscribe"
            result = [name for name in channels if self.take(str(name).removeprefix("quote."), subscribe=is_start)]
        return [{"jsonrpc": "2.0", "id": request.get("id"), "result": result, "testnet": True}]

    def heartbeat(self, time_ms: int) -> list[str]:
        """Return a heartbeat that wants an answer."""
        del time_ms
        request = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        return [compact(request)] if self.has_heartbeats else []

    def quote(self, quote: Quote, number: int, time_ms: int) -> str:
        """Encode a quote; see `CryptoClient.quote`."""
        data = {"timestamp": time_ms, "instrument_name": quote.symbol, "best_bid_price": quote.bid, "best_bid_amount": number % 9}
        params = {"channel": f"quote.{quote.symbol}", "data": {**data, "best_ask_price": quote.ask, "best_ask_amount": 1.0}}
        return compact({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _list(values: Any, name: str) -> list[Any]:
    items = values.get(name) if isinstance(values, dict) else None
    return items if isinstance(items, list) else []


def _prices(quote: Quote) -> tuple[str, str]:
    return f"{quote.bid:.{quote.digits}f}", f"{quote.ask:.{quote.digits}f}"


def compact(value: object) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))

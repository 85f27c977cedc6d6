"""The server side of the FX backend's protocol: subscriptions of a connection, replies, and the format of quotes. Pure.

A new client gets `status` and `ready`. The reply to `get_symbol_data_package`, which subscribes, is `symbolDataPackage`, or an
`error` with the code SYMBOL_NOT_FOUND; `unsubscribe` has no reply. Subscribers get ticks; all clients get heartbeats.
"""

import json
from collections.abc import Iterable
from typing import Any

from hulak.sim.fx_market import Quote
from hulak.sim.venue_forms import Form

SOURCE = "ctrader"
MOST_SYMBOLS = 1024  # per connection


class FxClient:
    """A connection with the FX backend's protocol.

    Args:
        known: the known symbols; the reply for others is SYMBOL_NOT_FOUND.
    """

    form = Form.FX

    def __init__(self, known: Iterable[str]) -> None:
        self.known = frozenset(known)
        self.symbols: set[str] = set()  # subscribed

    def stream_of(self, symbol: str) -> str | None:
        """Return the symbol if the client subscribes to it, else None."""
        return symbol if symbol in self.symbols else None

    def greeting(self) -> list[str]:
        """Return the first messages to a client: `status` and `ready`."""
        listed = {"availableSymbols": sorted(self.known), "symbol": "system"}
        return [_compact({"type": "status", "status": "connected", **listed}), _compact({"type": "ready", **listed})]

    def receive(self, message: str | bytes) -> str | None:
        """Handle a request; return the reply, or None."""
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            return _error(None, None, "Invalid JSON")
        if not isinstance(request, dict):
            return _error(None, None, "Invalid message format")
        match request.get("type"):
            case "get_symbol_data_package":
                return self._package(request.get("symbol"))
            case "unsubscribe":
                symbols = request.get("symbols")
                self.symbols -= {name for name in symbols if isinstance(name, str)} if isinstance(symbols, list) else set()
                return None
        return _error(None, None, f"Unknown message type: {str(request.get('type'))[:40]}")

    def _package(self, symbol: Any) -> str:
        if not isinstance(symbol, str) or not 0 < len(symbol) <= 64:
            return _error("INVALID_SYMBOL", str(symbol)[:64], f"Invalid symbol: {str(symbol)[:64]}")
        if symbol not in self.known or len(self.symbols) >= MOST_SYMBOLS:
            return _error("SYMBOL_NOT_FOUND", symbol, f"Failed to get data for {symbol}: Symbol not found")
        self.symbols.add(symbol)
        digits = 3 if symbol.endswith("JPY") else 5
        pip = {"pipPosition": digits - 1, "pipSize": 10.0 ** (1 - digits), "pipetteSize": 10.0**-digits}
        return _compact({"type": "symbolDataPackage", "source": SOURCE, "symbol": symbol, "digits": digits, **pip})


def encode_tick(quote: Quote, time_ms: int) -> str:
    """Encode a quote as a tick; `time_ms` is the time of the quote, ms since 1970 UTC."""
    bid, ask = f"{quote.bid:.{quote.digits}f}", f"{quote.ask:.{quote.digits}f}"
    head = f'{{"type":"tick","source":"{SOURCE}","v":"1.0.0","symbol":"{quote.symbol}","bid":{bid},"ask":{ask}'
    return f'{head},"price":{(quote.bid + quote.ask) / 2:.{quote.digits + 1}f},"timestamp":{time_ms},"receivedAt":{time_ms}}}'


def encode_heartbeat(time_ms: int) -> str:
    """Encode a heartbeat."""
    return f'{{"type":"heartbeat","timestamp":{time_ms},"symbol":"system"}}'


def _error(code: str | None, symbol: str | None, text: str) -> str:
    coded = {"code": code} if code else {}
    return _compact({"type": "error", **coded, "message": text, "symbol": symbol or "system", "source": SOURCE})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))

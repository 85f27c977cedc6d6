"""The FX backend's own protocol: JSON over a WebSocket, objects with a `type`, in both directions.

One request subscribes to a symbol and asks for its figures, `get_symbol_data_package`, answered with
`symbolDataPackage` or with `{"type": "error", "code": "SYMBOL_NOT_FOUND", "message": .., "symbol": ..}`; then `tick`
messages follow. `ready` (first generation: a `status` of "connected") means that requests are accepted; `heartbeat` comes
every 15 s. A tick may have one side only, it is completed with the last known other side. TradingView's ticks have only
a `price`: it is used for both sides, and the tick is flagged as locked.

Its names have suffixes of contracts and venues, which are dropped: `USD/JPY.P` is USDJPY, `US500.MAY25` US500.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from hulak.clients.feeds.symbol_keys import SymbolKeys, without_suffix
from hulak.clients.feeds.venues.dialect import (
    BaseDialect,
    Effect,
    Heartbeat,
    Ready,
    Send,
    Subscribed,
    SymbolError,
    classify_refusal,
)
from hulak.clients.feeds.venues.parsing import field_of, load_object, time_of

ADR_DAYS = 14  # days of the average daily range in the package; the backend's own default
_SOURCE = re.compile(r"[a-z0-9-]{1,32}").fullmatch


class FxBackend(BaseDialect):
    """The FX backend's protocol; profiles, candles and averages give no events.

    Args:
        upstream: the backend's source to subscribe to, "ctrader" or "tradingview".
    """

    greets = True

    def __init__(self, upstream: str = "ctrader") -> None:
        super().__init__(SymbolKeys(decorated=True))
        self.upstream = upstream

    def subscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request for each symbol; see `Dialect.subscribe`."""
        common = {"type": "get_symbol_data_package", "adrLookbackDays": ADR_DAYS, "source": self.upstream}
        return [Send(json.dumps({**common, "symbol": symbol})) for symbol in symbols]

    def unsubscribe(self, symbols: Sequence[str]) -> list[Effect]:
        """Make one request; see `Dialect.unsubscribe`."""
        self.forget(symbols)
        return [Send(json.dumps({"type": "unsubscribe", "symbols": list(symbols)}))]

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`. Ticks name their upstream as source, e.g. "ctrader", else "fx"."""
        frame = load_object(message)
        events: list[Effect] = []
        match field_of(frame, "type"):
            case "tick":
                events = self._quote(frame, received_ms)
            case "heartbeat":
                events = [Heartbeat()]
            case "symbolDataPackage":
                events = [Subscribed(self.names.key(field_of(frame, "symbol")))]
            case "error":
                symbol = frame.get("symbol")
                raw = None if symbol == "system" or not isinstance(symbol, str) else without_suffix(symbol)
                events = [classify_refusal(raw, frame.get("message"), frame.get("code"))]
            case "ready":
                events = [Ready()]
            case "status":
                events = _status(frame)
        return events

    def _quote(self, frame: dict[str, Any], received_ms: int) -> list[Effect]:
        symbol, timestamp, source = self.names.of(field_of(frame, "symbol")), frame.get("timestamp"), frame.get("source")
        time_ms = received_ms if timestamp is None else time_of(timestamp, "timestamp")
        bid, ask = frame.get("bid"), frame.get("ask")
        if bid is None and ask is None:
            bid = ask = frame.get("price")
        name = source if isinstance(source, str) and _SOURCE(source) else "fx"
        return self._sides.quote(symbol, bid, ask, time_ms, name)


def _status(frame: dict[str, Any]) -> list[Effect]:
    status = frame.get("status")
    if status == "connected":
        return [Ready()]
    # The backend is alive, but has lost its source: reported to the operator, not treated as silence.
    error = classify_refusal(None, frame.get("message") or f"the backend's upstream is {str(status)[:40]}")
    return [error] if isinstance(error, SymbolError) else []

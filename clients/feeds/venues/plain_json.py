"""The plain form for venues of one's own: one JSON object per message, or a list of them.

`{"symbol": "EURUSD", "bid": 1.0857, "ask": 1.0858, "timestamp": 1701234567890}`; prices are numbers or decimal text. One of them
may be null and is then the last known one; one that is 0 says that this side of the book is empty. The timestamp (ms since 1970
UTC; s, us and ns are told apart by their size) may be absent or null, unknown fields are ignored. An object may have a `type`:
"tick", "heartbeat", "subscribed" (with a symbol), or "error" (with symbol, code and message); others tell nothing. The url
subscribes: symbols are added to it as `?symbols=EURUSD,USDJPY`.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from clients.feeds.symbol_keys import SymbolKeys
from clients.feeds.venues.dialect import Event, Heartbeat, Sides, Subscribed, refused
from clients.feeds.venues.parsing import field_of, load_objects, of_each, time_of


class PlainJson:
    """Speaks plain JSON quotes.

    Args:
        source: what the ticks name as their source.
    """

    own_heartbeats = False
    greets = False

    def __init__(self, source: str = "json") -> None:
        self.source = source
        self._sides = Sides()
        self.names = SymbolKeys()

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Add the symbols to the url; see `Dialect.address`."""
        if not symbols:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode({'symbols': ','.join(symbols)}, safe=',')}"

    def subscribe_messages(self, symbols: Sequence[str]) -> list[str]:
        """Return none: the url has subscribed."""
        del symbols
        return []

    def parse(self, message: str | bytes, received_ms: int) -> list[Event]:
        """Read one message; see `Dialect.parse`."""
        return of_each(load_objects(message), lambda frame: self._event(frame, received_ms))

    def _event(self, frame: dict[str, Any], received_ms: int) -> list[Event]:
        match frame.get("type", "tick"):
            case "tick":
                symbol, bid, ask = (field_of(frame, name) for name in ("symbol", "bid", "ask"))
                timestamp = frame.get("timestamp")
                time_ms = received_ms if timestamp is None else time_of(timestamp, "timestamp")
                return self._sides.quote(self.names.of(symbol), bid, ask, time_ms, self.source)
            case "heartbeat":
                return [Heartbeat()]
            case "subscribed":
                return [Subscribed(self.names.key(field_of(frame, "symbol")))]
            case "error":
                return [refused(frame.get("symbol"), frame.get("message"), frame.get("code"))]
        return []

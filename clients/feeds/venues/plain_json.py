"""The plain format for your own venues: one JSON object per message, or a list of them.

`{"symbol": "EURUSD", "bid": 1.0857, "ask": 1.0858, "timestamp": 1701234567890}`; prices are numbers or decimal text. One of
them may be null and is then the last known one; a side of 0 is empty. The timestamp (ms since 1970 UTC; s, us and ns are
recognised by their size) may be absent or null, unknown fields are ignored. An object may have a `type`: "tick", "heartbeat",
"subscribed" (with a symbol), or "error" (with symbol, code and message); others are ignored. The url subscribes: symbols are
added to it as `?symbols=EURUSD,USDJPY`.
"""

from typing import Any

from hulak.clients.feeds.venues.dialect import Effect, Heartbeat, Subscribed, UrlDialect, classify_refusal
from hulak.clients.feeds.venues.parsing import field_of, load_objects, of_each, time_of


class PlainJson(UrlDialect):
    """Plain JSON quotes.

    Args:
        source: the source in the ticks.
    """

    own_heartbeats = False

    def __init__(self, source: str = "json") -> None:
        super().__init__()
        self.source = source

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        return of_each(load_objects(message), lambda frame: self._event(frame, received_ms))

    def _event(self, frame: dict[str, Any], received_ms: int) -> list[Effect]:
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
                return [classify_refusal(frame.get("symbol"), frame.get("message"), frame.get("code"))]
        return []

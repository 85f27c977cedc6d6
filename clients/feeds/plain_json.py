"""The plain form for venues of one's own: one JSON object per message.

`{"symbol": "EURUSD", "bid": 1.0857, "ask": 1.0858, "timestamp": 1701234567890}`; prices are numbers or decimal text,
the timestamp (ms since 1970 UTC) may be absent or null, unknown fields are ignored. An object with a `type` other than
"tick" is no quote (a status, a heartbeat) and gives no ticks.
"""

from dataclasses import dataclass

from bus.errors import FeedError
from bus.messages import Tick
from clients.feeds.parser import load_json, price_of, shown, symbol_of, time_of


@dataclass(frozen=True, slots=True)
class JsonParser:
    """Parses plain JSON quotes."""

    source: str = "json"  # what the ticks name as their source

    def parse(self, message: str | bytes, received_ms: int) -> list[Tick]:
        """Read one message; see `Parser.parse`."""
        quote = load_json(message)
        if not isinstance(quote, dict):
            raise FeedError(f"{shown(message)} is not a JSON object")
        if quote.get("type", "tick") != "tick":
            return []
        try:
            symbol, bid, ask = quote["symbol"], quote["bid"], quote["ask"]
        except KeyError as missing:
            raise FeedError(f"field {missing} is missing in {shown(quote)}") from None
        timestamp = quote.get("timestamp")
        return [
            Tick(
                symbol_of(symbol),
                price_of(bid, "bid"),
                price_of(ask, "ask"),
                received_ms if timestamp is None else time_of(timestamp, "timestamp"),
                self.source,
            )
        ]

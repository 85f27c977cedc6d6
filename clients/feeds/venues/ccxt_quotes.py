"""The newest quotes of any exchange that ccxt reads: `--venue ccxt:EXCHANGE`.

Not a venue's own format: `clients.feeds.ccxt_connection` makes these messages of ccxt's values, `{"quotes": [["BTC/USDT",
81234.5, 81234.6, 1793491200012]]}` and `{"refused": "X/Y", "text": ".."}`. Symbols are ccxt's: `BTC/USDT` is spot,
`BTC/USDT:USDT` a swap, whose topic is BTCUSDT_3A_USDT. A side without price is null and empty, a time that the exchange does not
give is the time of receipt.

ccxt keeps the newest value of each symbol only: of several quotes within a tenth of a second the newest one is published.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.dialect import NOT_FOUND, Effect, SymbolError, UrlDialect
from hulak.clients.feeds.venues.levels import EMPTY
from hulak.clients.feeds.venues.parsing import load_object, rows_of, shown, time_of


class CcxtQuotes(UrlDialect):
    """The quotes of one exchange; the url subscribes."""

    own_heartbeats = False

    def __init__(self) -> None:
        super().__init__()
        self.source = "ccxt"

    def selects(self, url: str) -> bool:
        """Return False: ccxt watches named symbols; see `Dialect.selects`."""
        del url
        return False

    def address(self, url: str, symbols: Sequence[str]) -> str:
        """Take the exchange from the url, and add the symbols; see `Dialect.address`.

        Raises:
            FeedError: there are no symbols.
        """
        if not symbols:
            raise FeedError("ccxt needs symbols, such as --symbols BTC/USDT,ETH/USDT")
        self.source = f"ccxt-{urlsplit(url).hostname}"
        return super().address(url, symbols)

    def parse(self, message: str | bytes, received_ms: int) -> list[Effect]:
        """Parse one message; see `Dialect.parse`."""
        frame = load_object(message)
        if "refused" in frame:
            return [SymbolError(self.names.key(frame["refused"]), NOT_FOUND, str(frame.get("text")))]
        effects: list[Effect] = []
        for row in rows_of(frame, "quotes"):
            try:
                effects += self._quote(row, received_ms)
            except FeedError as error:
                effects.append(error)
        return effects

    def _quote(self, row: object, received_ms: int) -> list[Effect]:
        if not isinstance(row, list) or len(row) != 4:
            raise FeedError(f"{shown(row)} must be symbol, bid, ask and time")
        name, bid, ask, timestamp = row
        time_ms = received_ms if timestamp is None else time_of(timestamp, "timestamp")
        sides = [EMPTY if side is None else side for side in (bid, ask)]
        return self._sides.quote(self.names.of(name), sides[0], sides[1], time_ms, self.source)

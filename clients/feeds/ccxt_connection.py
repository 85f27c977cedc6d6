"""A `Connection` to an exchange by the library ccxt, which reads the exchanges that have no dialect here. The extra `ccxt`.

ccxt makes and keeps the WebSocket and answers the exchange's pings. Its `watch_...` methods return the value that resolved them:
of a burst the oldest one, and nothing of the rest until the next change. So the exchange's own table, which has the newest value
of each symbol, is read too, every `READ_S`.
"""

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hulak.bus.errors import ConfigError

MODULE = "ccxt.pro"
# Feature -> method, and table of the newest values; the first one that an exchange has is used.
WATCHES = {"watchBidsAsks": ("watch_bids_asks", "bidsasks"), "watchTickers": ("watch_tickers", "tickers")}
READ_S = 0.1  # between two reads of the table


def exchange_class(name: str) -> Any:
    """Return ccxt's class of an exchange.

    Raises:
        ConfigError: ccxt is not installed, does not know it, or does not read its quotes over a WebSocket.
    """
    try:
        ccxt = importlib.import_module(MODULE)
    except ImportError as error:
        raise ConfigError(f"--venue ccxt:{name} needs ccxt, which is not installed: pip install 'hulak[ccxt]'") from error
    known = [other for other in ccxt.exchanges if isinstance(other, str)]
    if name not in known:
        raise ConfigError(f"ccxt has no WebSocket of an exchange {name!r}; it has {', '.join(known)[:2000]}")
    made = getattr(ccxt, name)
    if not any(made().has.get(feature) for feature in WATCHES):
        raise ConfigError(f"ccxt does not read quotes of {name} over a WebSocket")
    return made


class CcxtConnection:
    """A `Connection` whose messages are those of `clients.feeds.venues.ccxt_quotes`.

    Args:
        exchange: an object of ccxt, its markets loaded.
        symbols: to be read, as ccxt writes them.
    """

    def __init__(self, exchange: Any, symbols: list[str]) -> None:
        self._symbols = [symbol for symbol in symbols if symbol in exchange.markets]
        self._unknown = [symbol for symbol in symbols if symbol not in exchange.markets]
        self._exchange = exchange
        self._method, self._table = next(names for feature, names in WATCHES.items() if exchange.has.get(feature))
        self._watching: asyncio.Future[dict[str, Any]] | None = None
        self._last: dict[str, list[Any]] = {}  # symbol -> its last quote

    async def receive(self) -> str:
        """Wait for new quotes; see `Connection`."""
        if self._unknown:
            return json.dumps({"refused": self._unknown.pop(0), "text": "ccxt has no such market of this exchange"})
        if not self._symbols:
            raise ConnectionError("ccxt has none of the symbols")
        while True:
            with _as_connection_error():
                quotes = self._changed(await self._returned())
            if quotes:
                return json.dumps({"quotes": quotes})

    async def _returned(self) -> dict[str, Any]:
        """Wait for what ccxt returns, at most `READ_S`; the same question goes on with the next call."""
        if self._watching is None:
            self._watching = asyncio.ensure_future(getattr(self._exchange, self._method)(self._symbols))
        done, _ = await asyncio.wait({self._watching}, timeout=READ_S)
        if not done:
            return {}
        answer, self._watching = self._watching, None
        return answer.result()

    def _changed(self, returned: dict[str, Any]) -> list[list[Any]]:
        """Return the quotes that are new: those of the table, or else those that were returned."""
        table = getattr(self._exchange, self._table, None) or {}
        values = returned | {name: table[name] for name in self._symbols if name in table}
        quotes = [[name, value.get("bid"), value.get("ask"), value.get("timestamp")] for name, value in values.items()]
        changed = [quote for quote in quotes if self._last.get(quote[0]) != quote]
        self._last |= {quote[0]: quote for quote in changed}
        return changed

    def close(self) -> None:
        """End the question that waits."""
        if self._watching is not None:
            self._watching.cancel()

    async def send(self, text: str) -> None:
        """Raise: ccxt sends the requests."""
        raise ConnectionError(f"cannot send {len(text)} characters: ccxt sends the requests")

    async def ping(self) -> None:
        """Return at once: ccxt pings, and ends the connection of an exchange that does not answer."""


@contextlib.asynccontextmanager
async def ccxt_connection(url: str, connect_s: float) -> AsyncIterator[CcxtConnection]:
    """Connect, and disconnect at the end.

    Args:
        url: `ccxt://EXCHANGE?symbols=BTC/USDT,ETH/USDT`.
        connect_s: limit for reading the exchange's markets, seconds.
    Raises:
        TimeoutError: the markets did not come in time.
        ConnectionError: the exchange cannot be reached, or refused.
    """
    parts = urlsplit(url)
    exchange = exchange_class(parts.hostname or "")()
    try:
        async with asyncio.timeout(connect_s):
            with _as_connection_error():
                await exchange.load_markets()
        reader = CcxtConnection(exchange, ",".join(parse_qs(parts.query).get("symbols", [])).split(","))
        try:
            yield reader
        finally:
            reader.close()
    finally:
        await exchange.close()


@contextlib.contextmanager
def _as_connection_error() -> Any:
    """Turn ccxt's errors, and those of the code that it has for an exchange, into an error of the connection."""
    try:
        yield
    except ConnectionError:
        raise
    except Exception as error:
        raise ConnectionError(f"ccxt: {type(error).__name__}: {error}"[:300]) from error

"""`Feed`: the feed of a program; its ticks are numbered, kept and confirmed like those of `hulak feed`. PROTOCOL.md section 3.4.

with Feed("model") as feed:
    feed.post("EURUSD", 1.0821, 1.0823)
"""

import time
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from hulak.bus.errors import FeedError
from hulak.bus.process.client_logger import Logger
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.clients.confirmed_sender import ConfirmedSender
from hulak.clients.feeds.quote_flags import QuoteFlags
from hulak.clients.feeds.symbol_keys import canonical_symbol, check_prefix, check_source, check_text
from hulak.clients.feeds.venues.parsing import price_of, utc_ms


class Feed(ConfirmedSender):
    """The feed of a program; a context manager. Every method may be called from any thread.

    Args:
        name: in `hulak feeds`, with the process id; a further feed of this name in one process also has a number.
        source: of its ticks; the name if None.
        prefix: of its topics: "kraken" makes `tick.kraken.BTCUSD`; empty for none.
        settings: name the broker's endpoints; loaded as for every command if None.
        home: the broker's folder; the default one if None.
        timeout_s: seconds to wait for the broker: when the feed is opened, when its buffer is full, when it is closed.
        key: the file of the feed's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        logger: receives the events of the connection; None for no log.
    Raises:
        FeedError: the source or the prefix is invalid, or the name is empty or too long.
        ConfigError: the settings are invalid.
    """

    KIND: ClassVar[str] = "feed"
    MESSAGES: ClassVar[str] = "ticks"

    def __init__(
        self,
        name: str,
        *,
        source: str | None = None,
        prefix: str = "",
        settings: Settings | None = None,
        home: Path | None = None,
        timeout_s: float = 10.0,
        key: Path | str | None = None,
        logger: Logger | None = None,
    ) -> None:
        source = name if source is None else source
        check_text("name", name, least=1)
        check_source(source)
        super().__init__(name, check_prefix(prefix), None, settings, home, timeout_s, key, logger)
        self._source = source
        self._flags = QuoteFlags()

    def post(
        self,
        symbol: str,
        bid: float | None,
        ask: float | None = None,
        *,
        timestamp: int | datetime | None = None,
        halted: bool = False,
    ) -> None:
        """Post a tick; return when it is numbered and kept, usually at once.

        Args:
            symbol: upper or lower case; `EUR/USD` is `EURUSD`, as in every feed.
            bid: quote currency; None if that side of the book is empty.
            ask: likewise.
            timestamp: the venue's time: ms since 1970 UTC, from 1990 to 2100, or a datetime with a zone; now if None.
            halted: the venue reports that the symbol cannot be traded now.
        Raises:
            FeedError: the symbol, a price or the time is invalid; nothing is posted.
            BusTimeout: the buffer is full (setting feed.buffer), and the broker confirmed none of its ticks within `timeout_s`.
            BusError: `CLOSED`, the feed is closed, or belongs to another process.
        """
        if not isinstance(symbol, str):
            raise FeedError(f"symbol is {symbol!r:.40}, must be text")
        bid, ask = (None if price is None else price_of(price, name) for price, name in ((bid, "bid"), (ask, "ask")))
        at_ms = time.time_ns() // 1_000_000 if timestamp is None else _milliseconds(timestamp)
        self.post_tick(Tick(canonical_symbol(symbol), bid, ask, at_ms, self._source, ("halted",) if halted else ()))

    def post_tick(self, tick: Tick) -> None:
        """Post a tick unchanged except for its flags; otherwise like `post`.

        Args:
            tick: its symbol is that of its topic, without the prefix.
        """
        self.open()
        kept, room = self._publisher.link.unconfirmed, self._settings.feed.buffer

        def post() -> bool:
            if len(kept) < room:
                self._publisher.post(self._flags.mark(tick), time.time_ns())
                return True
            return False

        self._until(post, self._timeout_s)


def _milliseconds(timestamp: int | datetime) -> int:
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise FeedError(f"timestamp is {timestamp.isoformat()}, must have a time zone: datetime.now(UTC)")
        try:
            timestamp = utc_ms(timestamp)
        except OverflowError:  # beyond the years of a datetime
            timestamp = 0
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or not FIRST_MS <= timestamp < END_MS:
        raise FeedError(f"timestamp is {timestamp!r:.40}, must be a whole number of ms since 1970 UTC, from 1990 to 2100")
    return timestamp

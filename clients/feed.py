"""`Feed`: the feed of a program; its ticks are numbered, kept and confirmed like those of `hulak feed`. PROTOCOL.md section 3.4.

    with Feed("model") as feed:
        feed.post("EURUSD", 1.0821, 1.0823)

A tick is kept until the broker has it in its journal. A thread of the feed requests the broker's position, and sends lost ticks
again, also after a restart of the broker.
"""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hulak.bus.errors import BusError, BusTimeout, FeedError, HandshakeFailed
from hulak.bus.process import endpoints
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.load_settings import located
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.clients.feeds.publisher import ASK_S, TickPublisher
from hulak.clients.feeds.quote_flags import QuoteFlags
from hulak.clients.feeds.symbol_keys import canonical_symbol, check_prefix, check_source, check_text
from hulak.clients.feeds.venues.parsing import price_of, utc_ms

POLL_S = 0.002  # between two polls for confirmations, while a caller waits for them
_reports: dict[str, "Feed"] = {}  # name of a report -> the feed of this process that has it


class Feed:
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
        self._settings, self._home = located(settings, home, key)
        self._source = source
        self._timeout_s = timeout_s
        log = logger_of(logger)
        self._publisher = TickPublisher(self._settings, self._home, name, log, check_prefix(prefix))
        self._report_name = self._take_name(f"{name}/{os.getpid()}")
        self._member = Member(self._settings, self._home, log, kind="feed", name=self._report_name, collect=self._report)
        self._flags = QuoteFlags()
        self._lock = threading.Lock()  # guards the publisher, and that it is not used once the feed is closed
        self._start_lock = threading.Lock()
        self._process = os.getpid()
        self._error: BaseException | None = None  # that ended the thread
        self._connected, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"feed {name}", daemon=True)
        self._reported = 0  # refusals that were reported to a caller

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def open(self) -> None:
        """Connect, and wait until the broker accepts ticks; further calls do nothing.

        Raises:
            BusTimeout: it does not within `timeout_s`; the feed is closed.
            HandshakeFailed: the broker and this feed do not accept each other's keys.
            BusError: `CLOSED`, the feed is closed, or belongs to another process.
        """
        with self._start_lock:
            self._check_usable()
            if self._thread.ident is None:
                self._thread.start()
                self._member.start()
        if not self._connected.wait(self._timeout_s):
            self.close()
            where = endpoints.expected(self._settings, self._home, "collector")
            raise BusTimeout(
                f"no broker accepted ticks at {where} within {self._timeout_s:g} s; start one with `hulak up` or `hulak broker`"
            )
        self._check_usable()

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
            bid, ask: quote currency; None if that side of the book is empty.
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

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every tick is in the broker's journal.

        Args:
            timeout_s: limit in seconds; that of the feed if None.
        Raises:
            BusTimeout: some are not within `timeout_s`; the feed still keeps and sends them.
            BusError: `REFUSED`: the broker refused ticks since the last call; the text names their symbols and codes.
        """
        if self._thread.ident is None:
            return
        kept, refusals = self._publisher.link.unconfirmed, self._publisher.refusals
        self._until(lambda: not len(kept), self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            new, self._reported = refusals.count - self._reported, refusals.count
        if new > 0:
            named = ", ".join(f"{symbol} ({code})" for symbol, code in refusals.named.items())
            raise BusError("REFUSED", f"the broker refused {new} ticks: {named}")

    def counters(self) -> dict[str, Any]:
        """Return the counts `posted`, `unconfirmed`, `dropped`, `resent`, `refused`, and `symbol_errors` by symbol."""
        with self._lock:
            return {"refused": 0, "symbol_errors": {}, **self._publisher.values()}

    def close(self) -> None:
        """Close the connection; unconfirmed ticks may be lost, see `flush`. Further calls do nothing."""
        if os.getpid() != self._process:  # a forked copy has neither the thread nor the right to the sockets
            return
        with self._start_lock, self._lock:
            if self._ends.is_set():
                return
            self._ends.set()
        self._member.stop()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._publisher.close()
        _reports.pop(self._report_name, None)

    def _take_name(self, name: str) -> str:
        """Return the first of `name`, `name-2`, `name-3`, ... that no open feed of this process has."""
        numbered = itertools.chain((name,), (f"{name}-{number}" for number in itertools.count(2)))
        return next(candidate for candidate in numbered if _reports.setdefault(candidate, self) is self)

    def _until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Poll the broker until `done` returns true; the lock is free between two polls."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._check_usable()
                if done():
                    return
                self._publisher.keep()
                count = len(self._publisher.link.unconfirmed)
            if time.monotonic() > deadline:
                raise BusTimeout(f"{count} ticks were not confirmed within {timeout_s:g} s; the feed keeps them")
            time.sleep(POLL_S)

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise BusError("CLOSED", f"this feed belongs to process {self._process}; make another one in a forked process")
        if isinstance(self._error, HandshakeFailed):
            raise HandshakeFailed(self._error.code, str(self._error)) from self._error
        if self._error is not None:
            raise BusError("CLOSED", f"the thread of this feed has ended: {self._error!r}") from self._error
        if self._ends.is_set():
            raise BusError("CLOSED", "this feed is closed; make another one")

    def _report(self) -> dict[str, Any]:
        return {**self._publisher.values(), "program": True, "state": "connected" if self._connected.is_set() else "disconnected"}

    # In the thread

    def _keep(self) -> None:
        try:
            asyncio.run(self._connect())
            while not self._ends.wait(ASK_S):
                with self._lock:
                    self._publisher.keep()
                self._member.beat()
        except BaseException as error:  # noqa: BLE001 - the callers report it
            self._error = error
            self._connected.set()

    async def _connect(self) -> None:
        connecting = asyncio.ensure_future(self._publisher.connect())
        while not self._ends.is_set():
            done, _ = await asyncio.wait([connecting], timeout=POLL_S * 10)
            if done:
                connecting.result()
                self._connected.set()
                return
        connecting.cancel()


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

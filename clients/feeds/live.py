"""A live feed: publishes a venue's messages as numbered ticks. The shell around `clients.feeds.health`.

Each connection has a reader and, beside it, a loop that runs ten times a second: it subscribes to symbols, checks the ages, and
closes the connection when they are too old. So a venue that hangs after connecting is dropped in a bounded time.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import msgspec

from hulak.bus.backoff import Backoff
from hulak.bus.errors import FeedError
from hulak.bus.process.settings import FeedSettings
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.health import FeedHealth, FeedState, HealthLimits
from hulak.clients.feeds.publisher import ASK_S, TickPublisher
from hulak.clients.feeds.quote_flags import QuoteFlags
from hulak.clients.feeds.subscriptions import Subscriptions, name_error
from hulak.clients.feeds.symbol_keys import BadSymbol
from hulak.clients.feeds.transports import BROKEN, Connection, VenueRefused, connection
from hulak.clients.feeds.venues.dialect import Dialect, Heartbeat, Subscribed, SymbolError

TURN_S = 0.1  # between two checks of the ages
SEND_S = 5.0  # limit for sending a request; a venue that reads nothing counts as lost


class LiveFeed:
    """Reads a venue and publishes its ticks.

    Args:
        publisher: connected.
        dialect: makes the venue's dialect, a new one for each connection.
        url: of the venue.
        symbols: as the venue writes them; empty to take what the url sends.
        settings: limits and the token.
        backoff: delays between attempts to connect.
        stale_s: returns the current age limit of data, seconds; `settings.stale_s` if None.
        source: of the ticks; empty for that of the venue.
    """

    def __init__(
        self,
        publisher: TickPublisher,
        dialect: Callable[[], Dialect],
        url: str,
        symbols: Sequence[str],
        settings: FeedSettings,
        backoff: Backoff,
        stale_s: Callable[[], float] | None = None,
        source: str = "",
    ) -> None:
        self.source = source
        self.stale_s = stale_s or (lambda: settings.stale_s)
        limits = HealthLimits(self.stale_s(), settings.heartbeat_stale_s, settings.degraded_s)
        self.publisher = publisher
        self.dialect = dialect
        self.url = url
        parts = urlsplit(url)  # keys stand in the query, passwords before the host: neither is shown
        self.shown_url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        self.settings = settings
        self.quote_flags = QuoteFlags()
        self.refused = 0
        self.logged_state = FeedState.DISCONNECTED
        subscriptions = Subscriptions(symbols, settings.resolve_s, dialect().names.key)
        self.symbols = list(subscriptions.names.values())
        self.health = FeedHealth(limits, backoff, subscriptions, time.monotonic())

    async def run(self) -> None:
        """Read until cancelled; reconnect after each loss."""
        reporter = asyncio.ensure_future(self._update_counters_periodically())
        try:
            while True:
                self.health.connect(time.monotonic())
                why, again_s = await self._connection()
                delay_s = self.health.lose(time.monotonic(), again_s)
                self._warn("venue lost", why=why, asked_to_wait_s=again_s or None, again_in_s=round(delay_s, 3))
                await asyncio.sleep(delay_s)
        finally:
            reporter.cancel()
            self.health.stop(time.monotonic())

    async def _connection(self) -> tuple[str, float]:
        """Run one connection; returns why it ended, and after how many seconds the venue accepts the next one."""
        dialect = self.dialect()
        settings = self.settings
        address = dialect.address(self.url, self.symbols)
        try:
            async with connection(
                address, token=settings.token, connect_s=settings.connect_s, read_s=settings.heartbeat_stale_s
            ) as venue:
                self.health.open(time.monotonic(), wait_for_ready=dialect.greets)
                self.publisher.log.info("venue connected", url=self.shown_url, connections=self.health.connections)
                return await self._live(venue, dialect), 0.0
        except BROKEN as error:
            return f"{type(error).__name__}: {error}"[:300], error.again_s if isinstance(error, VenueRefused) else 0.0

    async def _live(self, venue: Connection, dialect: Dialect) -> str:
        tasks = [asyncio.ensure_future(self._read(venue, dialect))]
        if not dialect.own_heartbeats:
            tasks.append(asyncio.ensure_future(self._ping(venue)))
        try:
            while True:
                self.health.limits = replace(self.health.limits, data_s=self.stale_s())
                why = self.health.judge(time.monotonic())
                self._log_state()
                if why:
                    return why
                await self._subscribe(venue, dialect)
                done, _ = await asyncio.wait(tasks, timeout=TURN_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _log_state(self) -> None:
        if self.health.state is not self.logged_state:
            self.publisher.log.info("feed state changed", state=self.health.state.value, before=self.logged_state.value)
            self.logged_state = self.health.state

    async def _subscribe(self, venue: Connection, dialect: Dialect) -> None:
        names = self.health.subscriptions.due(time.monotonic())
        requests = dialect.subscribe_messages(names) if names else []
        async with asyncio.timeout(SEND_S):
            for text in requests:
                await venue.send(text)
        if not requests:  # the url subscribes
            for name in names:
                self.health.record(Subscribed(dialect.names.key(name)), time.monotonic())

    async def _read(self, venue: Connection, dialect: Dialect) -> None:
        while True:
            self._receive(await venue.receive(), dialect)

    async def _ping(self, venue: Connection) -> None:
        while True:
            await venue.ping()
            self.health.record(Heartbeat(), time.monotonic())
            await asyncio.sleep(self.settings.heartbeat_stale_s / 3)

    def _receive(self, message: str | bytes, dialect: Dialect) -> None:
        time_ns, now = time.time_ns(), time.monotonic()
        try:
            events = dialect.parse(message, time_ns // 1_000_000)
        except FeedError as error:
            events = [error]
        for event in events:
            if isinstance(event, Tick):
                tick = msgspec.structs.replace(event, source=self.source) if self.source else event
                self.publisher.post(self.quote_flags.mark(tick), time_ns)
            elif isinstance(event, FeedError):
                self._refuse(event, now)
                continue
            elif isinstance(event, SymbolError):
                self._warn_once(event)
            self.health.record(event, now)

    def _warn_once(self, error: SymbolError) -> None:
        if not self.health.subscriptions.is_known(error):
            self._warn("symbol refused by venue", symbol=error.symbol, code=error.code, why=error.text)

    def _refuse(self, error: FeedError, now: float) -> None:
        self.refused += 1
        if isinstance(error, BadSymbol):  # each name once, under its own name
            symbol_error = name_error(error)
            self._warn_once(symbol_error)
            self.health.record(symbol_error, now)
            return
        if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, ...: a broken venue cannot fill the log
            self._warn("cannot parse venue message", why=str(error), refused=self.refused)

    def _warn(self, event: str, **values: object) -> None:
        self.publisher.log.warning(
            event, url=self.shown_url, state=self.health.state.value, attempt=self.health.attempts, **values
        )

    async def _update_counters_periodically(self) -> None:
        while True:
            self.update_counters()
            await asyncio.sleep(ASK_S)

    def update_counters(self) -> None:
        """Update the counters that the reports carry."""
        self.publisher.counters.update(
            url=self.shown_url,
            refused=self.refused,
            flagged=dict(self.quote_flags.counts),
            **self.health.report(time.monotonic()),
        )

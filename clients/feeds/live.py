"""A live feed: publishes a venue's messages as numbered ticks. The shell around `clients.feeds.health`.

Each connection has a reader and, beside it, a loop that runs ten times a second: it subscribes to symbols, takes symbols that
were added and removed, checks the ages, and closes the connection when they are too old. So a venue that hangs after connecting
is dropped in a bounded time. The effects that the dialect returns are carried out here; each of its timers has a task, which
sends its message regularly.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
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
from hulak.clients.feeds.venues.dialect import Dialect, Effect, Heartbeat, Reconnect, Send, SymbolError, Timer

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
        wanted: returns the symbols that it has to have now, with the version of the live configuration; `symbols` if None.
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
        wanted: Callable[[], tuple[int, Sequence[str]]] | None = None,
    ) -> None:
        self.source = source
        self.seen_source = source  # of its last tick
        self.wanted = wanted or (lambda: (0, symbols))
        self.symbols_version = 0  # of the live configuration whose symbols are taken
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
        venue = dialect()
        self.takes_all = venue.selects(url) and not symbols
        self.asked_for = list(symbols)  # the last list of symbols that was taken
        self.reconnect: Reconnect | None = None  # why this connection is to be ended
        subscriptions = Subscriptions(symbols, settings.resolve_s, venue.names.key, venue.names.is_same)
        self.health = FeedHealth(limits, backoff, subscriptions, time.monotonic())

    async def run(self) -> None:
        """Read until cancelled; reconnect after each loss."""
        reporter = asyncio.ensure_future(self._update_counters_periodically())
        try:
            while True:
                self.health.connect(time.monotonic())
                why, again_s = await self._connection()
                by_choice = self.reconnect is not None and self.reconnect.by_choice
                delay_s = self.health.lose(time.monotonic(), again_s, by_choice=by_choice)
                self._warn("venue lost", why=why, asked_to_wait_s=again_s or None, again_in_s=round(delay_s, 3))
                await asyncio.sleep(delay_s)
        finally:
            reporter.cancel()
            self.health.stop(time.monotonic())

    async def _connection(self) -> tuple[str, float]:
        """Run one connection; returns why it ended, and after how many seconds the venue accepts the next one."""
        dialect = self.dialect()
        settings = self.settings
        self.reconnect = None
        self._change_symbols(dialect)
        try:
            address = dialect.address(self.url, list(self.health.subscriptions.names.values()))
            async with connection(
                address,
                token="" if dialect.signs_in else settings.token,
                connect_s=settings.connect_s,
                read_s=settings.heartbeat_stale_s,
                keepalive=not dialect.timers,
            ) as venue:
                self.health.open(time.monotonic(), wait_for_ready=dialect.greets)
                self.publisher.log.info("venue connected", url=self.shown_url, connections=self.health.connections)
                return await self._live(venue, dialect), 0.0
        except BROKEN as error:
            return f"{type(error).__name__}: {error}"[:300], error.again_s if isinstance(error, VenueRefused) else 0.0

    async def _live(self, venue: Connection, dialect: Dialect) -> str:
        tasks = [asyncio.ensure_future(self._read(venue, dialect))]
        tasks += [asyncio.ensure_future(self._send_regularly(venue, timer)) for timer in dialect.timers]
        if not dialect.own_heartbeats:
            tasks.append(asyncio.ensure_future(self._ping(venue)))
        try:
            await self._carry_out(venue, dialect.opening())
            while True:
                self.health.limits = replace(self.health.limits, data_s=self.stale_s())
                why = self.health.judge(time.monotonic())
                self._log_state()
                if why or self.reconnect is not None:
                    return why or (self.reconnect.why if self.reconnect else "")
                await self._carry_out(venue, self._change_symbols(dialect))
                names = self.health.subscriptions.due(time.monotonic())
                await self._carry_out(venue, dialect.subscribe(names) if names else [])
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

    def _change_symbols(self, dialect: Dialect) -> list[Effect]:
        """Take the symbols that were added and removed since the last call; returns what the venue has to know."""
        self.symbols_version, wanted = self.wanted()
        if list(wanted) == self.asked_for:
            return []
        added = [name for name in wanted if name not in self.asked_for]
        self.asked_for = list(wanted)
        subscriptions = self.health.subscriptions
        if self.takes_all:
            subscriptions.refuse_changes(added, "this feed takes all that its url sends")
            return []
        if subscriptions.names and not wanted:
            self._warn("symbols not removed", why="no symbol would be left")
            return []
        removed = subscriptions.change(wanted, time.monotonic())
        self.publisher.log.info("symbols changed", added=added, removed=removed, symbols=len(subscriptions.names))
        return dialect.unsubscribe(removed) if removed else []

    async def _carry_out(self, venue: Connection, effects: Iterable[Effect]) -> None:
        for text in self._texts(effects, time.time_ns(), time.monotonic()):
            await self._send(venue, text)

    async def _send(self, venue: Connection, text: str) -> None:
        async with asyncio.timeout(SEND_S):
            await venue.send(text)

    async def _send_regularly(self, venue: Connection, timer: Timer) -> None:
        while True:
            await asyncio.sleep(min(timer.every_s, self.settings.heartbeat_stale_s / 3))
            await self._send(venue, timer.text)

    async def _read(self, venue: Connection, dialect: Dialect) -> None:
        while True:
            for text in self._receive(await venue.receive(), dialect):
                await self._send(venue, text)

    async def _ping(self, venue: Connection) -> None:
        while True:
            await venue.ping()
            self.health.record(Heartbeat(), time.monotonic())
            await asyncio.sleep(self.settings.heartbeat_stale_s / 3)

    def _receive(self, message: str | bytes, dialect: Dialect) -> list[str]:
        """Take a message; returns the answers to it."""
        time_ns, now = time.time_ns(), time.monotonic()
        effects: list[Effect]
        try:
            effects = dialect.parse(message, time_ns // 1_000_000)
        except FeedError as error:
            effects = [error]
        return self._texts(effects, time_ns, now)

    def _texts(self, effects: Iterable[Effect], time_ns: int, now: float) -> list[str]:
        """Carry out effects, and return the messages to send."""
        texts: list[str] = []
        for effect in effects:
            if isinstance(effect, Tick):
                if effect.symbol in self.health.subscriptions.ended:
                    continue
                tick = msgspec.structs.replace(effect, source=self.source) if self.source else effect
                self.seen_source = tick.source
                self.publisher.post(self.quote_flags.mark(tick), time_ns)
            elif isinstance(effect, Send):
                texts.append(effect.text)
                continue
            elif isinstance(effect, Reconnect):
                self.reconnect = self.reconnect or effect
                continue
            elif isinstance(effect, FeedError):
                self._refuse(effect, now)
                continue
            elif isinstance(effect, SymbolError):
                self._warn_once(effect)
            self.health.record(effect, now)
        return texts

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
            symbols_version=self.symbols_version,
            **self.health.report(time.monotonic()),
            source=self.seen_source,
        )

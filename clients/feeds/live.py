"""A live feed: one venue's messages into numbered ticks, for ever. The shell around `clients.feeds.health`.

Each connection has a reader and, beside it, a turn ten times a second that asks for symbols, judges the ages, and drops the
connection when they are too old; so a venue that hangs after it was reached is left in a bounded time.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bus.backoff import Backoff
from bus.errors import FeedError
from bus.process.settings import FeedSettings
from bus.wire.messages import Tick
from clients.feeds.health import FeedHealth, FeedState, HealthLimits
from clients.feeds.publisher import ASK_S, TickPublisher
from clients.feeds.quote_flags import QuoteFlags
from clients.feeds.subscriptions import Subscriptions, name_error
from clients.feeds.symbol_keys import BadSymbol
from clients.feeds.transports import BROKEN, Connection, TurnedAway, reach
from clients.feeds.venues.dialect import Dialect, Heartbeat, Subscribed, SymbolError

TURN_S = 0.1  # between two looks at the ages
SEND_S = 5.0  # for a request to leave; a venue that takes nothing is lost


class LiveFeed:
    """Reads a venue and posts its ticks.

    Args:
        post: connected.
        dialect: makes the venue's language, anew for each connection.
        url: of the venue.
        symbols: as the venue writes them; none for what the url sends.
        settings: times and the token.
        backoff: delays between attempts to connect.
        stale_s: says for how long data is fresh now; `settings.stale_s` if None.
    """

    def __init__(
        self,
        post: TickPublisher,
        dialect: Callable[[], Dialect],
        url: str,
        symbols: Sequence[str],
        settings: FeedSettings,
        backoff: Backoff,
        stale_s: Callable[[], float] | None = None,
    ) -> None:
        self.stale_s = stale_s or (lambda: settings.stale_s)
        limits = HealthLimits(self.stale_s(), settings.heartbeat_stale_s, settings.degraded_s)
        self.post = post
        self.dialect = dialect
        self.url = url
        parts = urlsplit(url)  # keys stand in the query, passwords before the host: neither is told
        self.shown_url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        self.settings = settings
        self.marks = QuoteFlags()
        self.refused = 0
        self.logged = FeedState.DISCONNECTED
        wanted = Subscriptions(symbols, settings.resolve_s, dialect().names.key)
        self.symbols = list(wanted.names.values())
        self.health = FeedHealth(limits, backoff, wanted, time.monotonic())

    async def run(self) -> None:
        """Read for ever."""
        teller = asyncio.ensure_future(self._tell_for_ever())
        try:
            while True:
                self.health.connect(time.monotonic())
                why, again_s = await self._connection()
                delay_s = self.health.lose(time.monotonic(), again_s)
                self._warn("venue lost", why=why, asked_to_wait_s=again_s or None, again_in_s=round(delay_s, 3))
                await asyncio.sleep(delay_s)
        finally:
            teller.cancel()
            self.health.stop(time.monotonic())

    async def _connection(self) -> tuple[str, float]:
        """Live through one connection; returns why it ended, and for how many seconds the venue wants to be left alone."""
        spoken = self.dialect()
        settings = self.settings
        where = spoken.address(self.url, self.symbols)
        try:
            async with reach(
                where, token=settings.token, connect_s=settings.connect_s, read_s=settings.heartbeat_stale_s
            ) as venue:
                self.health.open(time.monotonic(), held=spoken.greets)
                self.post.log.info("venue connected", url=self.shown_url, connections=self.health.connections)
                return await self._live(venue, spoken), 0.0
        except BROKEN as error:
            return f"{type(error).__name__}: {error}"[:300], error.again_s if isinstance(error, TurnedAway) else 0.0

    async def _live(self, venue: Connection, spoken: Dialect) -> str:
        beside = [asyncio.ensure_future(self._read(venue, spoken))]
        if not spoken.own_heartbeats:
            beside.append(asyncio.ensure_future(self._ping(venue)))
        try:
            while True:
                self.health.limits = replace(self.health.limits, data_s=self.stale_s())
                why = self.health.judge(time.monotonic())
                self._log_state()
                if why:
                    return why
                await self._subscribe(venue, spoken)
                done, _ = await asyncio.wait(beside, timeout=TURN_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _log_state(self) -> None:
        if self.health.state is not self.logged:
            self.post.log.info("feed's state changed", state=self.health.state.value, before=self.logged.value)
            self.logged = self.health.state

    async def _subscribe(self, venue: Connection, spoken: Dialect) -> None:
        names = self.health.subscriptions.due(time.monotonic())
        requests = spoken.subscribe_messages(names) if names else []
        async with asyncio.timeout(SEND_S):
            for text in requests:
                await venue.send(text)
        if not requests:  # the url has subscribed
            for name in names:
                self.health.note(Subscribed(spoken.names.key(name)), time.monotonic())

    async def _read(self, venue: Connection, spoken: Dialect) -> None:
        while True:
            self._take(await venue.receive(), spoken)

    async def _ping(self, venue: Connection) -> None:
        while True:
            await venue.ping()
            self.health.note(Heartbeat(), time.monotonic())
            await asyncio.sleep(self.settings.heartbeat_stale_s / 3)

    def _take(self, message: str | bytes, spoken: Dialect) -> None:
        time_ns, now = time.time_ns(), time.monotonic()
        try:
            events = spoken.parse(message, time_ns // 1_000_000)
        except FeedError as error:
            events = [error]
        for event in events:
            if isinstance(event, Tick):
                self.post.post(self.marks.mark(event), time_ns)
            elif isinstance(event, FeedError):
                self._refuse(event, now)
                continue
            elif isinstance(event, SymbolError):
                self._tell_once(event)
            self.health.note(event, now)

    def _tell_once(self, error: SymbolError) -> None:
        if not self.health.subscriptions.refused(error):
            self._warn("venue refused", symbol=error.symbol, code=error.code, why=error.text)

    def _refuse(self, error: FeedError, now: float) -> None:
        self.refused += 1
        if isinstance(error, BadSymbol):  # each name once, under its own name
            told = name_error(error)
            self._tell_once(told)
            self.health.note(told, now)
            return
        if self.refused & (self.refused - 1) == 0:  # the 1st, 2nd, 4th, ...: a broken venue cannot fill the log
            self._warn("venue's message refused", why=str(error), refused=self.refused)

    def _warn(self, event: str, **values: object) -> None:
        self.post.log.warning(event, url=self.shown_url, state=self.health.state.value, attempt=self.health.attempts, **values)

    async def _tell_for_ever(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(ASK_S)

    def tell(self) -> None:
        """Bring what the reports say up to date."""
        self.post.counters.update(
            url=self.shown_url, refused=self.refused, flagged=dict(self.marks.counts), **self.health.report(time.monotonic())
        )

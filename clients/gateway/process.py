"""The gateway process: serves the bus to browsers and monitoring on one port. It runs on asyncio, one of the bus's two edges.

Its loop runs when the broker has published a message, at most once per `frame_ms`: it receives all available messages, and sends
each client that keeps up one message with its new values. The other modules decide what each client gets. PROTOCOL.md section 12.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from hulak.bus.errors import BusError, ConfigError
from hulak.bus.histogram import Histogram
from hulak.bus.live_config.keys import Value
from hulak.bus.process import lifecycle, log
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.gateway import journal_reads, metrics, protocol, turn_pace
from hulak.clients.gateway.access import SUBPROTOCOL
from hulak.clients.gateway.admission import CHANGED, REVOKED, Admission
from hulak.clients.gateway.api.app import Api
from hulak.clients.gateway.api.context import Context
from hulak.clients.gateway.api.events import EventStreams
from hulak.clients.gateway.bus_calls import BusCalls
from hulak.clients.gateway.bus_source import BusSource
from hulak.clients.gateway.connections import CLOSE_S, HANDSHAKE_S, GatewayConnection
from hulak.clients.gateway.fx.session import FxSession
from hulak.clients.gateway.health import GatewayHealth
from hulak.clients.gateway.http_app import HttpApp
from hulak.clients.gateway.http_connection import HttpServer
from hulak.clients.gateway.http_routes import FX, HttpRoutes
from hulak.clients.gateway.json_session import JsonSession, Session, close_connection, limit_send_buffer
from hulak.clients.gateway.library_log import logger_for
from hulak.clients.gateway.nepse_reads import NepseReads
from hulak.clients.gateway.open_streams import OpenStreams
from hulak.clients.gateway.own_answers import OwnAnswers
from hulak.clients.gateway.quote_source import PERIOD_S, QuoteSource
from hulak.clients.gateway.sessions import WINDOW_S, Sessions, now_ms
from hulak.clients.gateway.state_cache import StateCache
from hulak.clients.gateway.static_files import StaticFiles
from hulak.clients.gateway.tick_streams import TickStreams
from hulak.clients.gateway.tokens import Role
from hulak.clients.judge.supervisor_poll import SupervisorPoll
from hulak.clients.judge.verdict import Verdict

JUDGED_S = 1.0  # between two verdicts for the page, also without statistics of the broker
WAKE_S = 0.25  # longest sleep of the loop: a slow client may have caught up
STOP_S = 0.6  # limit for closing the connections at the end
PING_S = 20.0  # between two pings to a client, and limit for its pong
READ_AHEAD = 16  # messages of a client that are read ahead


class Gateway:
    """A running gateway; an async context manager.

    Args:
        settings: checked.
        home: the broker's folder.
        logger: of this process.
    """

    def __init__(self, settings: Settings, home: Path, logger: Log) -> None:
        self.settings = settings
        self.log = logger
        self.port = 0  # the port it listens on
        self.cache = StateCache()
        self.sessions = Sessions(self.cache, settings.gateway.client_bytes, self.spawn, logger)
        self.health = GatewayHealth(time.monotonic(), settings)
        self.supervisor = SupervisorPoll(home)
        self.source = BusSource(settings, home, self.cache, self._receive_stats)
        self.quotes = QuoteSource(settings, home, self.cache, logger)
        self.calls = BusCalls(settings, home)  # commands
        self.own = OwnAnswers(home, logger)
        self.streams = OpenStreams(settings, home)
        self.nepse = NepseReads(BusCalls(settings, home, threads=1), time.monotonic)
        self.journal_calls = BusCalls(settings, home)  # reads of the journal, which take longer
        self.admission = Admission(settings.gateway, home, logger, self.spawn)
        self.routes = HttpRoutes(
            self.admission.access,
            StaticFiles(),
            alive=lambda: self.health.alive(time.monotonic()),
            verdict=self._verdict,
            metrics=self._metrics,
            is_full=lambda: len(self.sessions.clients) >= settings.gateway.max_clients,
            on_wrong=lambda address: logger.warning("wrong token", address=address),
        )
        self.api_client = AsyncBusClient(settings, home)
        context = Context(settings, home, self.api_client, self.journal_calls, self._verdict, lambda: self.supervisor.rows)
        events = EventStreams(self.streams, logger, self.health.silence)
        self.api = Api(context, events, lambda: self.health.is_broker_up(time.monotonic()), logger)
        app = HttpApp(self.routes, self.api.app)
        self.http = self.admission.connections.http = HttpServer(app, logger_for(logger, "uvicorn"))
        self.member = Member(settings, home, logger, kind="gateway", name="gateway", collect=self.figures)
        self.turn_late_us = Histogram(WINDOW_S, time.monotonic())
        self.woken = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        gateway = self.settings.gateway
        self._server = await serve(
            self._serve_client,
            gateway.host,
            gateway.port,
            process_request=self._process_request,
            create_connection=cast("type[ServerConnection]", self.admission.connections.make),
            select_subprotocol=_select_subprotocol,
            compression=None,  # on the loopback it costs more time than it saves
            max_size=protocol.MAX_BYTES,
            max_queue=READ_AHEAD,
            open_timeout=HANDSHAKE_S,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            server_header=None,
            logger=logger_for(self.log, "websockets"),
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self.member.start()
        self.supervisor.start()
        self._loop_task = self.spawn(self._run_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._server is not None
        self._server.close(reason="the gateway stops")
        self.http.shut_down()
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.shield(self._server.wait_closed())
        except TimeoutError:
            self.admission.connections.abort()
            await self._server.wait_closed()
        self.admission.connections.abort()  # also connections with a request that is running
        self.api_client.close()
        await self.http.ended(STOP_S)
        self.admission.connections.close()
        await self.own.save()
        self.calls.close()
        self.journal_calls.close()
        self.nepse.calls.close()
        self.source.close()
        self.quotes.close()
        self.supervisor.stop()
        self.member.stop()

    async def run_until(self, stop: asyncio.Event) -> None:
        """Return when the event is set; an error of the loop before that is raised."""
        stopped = asyncio.ensure_future(stop.wait())
        done, _ = await asyncio.wait({stopped, self._loop_task}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done:
            task.result()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a task beside the loop; it is cancelled when the gateway stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Clients

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        client = cast("GatewayConnection", connection)
        answer = self.routes.process_request(request, client.peer, time.monotonic(), time.time())
        client.grant = answer.grant
        return answer.response

    async def _serve_client(self, connection: ServerConnection) -> None:
        client, request = cast("GatewayConnection", connection), connection.request
        grant = client.grant
        assert request is not None
        assert grant is not None
        refusal = None
        if not self.admission.access.origin(request.headers):
            refusal = (protocol.BAD_ORIGIN, "pages of this origin may not connect; see [gateway] origins")
        elif grant.role < Role.VIEW:
            refusal = (protocol.BAD_TOKEN, grant.refusal or f"the role {grant.role} does not include this")
        if refusal is not None:
            self.sessions.counts["refused"] += not grant.is_wrong  # those were counted before
            await close_connection(connection, *refusal)
            return
        self.admission.connections.admit(client)
        limit_send_buffer(connection)
        path = request.path.partition("?")[0]
        session = self._session(client, path)
        self.sessions.clients[session] = path
        try:
            with contextlib.suppress(ConnectionClosed):
                await session.run()
        finally:
            self.sessions.leave(session)

    def _end_revoked(self, now: float) -> None:
        """End the connections whose role is void; clients whose token has another role now should connect again."""
        for connection, is_changed in self.admission.update(now):
            code, reason = (CloseCode.SERVICE_RESTART, CHANGED) if is_changed else (protocol.BAD_TOKEN, REVOKED)
            if connection.is_socket:
                self.spawn(close_connection(connection, code, reason))
            else:  # a request to the API runs
                connection.abort()

    def _session(self, connection: GatewayConnection, path: str) -> Session:
        if path == FX:
            return FxSession(connection, self.sessions.turn_cache, self.journal_calls, self.woken, self.log)
        assert connection.grant is not None
        role, token = connection.grant.role, connection.grant.token
        greeting = protocol.hello(self._frame_ms(), now_ms(), role, None if token is None else token.name)
        streams = TickStreams(self.streams, connection.holder, partial(connection.send, text=True))
        more = self.woken, self.log, streams, self.own.answer, self.nepse, self.journal_calls
        return JsonSession(connection, self.sessions.fanout, self.calls, greeting, *more)

    # The loop

    def _frame_ms(self) -> float:
        value: Value = self.member.live["frame_ms"]
        return float(value)

    async def _run_loop(self) -> None:
        late_s = 0.0
        while True:
            now = time.monotonic()
            self.health.turn(now, late_s)
            self.member.beat()
            self._end_revoked(now)
            if self.source.request_ticks(self.sessions.needs_ticks()):
                self.spawn(self._load_last_ticks())
            self.quotes.request(self.sessions.needs_quotes())
            ticks = self.source.drain()
            self.quotes.drain(now)
            self.health.broker_silence_s = self.source.broker_silence_s(time.monotonic())
            changes = self.cache.take_silence(self.health.is_broker_silent())
            if changes or now - self.health.judged >= JUDGED_S:
                self._update_health(now)
            self.sessions.send_updates(ticks, now, broker_up=self.health.is_broker_up(now))
            rest_s = turn_pace.rest_s(self._frame_ms() / 1000, time.monotonic() - now)
            due = time.monotonic() + rest_s
            await asyncio.sleep(rest_s)
            late_s = max(0.0, time.monotonic() - due)
            self.turn_late_us.add(late_s * 1e6, due)
            if not self.quotes.has_more:
                limit_s = PERIOD_S if self.quotes.pending or self.sessions.lack_quotes() else WAKE_S
                await readable([*self.source.sockets(), *self.quotes.sockets()], self.woken, limit_s)

    def _receive_stats(self, stats: Any) -> None:
        self.health.take_stats(stats, now := time.monotonic())
        self.own.take_stats(stats, now)
        if self.own.save_due(now):
            self.spawn(self.own.save())
        self._update_health(now)

    def _update_health(self, now: float) -> None:
        """Put the verdict into the cache if it has changed."""
        self.health.judged = now
        if (report := self._verdict().as_dict()) != self.cache.last_health():
            self.cache.take_health(report)

    def _verdict(self) -> Verdict:
        return self.health.verdict(time.monotonic(), self.supervisor.rows)

    async def _load_last_ticks(self) -> None:
        """Load the last tick of each symbol from the journal, for symbols without a new tick."""
        with contextlib.suppress(BusError):
            last = await self.journal_calls.run(journal_reads.last_ticks)
            self.cache.take_ticks(tick for tick in last if tick.symbol not in self.cache.ticks)
            self.woken.set()

    # Reports

    def figures(self) -> dict[str, Any]:
        """Return the gateway's figures, in msgpack values."""
        now, sessions = time.monotonic(), self.sessions.figures(time.monotonic())
        return {
            **sessions,
            **self.admission.figures(),
            "refused": sessions["refused"] + self.routes.refused,
            "wrong_tokens": self.routes.wrong.total,
            "ticks_taken": self.source.ticks_taken,
            "lag_s": round(self.health.lag_s, 6),
            "turn_late_us": self.turn_late_us.quantiles(now),
            "turn_late_totals": self.turn_late_us.totals(),
        }

    def _metrics(self, accept: str) -> tuple[str, bytes]:
        health = self.health
        stats_age_s = None if health.stats_at is None else time.monotonic() - health.stats_at
        return metrics.answer(accept, health.stats or {}, stats_age_s, self.figures(), self._verdict())


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Select the one that says nothing: browsers require one if they offered any, and a token must not be sent back."""
    del connection
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def run_gateway(settings: Settings, home: Path, *, on_ready: Callable[[int], None] | None = None) -> None:
    """Run the process until SIGTERM, SIGINT or SIGHUP. Main thread only.

    Args:
        settings: checked.
        home: the broker's folder.
        on_ready: called with the port when the gateway listens.
    Raises:
        ConfigError: the address cannot be bound.
    """
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="gateway")
    lifecycle.raise_file_limit()

    async def run() -> None:
        stop = asyncio.Event()
        for number in lifecycle.stop_signals():
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with Gateway(settings, home, logger) as gateway:
            logger.info("gateway started", url=settings.gateway.url)
            if on_ready is not None:
                on_ready(gateway.port)
            await gateway.run_until(stop)
        logger.info("gateway stopped", **{name: gateway.sessions.counts[name] for name in ("frames", "too_slow")})

    try:
        asyncio.run(run())
    except OSError as error:
        address = f"{settings.gateway.host}:{settings.gateway.port}"
        raise ConfigError(f"setting gateway.port: {address} cannot be bound: {error}; choose another with --port") from error

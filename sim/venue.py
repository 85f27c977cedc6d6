"""A venue on a WebSocket, with the protocols of many venues, live or from a recording.

The paths and formats are in `sim.venue_streams`. A client with more than `buffer_bytes` unread is closed with 1013 (try again
later), so that a slow client does not affect the others. A client of OKX and similar venues is closed if it sends nothing for
`silence_s` seconds. For tests of its clients, a venue can be `quiet`, `hang`, and `drop` all connections.
"""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol, Self

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from hulak.sim.fx_market import Quote
from hulak.sim.recording import Recording
from hulak.sim.venue_crypto import CryptoClient
from hulak.sim.venue_forms import Form
from hulak.sim.venue_fx import FxClient, encode_heartbeat
from hulak.sim.venue_streams import VENUES, ClientStreams, client_of, encode_quote

Client = ClientStreams | FxClient | CryptoClient

TURN_S = 0.01  # between two steps of a live market
LONGEST_STEP_S = 0.25  # after a stall (a suspended machine) the market continues without catching up
STALLED_S = 10.0  # after which a client of a recording that reads nothing is closed
BUFFER_BYTES = 1 << 20  # per client: some seconds of a burst
CLOSE_S = 0.4  # for the closing handshake; the process must end within a second
HEARTBEAT_S = 15.0  # between heartbeats of the FX backend's protocol, as in the original
SILENCE_S = 30.0  # as OKX and Bitget
MESSAGES_PER_TURN = 64  # of a recording without waiting, before the event loop serves other clients


class QuoteSource(Protocol):
    """A source of live quotes: `sim.fx_market.Market`, `sim.recording.Playback`."""

    @property
    def now_s(self) -> float:
        """Seconds since its start."""
        ...

    def advance(self, dt_s: float) -> list[Quote]:
        """Advance the time and return the quotes of that time, oldest first."""
        ...


class Venue:
    """A running venue; made by `serve_venue`, an async context manager."""

    def __init__(
        self, source: QuoteSource | Recording, buffer_bytes: int, stalled_s: float, heartbeat_s: float, silence_s: float
    ) -> None:
        self._source = source
        self._silence_s = silence_s
        self._spoke: dict[ServerConnection, float] = {}  # when a client sent something last, monotonic seconds
        self._heartbeat_s = heartbeat_s
        self._hanging = False
        self._stalled_s = stalled_s
        self._buffer_bytes = buffer_bytes
        self._clients: dict[ServerConnection, Client] = {}
        self._connections: set[ServerConnection] = set()  # of all clients, also while they are closed
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._live: asyncio.Task[None] | None = None
        self.port = 0  # the bound port
        self.quiet = False  # send no quotes; heartbeats and replies continue
        self.quotes = 0  # number of quotes of a live source
        self.slow_clients = 0  # closed because they were too slow
        self.silent_clients = 0  # closed because they sent nothing
        self.received: deque[str | bytes] = deque(maxlen=1000)  # the last messages of clients

    async def start(self, host: str, port: int) -> None:
        """Bind and listen; for port 0 a free one, see `port`."""
        self._server = await serve(
            self._serve_client,
            host,
            port,
            process_request=_refuse_unknown_path,
            compression=None,  # costs more time than the loopback saves
            close_timeout=CLOSE_S,
            write_limit=min(self._buffer_bytes, 1 << 16),
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        if not isinstance(self._source, Recording):
            self._live = self._spawn(self._run_live(self._source))
            self._spawn(self._send_heartbeats())
            self._spawn(self._close_silent_clients())

    async def run_until(self, stop: asyncio.Event) -> None:
        """Wait until the event is set; raise any error of the live source."""
        stopped = asyncio.ensure_future(stop.wait())
        done, _ = await asyncio.wait({stopped, self._live or stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done:
            task.result()

    async def close(self) -> None:
        """Stop the source, close every client with 1001 and stop listening; takes less than a second."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._server.wait_closed())
        except TimeoutError:
            for connection in self._connections:
                connection.transport.abort()
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Injected failures

    def hang(self) -> None:
        """Accept connections and send nothing any more: no quotes, no replies, no pongs."""
        self._hanging = True
        for connection in self._connections:
            connection.transport.pause_reading()

    def drop(self) -> None:
        """Abort every connection, without a close frame."""
        for connection in self._connections:
            connection.transport.abort()

    # Life of a client

    async def _serve_client(self, connection: ServerConnection) -> None:
        request = connection.request
        client = client_of(request.path) if request else None
        if client is None:  # refused before the handshake
            return
        self._clients[connection] = client
        self._connections.add(connection)
        self._spoke[connection] = time.monotonic()
        replay = self._spawn(self._replay(connection, self._source)) if isinstance(self._source, Recording) else None
        if self._hanging:
            connection.transport.pause_reading()
        try:
            with suppress(ConnectionClosed):
                for text in [] if self._hanging else client.greeting():
                    await connection.send(text)
                async for message in connection:
                    self.received.append(message)
                    self._spoke[connection] = time.monotonic()
                    for reply in _replies(client, message):
                        await connection.send(reply)
        finally:
            self._spoke.pop(connection, None)
            self._clients.pop(connection, None)
            self._connections.discard(connection)
            if replay:
                replay.cancel()

    async def _close_slow(self, connection: ServerConnection) -> None:
        self._clients.pop(connection, None)
        self.slow_clients += 1
        try:
            async with asyncio.timeout(CLOSE_S):  # close() has no limit while unsent data blocks the close frame
                await connection.close(CloseCode.TRY_AGAIN_LATER, "too slow")
        except TimeoutError:
            connection.transport.abort()

    # A recording: each client gets all messages, from the first one

    async def _replay(self, connection: ServerConnection, recording: Recording) -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        with suppress(ConnectionClosed):
            for at, message in enumerate(recording.messages):
                wait_s = start + recording.due_s(message) - clock()
                if wait_s > 0 or at % MESSAGES_PER_TURN == 0:
                    await asyncio.sleep(max(0.0, wait_s))
                try:
                    async with asyncio.timeout(self._stalled_s):
                        await connection.send(message.text)  # waits while the client is behind
                except TimeoutError:
                    await self._close_slow(connection)
                    return
            if recording.close_at_end:
                await connection.close()

    # A live market: all clients get the same quotes at the same time

    async def _run_live(self, source: QuoteSource) -> None:
        clock = asyncio.get_running_loop().time
        last = clock()
        while True:
            await asyncio.sleep(TURN_S)
            now = clock()
            quotes = source.advance(min(now - last, LONGEST_STEP_S))
            last = now
            if self.quiet or self._hanging:
                continue
            wall_ms = time.time() * 1000
            for quote in quotes:
                self._publish(quote, int(wall_ms - (source.now_s - quote.time_s) * 1000))
            self._close_slow_clients()

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if not self._hanging:
                receivers = [connection for connection, client in self._clients.items() if client.form is Form.FX]
                broadcast(receivers, encode_heartbeat(time.time_ns() // 1_000_000))
                for connection, client in self._clients.items():
                    for text in client.heartbeat(0) if isinstance(client, CryptoClient) else []:
                        broadcast([connection], text)

    async def _close_silent_clients(self) -> None:
        """Close the clients of venues that want to be pinged, and were not."""
        while True:
            await asyncio.sleep(min(self._silence_s / 4, 1.0))
            before = time.monotonic() - self._silence_s
            silent = [
                connection
                for connection, client in self._clients.items()
                if isinstance(client, CryptoClient) and self._spoke.get(connection, before) < before
            ]
            for connection in silent:
                self.silent_clients += 1
                connection.transport.abort()

    def _publish(self, quote: Quote, time_ms: int) -> None:
        self.quotes += 1
        receivers: dict[tuple[Form, str], list[ServerConnection]] = {}
        for connection, client in self._clients.items():
            stream = client.stream_of(quote.symbol)
            if stream is not None and isinstance(client, CryptoClient):
                broadcast([connection], client.quote(quote, self.quotes, time_ms))
            elif stream is not None:
                receivers.setdefault((client.form, stream), []).append(connection)
        for (form, stream), connections in receivers.items():
            broadcast(connections, encode_quote(form, stream, quote, self.quotes, time_ms))

    def _close_slow_clients(self) -> None:
        slow = [connection for connection in self._clients if connection.transport.get_write_buffer_size() > self._buffer_bytes]
        for connection in slow:
            self._clients.pop(connection)  # before the closing handshake, so that it gets no more quotes
            self._spawn(self._close_slow(connection))

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _replies(client: Client, message: str | bytes) -> list[str]:
    replies = client.receive(message)
    return replies if isinstance(replies, list) else [replies] if replies is not None else []


def _refuse_unknown_path(connection: ServerConnection, request: Request) -> Response | None:
    if client_of(request.path) is not None:
        return None
    return connection.respond(
        HTTPStatus.NOT_FOUND, f"paths are /ws/<stream>, /stream?streams=<stream>/.., /json, /fx, /{', /'.join(VENUES)}\n"
    )


async def serve_venue(
    host: str,
    port: int,
    source: QuoteSource | Recording,
    *,
    buffer_bytes: int = BUFFER_BYTES,
    stalled_s: float = STALLED_S,
    heartbeat_s: float = HEARTBEAT_S,
    silence_s: float = SILENCE_S,
) -> Venue:
    """Start a venue in the running event loop; close it with `Venue.close` or `async with`.

    Args:
        host: address to listen on.
        port: 0 for a free one, see `Venue.port`.
        source: a live source of quotes, or a recording that every client gets, independent of its subscriptions.
        buffer_bytes: most unsent bytes per client of a live source.
        stalled_s: seconds after which a client of a recording that reads nothing is closed.
        heartbeat_s: seconds between heartbeats in the protocols that have them.
        silence_s: seconds after which a client that sends nothing is closed, where the venue wants to be pinged.
    Raises:
        OSError: the address cannot be bound.
    """
    venue = Venue(source, buffer_bytes, stalled_s, heartbeat_s, silence_s)
    await venue.start(host, port)
    return venue


def run_venue(
    host: str,
    port: int,
    source: QuoteSource | Recording,
    *,
    buffer_bytes: int = BUFFER_BYTES,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Run a venue until SIGTERM or SIGINT; returns within a second of the signal. Main thread only.

    Args:
        on_ready: called once with the bound port; the others as in `serve_venue`.
    Raises:
        OSError: the address cannot be bound.
    """

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with await serve_venue(host, port, source, buffer_bytes=buffer_bytes) as venue:
            if on_ready:
                on_ready(venue.port)
            await venue.run_until(stop)

    asyncio.run(run())

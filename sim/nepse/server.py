"""The simulated exchange's web server: HTTP/1.1 on loopback, for the demo and the tests.

Ending it: `stop()` only sets a flag, so a signal handler or any thread may call it; the accepting thread sees it within
a tenth of a second, closes the port and every connection, and `wait()` returns. For a command:

    server = serve("127.0.0.1", 8800)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    run(server, ready=lambda: print(server.url))
"""

import contextlib
import socket
import socketserver
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from sim.nepse.door import Door, Reply
from sim.nepse.exchange import Hours

LOOK_S = 0.1  # how often the accepting thread looks whether to stop
LONGEST_BODY = 65_536  # a client's POST carries one small object
IDLE_S = 60.0  # a kept connection without requests is closed


class NepseServer:
    """A running exchange; made by `serve`.

    Attributes:
        port: the port that is bound, also when 0 was asked for.
        url: "http://host:port", to use as a client's base URL.
    """

    def __init__(
        self,
        host: str,
        port: int,
        door: Door,
        *,
        delay_s: float,
        wall: Callable[[], float],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._door = door
        self._delay_s = delay_s
        self._wall = wall
        self._clock = clock
        self._sleep = sleep
        self._stopping = False
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._planned: list[tuple[str, Reply]] = []
        self._http = _Http((host, port), self._answer)
        self._thread = threading.Thread(target=self._accept, name="nepse-sim", daemon=True)
        self.port: int = self._http.server_address[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Begin to answer, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; returns at once, may be called from a signal handler, any thread, and more than once."""
        self._stopping = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended; False if it had not in `timeout_s` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop and wait."""
        self.stop()
        self.wait()

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """How many requests were answered, by (path without query, status); a copy."""
        with self._lock:
            return Counter(self._counts)

    @property
    def by_status(self) -> Counter[int]:
        """How many requests were answered, by status."""
        counts: Counter[int] = Counter()
        for (_, status), count in self.counts.items():
            counts[status] += count
        return counts

    @property
    def by_path(self) -> Counter[str]:
        """How many requests were answered, by path without query."""
        counts: Counter[str] = Counter()
        for (path, _), count in self.counts.items():
            counts[path] += count
        return counts

    def plan(self, path: str, reply: Reply, times: int = 1) -> None:
        """Answer the next `times` requests of a path (without query) with `reply`, whoever asks: to play a failure."""
        with self._lock:
            self._planned.extend([(path, reply)] * times)

    def forget_sessions(self) -> None:
        """Take no token any more, as after a restart of the exchange."""
        self._door.forget_sessions()

    def _accept(self) -> None:
        while not self._stopping:
            self._http.handle_request()
        self._http.server_close()
        self._http.close_connections()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if self._delay_s > 0:
            self._sleep(self._delay_s)
        path = handler.path.partition("?")[0]
        reply = self._next_planned(path) or self._door.answer(
            handler.command,
            handler.path,
            handler.headers.get("Authorization", ""),
            body,
            now=self._clock(),
            now_s=self._wall(),
        )
        if reply.delay_s > 0:
            self._sleep(reply.delay_s)
        with self._lock:
            self._counts[path, reply.status] += 1
        return reply

    def _next_planned(self, path: str) -> Reply | None:
        with self._lock:
            for place, (wanted, reply) in enumerate(self._planned):
                if wanted == path:
                    del self._planned[place]
                    return reply
        return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    timeout = LOOK_S
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        answer: Callable[[BaseHTTPRequestHandler, bytes], Reply],
    ) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own would look up the name of the address, which can take seconds without a name server
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # the client may have been quicker
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about connections that broke: clients come and go. Anything else is a bug of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    server: _Http

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:9]) > LONGEST_BODY:
            self.close_connection = True  # where the body ends, and the next request begins, is not known
            self._send(Reply(400, b"", "text/plain"))
            return
        self._send(self.server.answer(self, self.rfile.read(int(length))))

    def _send(self, reply: Reply) -> None:
        if reply.cut:
            # lingering for no time at all makes the close a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay silent: requests are counted instead."""


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    seed: int = 1,
    token_lifetime_s: float = 60.0,
    delay_s: float = 0.0,
    clock_offset_s: float = 0.0,
    hours: Hours = "open",
    market_id: int = 80,
    wall: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NepseServer:
    """Bind an exchange; `start()`, a `with` statement or `run` makes it answer.

    Args:
        host: address to bind.
        port: 0 for any free one.
        seed: of companies, trades, tokens and salts.
        token_lifetime_s: how long an access token is taken; a refresh token an hour.
        delay_s: how long every answer is held back.
        clock_offset_s: how far the exchange's clock is ahead of this machine's.
        hours: "open" and "closed" at any time, "clock" for the real sessions.
        market_id: `id` of market-open, 0..99.
        wall: seconds since 1970 UTC.
        clock: monotonic seconds.
        sleep: waits for some seconds; called by several threads.
    Raises:
        OSError: the port cannot be bound.
    """
    door = Door(seed=seed, token_lifetime_s=token_lifetime_s, hours=hours, market_id=market_id)
    return NepseServer(host, port, door, delay_s=delay_s, wall=lambda: wall() + clock_offset_s, clock=clock, sleep=sleep)


def run(server: NepseServer, ready: Callable[[], None] | None = None) -> None:
    """Answer until `server.stop()`; blocks.

    Args:
        server: of `serve`.
        ready: called once when connections are taken.
    """
    server.start()
    if ready is not None:
        ready()
    server.wait()

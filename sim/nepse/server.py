"""The simulated exchange's web server: HTTP/1.1 on loopback, with TLS if wanted, for the demo and the tests.

`stop()` only sets a flag, so that a signal handler or any thread may call it; the accepting thread checks it every tenth of a
second, closes the port and every connection, and `wait()` returns. In a command:

    server = serve("127.0.0.1", 8800)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    run(server, ready=lambda: print(server.url))
"""

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self

from hulak.sim.nepse.exchange import CONTRACTS_A_DAY, Hours
from hulak.sim.nepse.fault_injection import FaultInjection
from hulak.sim.nepse.request_gate import Reply, RequestGate
from hulak.sim.nepse.request_log import Visit, Visits
from hulak.sim.nepse.web import HttpServer

CLOSED = Reply(200, b"", cut=True)  # of a request beyond a burst


class NepseServer:
    """A running exchange; made by `serve`.

    Attributes:
        port: the bound port, also if port 0 was given.
        url: "http://host:port" or "https://host:port", the base URL for clients.
        visits: log of all requests.
    """

    def __init__(
        self,
        host: str,
        port: int,
        gate: RequestGate,
        *,
        visits: Visits,
        faults: FaultInjection,
        delay_s: float,
        burst: int,
        tls: ssl.SSLContext | None,
        wall: Callable[[], float],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._gate = gate
        self.visits = visits
        self._faults = faults
        self._delay_s = delay_s
        self._burst = burst
        self._under_way = 0
        self._wall = wall
        self._clock = clock
        self._sleep = sleep
        self._stopping = False
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._planned: list[tuple[str, Reply]] = []
        self._http = HttpServer((host, port), self._answer, tls)
        self._thread = threading.Thread(target=self._accept, name="nepse-sim", daemon=True)
        self.port: int = self._http.server_address[1]
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    def start(self) -> None:
        """Start to serve requests, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Request the stop; returns immediately. Safe in signal handlers and in any thread; repeatable."""
        self._stopping = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has stopped; return False after `timeout_s` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and wait."""
        self.stop()
        self.wait()

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """Number of responses by (path without query, status); a copy."""
        with self._lock:
            return Counter(self._counts)

    @property
    def by_status(self) -> Counter[int]:
        """Number of responses by status."""
        counts: Counter[int] = Counter()
        for (_, status), count in self.counts.items():
            counts[status] += count
        return counts

    @property
    def by_path(self) -> Counter[str]:
        """Number of responses by path without query."""
        counts: Counter[str] = Counter()
        for (path, _), count in self.counts.items():
            counts[path] += count
        return counts

    def plan(self, path: str, reply: Reply, times: int = 1) -> None:
        """Respond to the next `times` requests of a path (without query) with `reply`, to inject a failure."""
        with self._lock:
            self._planned.extend([(path, reply)] * times)

    def forget_sessions(self) -> None:
        """Invalidate all tokens, as a restart of the exchange does."""
        self._gate.forget_sessions()

    def _accept(self) -> None:
        while not self._stopping:
            self._http.handle_request()
        self._http.server_close()
        self._http.close_connections()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> Reply:
        with self._lock:
            self._under_way += 1
            too_many = 0 < self._burst < self._under_way
        try:
            return CLOSED if too_many else self._reply_to(handler, body)
        finally:
            with self._lock:
                self._under_way -= 1

    def _reply_to(self, handler: BaseHTTPRequestHandler, body: bytes) -> Reply:
        path, authorization = handler.path.partition("?")[0], handler.headers.get("Authorization", "")
        visit = Visit(self._clock(), handler.client_address[:2], authorization.removeprefix("Salter "), path)
        refusal = self.visits.enter(visit)
        if self._delay_s > 0:
            self._sleep(self._delay_s)
        reply = (
            refusal
            or self._next_planned(path)
            or self._faults.draw()
            or self._gate.answer(handler.command, handler.path, authorization, body, now=self._clock(), now_s=self._wall())
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
    trades_per_day: int = CONTRACTS_A_DAY,
    limit: int = 0,
    burst: int = 0,
    tls: ssl.SSLContext | None = None,
    fault_share: float = 0.0,
    faults: tuple[str, ...] = (),
    wall: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NepseServer:
    """Bind an exchange; `start()`, a `with` statement or `run` starts it.

    Args:
        host: address to bind.
        port: 0 for any free one.
        seed: seed of companies, trades, tokens and salts.
        token_lifetime_s: seconds for which an access token is valid; a refresh token is valid for an hour.
        delay_s: seconds before every response.
        clock_offset_s: seconds that the exchange's clock is ahead of this machine's.
        hours: "open" and "closed" at any time, "clock" for the real sessions.
        market_id: `id` of market-open, 0..99.
        trades_per_day: contracts of a whole day; a real day has 40,000 to 210,000.
        limit: most requests per session and per connection in any second, more are refused with 429; 0: no limit.
        burst: most requests at the same time, the connection of each further one is closed without a response; 0: no limit.
        tls: serve HTTPS with this context, see `sim.nepse.tls`; HTTP without one.
        fault_share: share of requests with an injected fault, 0 to 1.
        faults: kinds of faults, see `sim.nepse.fault_injection`; all kinds if empty.
        wall: seconds since 1970 UTC.
        clock: monotonic seconds.
        sleep: sleeps for the given seconds; called by several threads.
    Raises:
        OSError: the port cannot be bound.
        ValueError: a kind of fault is unknown.
    """
    gate = RequestGate(
        seed=seed, token_lifetime_s=token_lifetime_s, hours=hours, market_id=market_id, trades_per_day=trades_per_day
    )
    injection = FaultInjection(fault_share, faults, seed, gate.forget_sessions)
    return NepseServer(
        host,
        port,
        gate,
        visits=Visits(limit),
        faults=injection,
        delay_s=delay_s,
        burst=burst,
        tls=tls,
        wall=lambda: wall() + clock_offset_s,
        clock=clock,
        sleep=sleep,
    )


def run(server: NepseServer, ready: Callable[[], None] | None = None) -> None:
    """Serve requests until `server.stop()`; blocks.

    Args:
        server: result of `serve`.
        ready: called once when the server accepts connections.
    """
    server.start()
    if ready is not None:
        ready()
    server.wait()

"""A connection while it speaks HTTP: uvicorn's protocol, on a connection that the gateway has accepted.

A request for a WebSocket ends that: the connection goes on as one of the library `websockets`, so that a message of a WebSocket
costs nothing of HTTP. uvicorn lets a client take any time for the head of a request; here it has `HEAD_S`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD_S = 5.0  # limit for the head of a request, from the connection or the head's first byte on
IDLE_S = 15  # between two requests of a connection
HEAD_BYTES = 1 << 15

App = Callable[..., Any]


class Owner(Protocol):
    """The connection as the gateway has accepted it."""

    def abort(self) -> None:
        """End it at once."""

    def begin_socket(self, head: bytes) -> None:
        """Continue as a WebSocket, whose request begins with `head`."""

    def ended(self) -> None:
        """Forget it: it has ended."""


@dataclass
class HttpServer:
    """The server of all connections.

    Args:
        app: of ASGI; the owner of a connection is in the scope's `state`, as `connection`.
        logger: for errors of uvicorn and of the app.
    """

    app: App
    logger: logging.Logger
    state: ServerState = field(default_factory=ServerState)

    def __post_init__(self) -> None:
        self.config = Config(
            self.app,
            http=HttpConnection,
            ws=HttpConnection,  # never made: `handle_websocket_upgrade` continues the connection
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_S,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
        self.config.load()

    def shut_down(self) -> None:
        """End the connections: at once, or after the response to a request that is running."""
        for connection in list(self.state.connections):
            connection.shutdown()

    async def ended(self, limit_s: float) -> None:
        """Wait until the requests of ended connections have ended, at most `limit_s` seconds."""
        if self.state.tasks:
            await asyncio.wait(list(self.state.tasks), timeout=limit_s)


class HttpConnection(H11Protocol):
    """A connection that speaks HTTP.

    Args:
        server: of all connections.
        owner: of this one.
    """

    def __init__(self, server: HttpServer, owner: Owner) -> None:
        super().__init__(server.config, server.state, {"connection": owner})
        self.logger = server.logger
        self._owner = owner
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._limit_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self.transport.get_protocol() is self:
            self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._drop_timer()
        self._owner.ended()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Continue as a WebSocket, with what has been received so far."""
        self._drop_timer()
        self.connections.discard(self)
        fields = b"".join(b"%b: %b\r\n" % (name, value) for name, value in self.headers)
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (event.method, event.target, fields)
        self._owner.begin_socket(head + self.conn.trailing_data[0])

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP. Where a response has begun, only the end of the connection is left."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        with contextlib.suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()

    def _limit_head(self) -> None:
        """Limit the time for the head of a request, if one is awaited or has begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._drop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._owner.abort)

    def _drop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

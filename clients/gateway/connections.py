"""The connections to the gateway's port: the user of each, TLS, and the bound of those that are not clients yet.

asyncio spends 256 KiB on each connection with TLS, from its first byte on. So a connection is accepted without TLS and upgraded:
until it is that of a client, it can then be dropped at any time. Each begins with HTTP; a request may make it a WebSocket.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

from websockets.asyncio.server import ServerConnection

from hulak.clients.gateway.access import Access, Grant, Peer
from hulak.clients.gateway.certificate import Certificate
from hulak.clients.gateway.http_connection import HttpConnection, HttpServer
from hulak.clients.gateway.peer_users import PeerUsers
from hulak.clients.gateway.tokens import Role

PENDING = 256  # connections that are not those of clients; a further one ends the oldest of them
HANDSHAKE_S = 5.0  # limit for TLS, and then for the request and its response
CLOSE_S = 5.0  # limit for a client to receive the end of a response

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Connections:
    """All open connections.

    Args:
        access: says whether the user of a connection must be known.
        certificate: for TLS; None: without it.
        spawn: runs a task beside the loop.
    """

    def __init__(self, access: Access, certificate: Certificate | None, spawn: Spawn) -> None:
        self.access = access
        self.certificate = certificate
        self.spawn = spawn
        self.http: HttpServer  # serves each connection until it is a WebSocket
        self.users = PeerUsers()
        self.open: set[GatewayConnection] = set()
        self.dropped = 0  # to make room for newer ones
        self._pending: dict[GatewayConnection, None] = {}  # the oldest first

    def make(self, *args: Any, **options: Any) -> "GatewayConnection":
        """Make a connection; see `ServerConnection`."""
        return GatewayConnection(self, *args, **options)

    def enter(self, connection: "GatewayConnection", transport: asyncio.Transport) -> None:
        """Add a new connection, and request its user before a byte is read."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer:  # else it has ended already
            user = self.users.user_of(peer[:2], local[:2]) if self.access.asks_for_user and local else None
            connection.peer = Peer(peer[0], user)
        self.open.add(connection)
        self._pending[connection] = None
        if len(self._pending) > PENDING:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            self.dropped += 1
            oldest.abort()

    def admit(self, connection: "GatewayConnection") -> None:
        """Count a connection as that of a client from now on."""
        self._pending.pop(connection, None)

    def wait(self, connection: "GatewayConnection") -> None:
        """Count a connection as pending again, as the newest one."""
        if connection in self.open:
            self._pending[connection] = None

    def void(self, time: float) -> list[tuple["GatewayConnection", Grant]]:
        """Remove the role of each client whose grant is void at `time` (seconds since 1970 UTC); returns the old grants."""
        ended = []
        for connection in self.open:
            grant = connection.grant
            if grant is not None and grant.role is not Role.NONE and not self.access.holds(grant, time):
                connection.grant = Grant(Role.NONE, grant.by, refusal="the token was revoked, or has expired")
                ended.append((connection, grant))
        return ended

    def leave(self, connection: "GatewayConnection") -> None:
        """Forget a connection that has ended."""
        self.open.discard(connection)
        self._pending.pop(connection, None)

    def abort(self) -> None:
        """End all connections at once."""
        for connection in self.open:
            connection.abort()

    def close(self) -> None:
        """Close the socket to the kernel."""
        self.users.close()


class GatewayConnection(ServerConnection):
    """A connection with its peer and its grant.

    Args:
        connections: all of them.
        args: see `ServerConnection`.
        options: likewise.
    """

    def __init__(self, connections: Connections, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.peer = Peer("")
        self.grant: Grant | None = None  # of its request
        self._connections = connections
        self._plain: asyncio.Transport
        self.is_socket = False

    @property
    def holder(self) -> str:
        """Return whose streams its streams count as: those of its token, or of its address without one."""
        token = None if self.grant is None else self.grant.token
        return f"address {self.peer.address}" if token is None else f"token {token.name}"

    def abort(self) -> None:
        """End it at once, whatever has been sent."""
        self._plain.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._plain = cast("asyncio.Transport", transport)
        self._connections.enter(self, self._plain)
        if self._connections.certificate is None:
            self._begin_http(self._plain)
        else:
            self._connections.spawn(self._upgrade(self._connections.certificate.context))

    async def _upgrade(self, tls: ssl.SSLContext) -> None:
        """Do the handshake of TLS; the connection begins after it."""
        early, start_tls = EarlyEvents(), asyncio.get_running_loop().start_tls
        try:
            secure = await start_tls(
                self._plain, early, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=CLOSE_S
            )
        except (OSError, ssl.SSLError):  # no TLS, no common version, too late, or ended
            secure = None
        if secure is None:
            self._connections.leave(self)
            self.abort()
            return
        early.replay(self._begin_http(secure))

    def _begin_http(self, transport: asyncio.Transport) -> HttpConnection:
        """Serve HTTP on it until a request asks for a WebSocket."""
        self.transport = transport
        http = HttpConnection(self._connections.http, self)
        transport.set_protocol(http)
        http.connection_made(transport)
        return http

    def begin_socket(self, head: bytes) -> None:
        """Continue as a WebSocket, whose request begins with `head`."""
        self.is_socket = True
        self.transport.set_protocol(self)
        super().connection_made(self.transport)
        self.data_received(head)

    def hold(self, grant: Grant) -> None:
        """Count it as that of a client with a grant, while a request runs."""
        self.grant = grant
        self._connections.admit(self)

    def release(self) -> None:
        """Count it as pending again, until its next request."""
        self.grant = None
        self._connections.wait(self)

    def ended(self) -> None:
        """Forget the connection, which has ended."""
        self._connections.leave(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.ended()
        super().connection_lost(exc)


class EarlyEvents(asyncio.Protocol):
    """Keeps what a client sends with the end of its handshake, until the connection has begun."""

    def __init__(self) -> None:
        self._events: list[Callable[[asyncio.Protocol], object]] = []

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._events.append(lambda protocol: protocol.data_received(data))

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._events.append(lambda protocol: protocol.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._events.append(lambda protocol: protocol.connection_lost(exc))

    def replay(self, protocol: asyncio.Protocol) -> None:
        """Call the methods of the connection's protocol."""
        for event in self._events:
            event(protocol)

"""The gateway's application of ASGI: it answers what `HttpRoutes` answers at once, and leaves the rest to the API."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from hulak.clients.gateway.access import Peer
from hulak.clients.gateway.http_routes import HttpRoutes, not_upgraded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpApp:
    """Answers the requests of all connections.

    Args:
        routes: the rules of access, and the answers that need nothing of the bus.
    """

    def __init__(self, routes: HttpRoutes) -> None:
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the specification of ASGI."""
        del receive  # bodies are not read
        peer: Peer = scope["state"]["connection"].peer
        answer = self.routes.process_request(request_of(scope), peer, time.monotonic(), time.time())
        await respond(answer.response or not_upgraded(), send)  # None: `Upgrade` without `Connection: upgrade`


def request_of(scope: Scope) -> Request:
    """Return the request of a scope, with its target as it was sent."""
    query: bytes = scope["query_string"]
    target = scope["raw_path"].decode("ascii") + (f"?{query.decode('ascii')}" if query else "")
    fields = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(target, fields, scope["method"])


async def respond(response: Response, send: Send) -> None:
    """Send a response."""
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.raw_items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
    await send({"type": "http.response.body", "body": response.body or b""})

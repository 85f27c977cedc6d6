"""The gateway's application of ASGI: it answers what `HttpRoutes` answers at once, and leaves the rest to the API."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from hulak.clients.gateway.access import Grant
from hulak.clients.gateway.api.app import problem_response
from hulak.clients.gateway.api.problems import Problem
from hulak.clients.gateway.connections import GatewayConnection
from hulak.clients.gateway.http_routes import HttpRoutes, is_api, not_upgraded
from hulak.clients.gateway.tokens import Role

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpApp:
    """Answers the requests of all connections.

    Args:
        routes: the rules of access, and the answers that need nothing of the bus.
        api: the application of `/api/v1`.
    """

    def __init__(self, routes: HttpRoutes, api: App) -> None:
        self.routes = routes
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the specification of ASGI."""
        connection: GatewayConnection = scope["state"]["connection"]
        request = request_of(scope)
        answer = self.routes.process_request(request, connection.peer, time.monotonic(), time.time())
        if not is_api(request.path.partition("?")[0]):
            await respond(answer.response or not_upgraded(), send)  # None: `Upgrade` without `Connection: upgrade`
        elif answer.response is not None:
            await problem_response(_problem(answer.response))(scope, receive, send)
        else:
            assert answer.grant is not None
            await self._serve(connection, answer.grant, scope, receive, send)

    async def _serve(self, connection: GatewayConnection, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to the API; while it runs, its connection is that of a client, and ends with its token."""
        scope["state"]["grant"] = grant
        if grant.role is Role.NONE:
            await self.api(scope, receive, send)
            return
        connection.hold(grant)
        try:
            await self.api(scope, receive, send)
        finally:
            connection.release()


def _problem(response: Response) -> Problem:
    """Return a refusal of `HttpRoutes` as a problem."""
    status = HTTPStatus(response.status_code)
    code = {HTTPStatus.FORBIDDEN: "FORBIDDEN", HTTPStatus.TOO_MANY_REQUESTS: "BUSY"}.get(status, "BAD_REQUEST")
    kept = {name: value for name, value in response.headers.raw_items() if name == "Retry-After"}
    return Problem(status, code, (response.body or b"").decode().strip(), kept)


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

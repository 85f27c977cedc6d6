"""The application of `/api/v1`: it routes a request to its operation, and makes the response."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hulak.bus.errors import BusError, ConfigError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.clients.gateway.access import Grant
from hulak.clients.gateway.api import openapi
from hulak.clients.gateway.api.context import Context
from hulak.clients.gateway.api.events import EventResponse, EventStreams
from hulak.clients.gateway.api.operation import BASE, Operation
from hulak.clients.gateway.api.operations import BY, EVENTS, OPERATIONS
from hulak.clients.gateway.api.problems import MEDIA, Problem, bad, problem_of
from hulak.clients.gateway.api.request_reader import MOST_BYTES, arguments_of, decode_body, fields_of
from hulak.clients.gateway.tokens import Role
from hulak.clients.json_text import to_json

BODY_S = 10.0  # limit for a request's body
AT_ONCE = 64  # requests that are served at a time
KEY, KEY_HEADER = "key", "Idempotency-Key"
JSON = "application/json"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """Serves the operations.

    Args:
        context: of the operations.
        streams: of events.
        broker_up: returns whether the broker's statistics are recent.
        log: of this process.
    """

    def __init__(self, context: Context, streams: EventStreams, broker_up: Callable[[], bool], log: Log) -> None:
        self.context = context
        self.streams = streams
        self.broker_up = broker_up
        self.log = log
        self.running = 0
        paths: dict[str, dict[str, Operation]] = {}
        for operation in (*OPERATIONS, EVENTS):
            paths.setdefault(operation.path, {})[operation.method] = operation
        routes = [Route(BASE + path, self._endpoint(served), methods=list(served)) for path, served in paths.items()]
        routes.append(Route(f"{BASE}/openapi.json", self._openapi, methods=["GET"]))
        routes.append(Route(BASE, self._page, methods=["GET"]))
        handlers: dict[Any, Any] = {HTTPException: _not_served, Problem: _refused}
        self.app = Starlette(routes=routes, exception_handlers=handlers)
        self.app.router.redirect_slashes = False

    def _endpoint(self, served: dict[str, Operation]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            operation = served[request.method if request.method in served else "GET"]  # HEAD is a GET without its body
            try:
                return await self._serve(operation, request)
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)  # the client has gone

        return endpoint

    async def _serve(self, operation: Operation, request: Request) -> Response:
        grant: Grant = request.state.grant
        _require(operation.need, grant)
        if self.running >= AT_ONCE:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "BUSY", f"{self.running} requests are running", {"Retry-After": "1"})
        self.running += 1
        try:
            args = await self._arguments(operation, request)
            if BY in fields_of(operation.args):
                args[BY] = f"gateway {grant.by}" if grant.token is not None else "gateway"
            if operation is EVENTS:
                opened = self.streams.open(args, request.headers.get("Last-Event-ID"), request.state.connection)
                return EventResponse(self.streams, opened)
            return await self._done(operation, args)
        finally:
            self.running -= 1

    async def _done(self, operation: Operation, args: dict[str, Any]) -> Response:
        try:
            if operation.work is not None:
                value = await operation.work(self.context, args)
            else:
                value = await self.context.call(operation.service, args)
            return Response(to_json(value) + "\n", operation.status, HEADERS, JSON)
        except Problem:
            raise
        except BusError as error:
            raise problem_of(error, broker_up=self.broker_up()) from error
        except (ProtocolError, ConfigError) as error:
            raise bad(str(error)) from error
        except (OverflowError, ValueError) as error:  # a value that msgpack cannot hold
            raise bad(f"the request cannot be sent: {error}") from error
        except Exception as error:
            self.log.exception("request failed", operation=operation.name)
            text = f"internal error of the gateway: {type(error).__name__}; see its log"
            raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", text) from error

    async def _arguments(self, operation: Operation, request: Request) -> dict[str, Any]:
        query = request.query_params.multi_items()
        path: dict[str, str] = request.path_params
        if not operation.has_body:
            if any(name == BY for name, _ in query) and BY in fields_of(operation.args):
                raise bad("argument by is set by the gateway")
            return arguments_of(operation.args, path, query, {})
        if query:
            raise bad(f"query parameter {query[0][0][:60]!r} is unknown: the arguments of a {operation.method} are in its body")
        body = decode_body(await read_body(request))
        if BY in fields_of(operation.args) and BY in body:
            raise bad("argument by is set by the gateway")
        key = request.headers.get(KEY_HEADER)
        if key is not None and KEY in fields_of(operation.args):
            if body.get(KEY, key) != key:
                raise bad(f"argument {KEY} and the header {KEY_HEADER} differ")
            body = {**body, KEY: key}
        return arguments_of(operation.args, path, (), body)

    async def _openapi(self, request: Request) -> Response:
        del request
        return Response(openapi.document(), HTTPStatus.OK, HEADERS, JSON)

    async def _page(self, request: Request) -> Response:
        del request
        return HTMLResponse(openapi.page(), HTTPStatus.OK, {**HEADERS, "Content-Security-Policy": PAGE_POLICY})


async def read_body(request: Request) -> bytes:
    """Return the body of a request that has JSON.

    Raises:
        Problem: it is another type, is too large, or does not come in time.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    text = f"the body has more than {MOST_BYTES:,} bytes"
                    raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE", text, {"Connection": "close"})
    except TimeoutError as error:
        text = f"the body did not come within {BODY_S:g} s"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "TIMEOUT", text, {"Connection": "close"}) from error
    if body and kind != JSON:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "BAD_BODY", f"Content-Type is {kind[:60]!r}, must be {JSON}")
    return bytes(body)


def problem_response(problem: Problem) -> Response:
    """Return the response that says a problem."""
    return Response(to_json(problem.members()) + "\n", problem.status, {**HEADERS, **problem.headers}, MEDIA)


def _require(need: Role, grant: Grant) -> None:
    if grant.role >= need:
        return
    if grant.role is Role.NONE:
        text = f"{grant.refusal or 'a token is needed'}; `hulak gateway token new` makes one, send it as Authorization: Bearer"
        raise Problem(HTTPStatus.UNAUTHORIZED, "NO_TOKEN", text, {"WWW-Authenticate": "Bearer"})
    raise Problem(
        HTTPStatus.FORBIDDEN, "FORBIDDEN", f"this needs a token with the role {need}; this one has the role {grant.role}"
    )


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Problem)
    return problem_response(error)


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    what = f"{request.method} {request.url.path[:200]}"
    code = "NOT_FOUND" if status is HTTPStatus.NOT_FOUND else "BAD_METHOD"
    headers = error.headers or {}
    methods = f"this path has {', '.join(sorted(headers['Allow'].split(', ')))}; " if "Allow" in headers else ""
    return problem_response(Problem(status, code, f"{what} is not served; {methods}{BASE}/openapi.json lists all", headers))

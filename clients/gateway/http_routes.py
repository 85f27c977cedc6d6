"""The gateway's HTTP routes: the response to each request, and which requests become WebSockets. Pure, but for the files."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from hulak.clients.gateway.access import Access, Grant, Peer
from hulak.clients.gateway.static_files import StaticFiles, page_headers
from hulak.clients.gateway.tokens import Role
from hulak.clients.gateway.wrong_tokens import WrongTokens
from hulak.clients.judge.verdict import Verdict

WS, FX = "/ws", "/fx"
API = "/api"
API_DOCUMENTS = ("/api/v1", "/api/v1/openapi.json")  # without a token: they have nothing of the bus
PROBES = ("/healthz", "/readyz")
LOGIN, LOGOUT = "/login", "/logout"
JSON = "application/json"
ONCE = ("Host", "Origin", "Authorization", "Cookie", "Upgrade", "If-None-Match")  # headers that may occur once
PLAIN = "text/plain; charset=utf-8"
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Asking:
    """A request and its sender.

    Args:
        method: such as GET.
        path: without its query.
        headers: of the request, each name once.
        peer: of its connection.
        now: monotonic seconds.
        time: seconds since 1970 UTC.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    peer: Peer
    now: float
    time: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request.

    Args:
        response: None continues the WebSocket's handshake, or the request to the API.
        grant: of the client, as far as it was looked up.
    """

    response: Response | None
    grant: Grant | None = None


@dataclass(slots=True)
class HttpRoutes:
    """Answers HTTP requests.

    Args:
        access: the access rules.
        files: the page's files.
        alive: lists the reasons to fail `/healthz`.
        verdict: returns the verdict for `/readyz`.
        metrics: returns type and body of `/metrics`, for a request's header Accept.
        is_full: returns whether the maximum of WebSocket clients is reached.
        wrong: counts wrong tokens.
        on_wrong: called with the address that sent a wrong token, unless it has sent too many.
    """

    access: Access
    files: StaticFiles
    alive: Callable[[], list[str]]
    verdict: Callable[[], Verdict]
    metrics: Callable[[str], tuple[str, bytes]]
    is_full: Callable[[], bool]
    on_wrong: Callable[[str], None]
    wrong: WrongTokens = field(default_factory=WrongTokens)
    refused: int = 0

    def process_request(self, request: Request, peer: Peer, now: float, time: float) -> Answer:
        """Answer a request.

        Args:
            request: as received.
            peer: of its connection.
            now: monotonic seconds.
            time: seconds since 1970 UTC.
        """
        repeated = [name for name in ONCE if len(request.headers.get_all(name)) > 1]
        if repeated:
            self.refused += 1
            return Answer(_text(HTTPStatus.BAD_REQUEST, f"the header {repeated[0]} must occur once"))
        try:
            path = urlsplit(request.path).path
        except ValueError:  # e.g. an open bracket
            return Answer(_text(HTTPStatus.BAD_REQUEST, "the path is invalid"))
        answer = self.answer(Asking(request.method, path, _joined(request.headers), peer, now, time))
        if answer.response is not None and request.method == "HEAD":
            answer.response.body = b""
        return answer

    def answer(self, asking: Asking) -> Answer:
        """Answer a request whose parts are well formed."""
        if not self.access.host(asking.headers):
            self.refused += 1
            return Answer(
                _text(HTTPStatus.MISDIRECTED_REQUEST, "this host is not served here; setting [gateway] hosts adds hosts")
            )
        if is_api(asking.path) or asking.path in (LOGIN, LOGOUT):
            return self._api(asking) if is_api(asking.path) else self._login(asking)
        if asking.method not in ("GET", "HEAD"):
            return Answer(_text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served", Allow="GET, HEAD"))
        if asking.path in (WS, FX):
            return self._socket(asking)
        if asking.path == "/metrics" or asking.path in PROBES:
            return self._monitoring(asking)
        return Answer(self._file(asking))

    def _grant(self, asking: Asking) -> tuple[Grant, Response | None]:
        """Return the grant of a request, and the response if its address has sent too many wrong tokens."""
        grant = self.access.grant(asking.peer, asking.headers, asking.time)
        if not grant.is_wrong:
            return grant, None
        address = self.access.address(asking.peer, asking.headers)
        wait_s = self.wrong.wait_s(address, asking.now)
        self.wrong.record(address, asking.now)
        self.refused += 1
        if not wait_s:
            self.on_wrong(address)
            return grant, None
        text = "too many wrong tokens from this address; try again later"
        return grant, _text(HTTPStatus.TOO_MANY_REQUESTS, text, Retry_After=str(math.ceil(wait_s)))

    def _socket(self, asking: Asking) -> Answer:
        if asking.headers.get("Upgrade", "").lower() != "websocket":
            return Answer(not_upgraded())
        if self.is_full():
            self.refused += 1
            text = "the maximum of clients is reached, setting [gateway] max_clients"
            return Answer(_text(HTTPStatus.SERVICE_UNAVAILABLE, text))
        grant, too_many = self._grant(asking)
        return Answer(too_many, grant)

    def _api(self, asking: Asking) -> Answer:
        """Check a request to the API: a page of another origin gets nothing, also with the cookie of a login."""
        if asking.headers.get("Upgrade", "").lower() == "websocket":
            return Answer(_text(HTTPStatus.BAD_REQUEST, "no WebSocket is served here; there is /ws"))
        if not self.access.origin(asking.headers):
            self.refused += 1
            return Answer(_text(HTTPStatus.FORBIDDEN, "pages of this origin may not use the API; see [gateway] origins"))
        if asking.path in API_DOCUMENTS:
            return Answer(None, Grant(Role.NONE))
        grant, too_many = self._grant(asking)
        if grant.role is Role.NONE and not grant.is_wrong:  # those were counted before
            self.refused += 1
        return Answer(too_many, grant)

    def _login(self, asking: Asking) -> Answer:
        """Exchange a token for a login, or end one. The token is in the header Authorization: bodies are not read."""
        if asking.method != "POST":
            return Answer(_text(HTTPStatus.METHOD_NOT_ALLOWED, "only POST is served here", Allow="POST"))
        if not self.access.origin(asking.headers):
            self.refused += 1
            return Answer(_text(HTTPStatus.FORBIDDEN, "pages of this origin may not log in; see [gateway] origins"))
        if asking.path == LOGOUT:
            return Answer(_response(HTTPStatus.NO_CONTENT, b"", None, {**NO_STORE, "Set-Cookie": self.access.logins.no_cookie()}))
        grant, too_many = self._grant(asking)
        if too_many is not None:
            return Answer(too_many, grant)
        if grant.token is None:
            return Answer(_unauthorized(grant.refusal or "a token is needed"), grant)
        cookie = self.access.logins.cookie(grant.token, asking.time)
        return Answer(_json(HTTPStatus.OK, {"role": str(grant.role)}, **{"Set-Cookie": cookie}), grant)

    def _monitoring(self, asking: Asking) -> Answer:
        grant, too_many = self._grant(asking)
        if too_many is not None:
            return Answer(too_many, grant)
        may_read = grant.role >= Role.METRICS
        if asking.path == "/metrics":
            if may_read:
                kind, body = self.metrics(asking.headers.get("Accept", ""))
                return Answer(_response(HTTPStatus.OK, body, kind, NO_STORE), grant)
            self.refused += not grant.is_wrong  # counted before
            return Answer(_unauthorized(grant.refusal), grant)
        reasons, more = self.alive(), {}
        if asking.path == "/readyz":
            verdict = self.verdict()
            reasons, more = [*reasons, *verdict.unready()], verdict.as_dict()
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        shown = {"reasons": reasons, **more} if may_read else {}
        return Answer(_json(status, {"status": "failing" if reasons else "ok", **shown}), grant)

    def _file(self, asking: Asking) -> Response:
        file = self.files.find(asking.path)
        if file is None:
            return _text(HTTPStatus.NOT_FOUND, "not found; there are /, /api/v1, /ws, /fx, /metrics, /healthz and /readyz")
        fields = {**page_headers(asking.headers.get("Host", "")), "ETag": file.etag}
        if file.etag in (etag.strip().removeprefix("W/") for etag in asking.headers.get("If-None-Match", "").split(",")):
            return _response(HTTPStatus.NOT_MODIFIED, b"", None, fields)
        return _response(HTTPStatus.OK, file.body, file.type, fields)


def is_api(path: str) -> bool:
    """Return whether a path is one of the API."""
    return path == API or path.startswith(f"{API}/")


def not_upgraded() -> Response:
    """Return the response to a request for a WebSocket's path that does not ask for a WebSocket."""
    return _text(HTTPStatus.UPGRADE_REQUIRED, "a WebSocket is served here", Upgrade="websocket")


def _joined(headers: Headers) -> Headers:
    """Return the headers with the values of a repeated one as a list, which means the same (RFC 9110 section 5.3)."""
    return Headers({name: ", ".join(headers.get_all(name)) for name in headers})


def _unauthorized(refusal: str) -> Response:
    text = f"{refusal}; `hulak gateway token new` makes one, send it as Authorization: Bearer"
    return _text(HTTPStatus.UNAUTHORIZED, text, WWW_Authenticate="Bearer")


def _json(status: HTTPStatus, values: Mapping[str, Any], **headers: str) -> Response:
    return _response(status, msgspec.json.encode(values) + b"\n", JSON, {**NO_STORE, **headers})


def _text(status: HTTPStatus, text: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _response(status, f"{text}\n".encode(), PLAIN, {**NO_STORE, **named})


def _response(status: HTTPStatus, body: bytes, kind: str | None, headers: Mapping[str, str]) -> Response:
    fields = Headers({**headers, "Connection": "close"})
    if kind is not None:
        fields["Content-Type"] = kind
        fields["Content-Length"] = str(len(body))
    return Response(status.value, status.phrase, fields, body)

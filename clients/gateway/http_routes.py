"""The gateway's HTTP routes: the response to each request, and which requests become WebSockets. Pure, but for the files."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from hulak.clients.gateway.access import Access
from hulak.clients.gateway.metrics import TYPE
from hulak.clients.gateway.static_files import StaticFiles, page_headers
from hulak.clients.judge.verdict import Verdict

WS, FX = "/ws", "/fx"
PROBES = ("/healthz", "/readyz")
JSON = "application/json"
ONCE = ("Host", "Origin", "Authorization", "Upgrade", "If-None-Match")  # headers that may occur once
PLAIN = "text/plain; charset=utf-8"


class HttpRoutes:
    """Answers HTTP requests.

    Args:
        access: the access rules.
        files: the page's files.
        alive: lists the reasons to fail `/healthz`.
        verdict: returns the verdict for `/readyz`.
        metrics: returns the body of `/metrics`.
        is_full: returns whether the maximum of WebSocket clients is reached.
    """

    def __init__(
        self,
        access: Access,
        files: StaticFiles,
        *,
        alive: Callable[[], list[str]],
        verdict: Callable[[], Verdict],
        metrics: Callable[[], bytes],
        is_full: Callable[[], bool],
    ) -> None:
        self.access = access
        self.files = files
        self.refused = 0
        self._alive = alive
        self._verdict = verdict
        self._metrics = metrics
        self._is_full = is_full

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the response to a request; None continues the WebSocket's handshake."""
        del connection
        repeated = [name for name in ONCE if len(request.headers.get_all(name)) > 1]
        if repeated:
            self.refused += 1
            return _text(HTTPStatus.BAD_REQUEST, f"the header {repeated[0]} must occur once")
        return self.answer(request.method, request.path, request.headers)

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Response | None:
        """Return the response to a request; see `process_request`."""
        try:
            path = urlsplit(target).path
        except ValueError:  # e.g. an open bracket
            return _text(HTTPStatus.BAD_REQUEST, "the path is invalid")
        if not self.access.host(headers):
            self.refused += 1
            return _text(HTTPStatus.MISDIRECTED_REQUEST, "this host is not served here; setting [gateway] origins adds hosts")
        if path in (WS, FX):
            return self._socket(headers)
        if method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served", Allow="GET, HEAD")
        response = self._get(path, target, headers)
        if method == "HEAD":
            response.body = b""
        return response

    def _socket(self, headers: Mapping[str, str]) -> Response | None:
        if headers.get("Upgrade", "").lower() != "websocket":
            return _text(HTTPStatus.UPGRADE_REQUIRED, "a WebSocket is served here", Upgrade="websocket")
        if self._is_full():
            self.refused += 1
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "the maximum of clients is reached, setting [gateway] max_clients")
        return None

    def _probe(self, path: str) -> Response:
        if path == "/healthz":
            return _probe_response(self._alive())
        verdict = self._verdict()
        return _probe_response([*self._alive(), *verdict.unready()], **verdict.as_dict())

    def _get(self, path: str, target: str, headers: Mapping[str, str]) -> Response:
        if path in PROBES:
            return self._probe(path)
        if path == "/metrics":
            if not self.access.has_token(target, headers):
                self.refused += 1
                return _text(HTTPStatus.UNAUTHORIZED, "the token of [gateway] token is needed", WWW_Authenticate="Bearer")
            return _response(HTTPStatus.OK, self._metrics(), TYPE, {"Cache-Control": "no-store"})
        file = self.files.find(path)
        if file is None:
            return _text(HTTPStatus.NOT_FOUND, "not found; there are /, /ws, /fx, /metrics, /healthz and /readyz")
        fields = {**page_headers(headers.get("Host", "")), "ETag": file.etag}
        if file.etag in (etag.strip().removeprefix("W/") for etag in headers.get("If-None-Match", "").split(",")):
            return _response(HTTPStatus.NOT_MODIFIED, b"", None, fields)
        return _response(HTTPStatus.OK, file.body, file.type, fields)


def _probe_response(reasons: list[str], **more: Any) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    body = msgspec.json.encode({"status": "failing" if reasons else "ok", "reasons": reasons, **more})
    return _response(status, body + b"\n", JSON, {"Cache-Control": "no-store"})


def _text(status: HTTPStatus, text: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _response(status, f"{text}\n".encode(), PLAIN, {"X-Content-Type-Options": "nosniff", **named})


def _response(status: HTTPStatus, body: bytes, kind: str | None, headers: Mapping[str, str]) -> Response:
    fields = Headers({**headers, "Connection": "close"})
    if kind is not None:
        fields["Content-Type"] = kind
        fields["Content-Length"] = str(len(body))
    return Response(status.value, status.phrase, fields, body)

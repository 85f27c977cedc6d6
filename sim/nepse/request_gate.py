"""Access control of the simulated exchange: the response to one request, without a socket.

A request below /api/nots or /api/web needs `Authorization: Salter <decoded access token>`, a POST of data also the body id of the
session of that token and of the present day in Nepal; else the response is 401. Unknown paths are 404.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hulak.sim.nepse.directory_routes import directory_routes
from hulak.sim.nepse.exchange import CONTRACTS_A_DAY, Exchange, Hours, nepal_date
from hulak.sim.nepse.files import Document
from hulak.sim.nepse.plain import Plain
from hulak.sim.nepse.routes import Call, find, make_routes
from hulak.sim.nepse.tokens import SessionBook, body_id
from hulak.sim.nepse.wasm import css_wasm

PROVE, REFRESH, WASM = "/api/authenticate/prove", "/api/authenticate/refresh-token", "/assets/prod/css.wasm"
BLOCKED = "/api/nots/security/floorsheet/"  # the real exchange responds with 403 since spring 2026
HTML_403 = b"<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1><hr>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)  # further headers, such as {"Retry-After": "2"}
    delay_s: float = 0.0  # seconds before the response
    cut: bool = False  # reset the connection instead of a response


def json_reply(status: int, value: Any) -> Reply:
    """Return a response with a JSON value."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode())


def _refused(path: str, text: str) -> Reply:
    return json_reply(401, {"status": 401, "error": "Unauthorized", "message": text, "path": path})


class RequestGate:
    """Responds to the requests of one exchange; thread-safe.

    Args:
        seed: seed of companies, trades, tokens and salts.
        token_lifetime_s: seconds for which an access token is valid.
        hours: see `Exchange`.
        market_id: `id` of market-open, 0..99.
        trades_per_day: see `Exchange`.
    """

    def __init__(
        self, *, seed: int, token_lifetime_s: float, hours: Hours, market_id: int, trades_per_day: int = CONTRACTS_A_DAY
    ) -> None:
        exchange = Exchange(seed, hours, trades_per_day=trades_per_day)
        self._routes = (*make_routes(exchange, market_id), *directory_routes(exchange))
        self._market_id = market_id
        self._book = SessionBook(seed, token_lifetime_s)
        self._wasm = css_wasm()
        self._lock = threading.Lock()

    def answer(
        self,
        method: str,
        target: str,
        authorization: str,
        body: bytes,
        *,
        now: float,
        now_s: float,
    ) -> Reply:
        """Return the response to a request.

        Args:
            method: such as "GET".
            target: path and query.
            authorization: the header of this name; "" without one.
            body: body of the request.
            now: monotonic seconds, for the age of tokens.
            now_s: the exchange's clock, seconds since 1970 UTC.
        """
        parts = urlsplit(target)
        if (method, parts.path) == ("GET", PROVE):
            with self._lock:
                return json_reply(200, self._book.prove(now, int(now_s * 1000)))
        if (method, parts.path) == ("POST", REFRESH):
            return self._refresh(body, now, now_s)
        if (method, parts.path) == ("GET", WASM):
            return Reply(200, self._wasm, "application/wasm")
        if method == "POST" and parts.path.startswith(BLOCKED):
            return Reply(403, HTML_403, "text/html")
        return self._resource(method, parts.path, dict(parse_qsl(parts.query)), authorization, body, now=now, now_s=now_s)

    def forget_sessions(self) -> None:
        """Invalidate all tokens, as a restart of the exchange does."""
        with self._lock:
            self._book.forget_all()

    def _refresh(self, body: bytes, now: float, now_s: float) -> Reply:
        token = _field(body, "refreshToken")
        with self._lock:
            session = self._book.refresh(token, now, int(now_s * 1000)) if isinstance(token, str) else None
        return _refused(REFRESH, "refresh token not accepted") if session is None else json_reply(200, session)

    def _resource(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        authorization: str,
        body: bytes,
        *,
        now: float,
        now_s: float,
    ) -> Reply:
        match = find(self._routes, method, path)
        if match is None:
            return json_reply(404, {"status": 404, "error": "Not Found", "path": path})
        route, number, word = match
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            grant = self._book.grant_of(token, now) if scheme == "Salter" else None
        if grant is None:
            return _refused(path, "UNAUTHORIZED ACCESS")
        if route.formula is not None:
            sent, day = _field(body, "id"), nepal_date(now_s).day
            if sent != body_id(route.formula, self._market_id, grant.salts, day) or isinstance(sent, bool):
                return _refused(path, "body id not accepted")
        return _reply_of(route.resource(Call(number, word, query, now_s, _object(body))), path)


def _reply_of(value: Any, path: str) -> Reply:
    if value is None:
        return json_reply(404, {"status": 404, "error": "Not Found", "path": path})
    if isinstance(value, Document):
        return Reply(200, value.body, value.content_type)
    if isinstance(value, Plain):
        return Reply(value.status, value.body, value.content_type)
    return json_reply(200, value)


def _field(body: bytes, key: str) -> Any:
    return _object(body).get(key)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

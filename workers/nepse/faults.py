"""The meaning of NEPSE's responses: data, or a typed error with what was seen, what was wanted and what to do.

Codes: UNAUTHORIZED, BLOCKED, RATE_LIMITED, NO_SUCH_DAY, UPSTREAM, NOT_FOUND, REFUSED, EMPTY, NOT_JSON, BAD_ANSWER here;
NETWORK, TIMEOUT, TLS without a response (`http.py`). All were reported by users of public clients.
No text quotes a body or an Authorization header: an error page may contain a token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hulak.bus.errors import TaskFailed
from hulak.bus.wire.retry_after import retry_after_s

MEANINGS = {  # status -> code, meaning, whether another attempt may succeed
    400: ("REFUSED", "the exchange refuses the request as it is; it may have changed its interface", False),
    403: ("BLOCKED", "the exchange refuses this path or this address", False),
    404: ("NOT_FOUND", "the exchange does not know this path; it may have changed its interface", False),
    429: ("RATE_LIMITED", "too many requests from this address; wait, and lower nepse.rate_per_s", True),
}
COOL_DOWN_S = 5.0  # if the exchange does not say for how long; its real limits are unknown


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request to the exchange."""

    method: str  # "GET" or "POST"
    path: str  # below the base URL, with its query
    token: str | None = field(default=None, repr=False)  # decoded access token, None before there is one
    body: Mapping[str, Any] | None = field(default=None, repr=False)  # sent as JSON

    @property
    def name(self) -> str:
        """Return the request's name for texts: method and path, never a token."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response, of any status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = field(repr=False)


class Fetch(Protocol):
    """Sends a request and returns its response; raises TaskFailed (NETWORK, TIMEOUT, TLS) if there was none."""

    def __call__(self, request: HttpRequest, /) -> HttpResponse: ...


def fault_of(request: HttpRequest, response: HttpResponse) -> TaskFailed | None:
    """Return the error of a status code.

    Returns:
        None for a 2xx; else an error to raise: `details` has the status, `retry_after_s` the time that the server asked
        for, if any, and `cool_down_s` a pause if all workers are concerned: for `Retry-After` and a 429. A 403 concerns its
        path only, see `workers.nepse.path_blocks`.
    """
    status = response.status
    if 200 <= status < 300 and not _names_no_day(response):
        return None
    code, meaning, retryable = _meaning(status, response)
    asked_s = retry_after_s(response.headers)
    cool_down_s = asked_s if asked_s is not None else COOL_DOWN_S if code == "RATE_LIMITED" else None
    return TaskFailed(
        code,
        f"{request.name} was answered with HTTP {status} ({_kind(response)}), wanted 200: {meaning}",
        retryable=retryable,
        retry_after_s=asked_s if retryable else None,
        cool_down_s=cool_down_s,
        details={"status": status},
    )


def is_proxy_block(response: HttpResponse) -> bool:
    """Return whether the exchange's reverse proxy refused a request: 403 with a page in HTML."""
    return response.status == 403 and b"<html" in response.body[:2000].lower()


def _names_no_day(response: HttpResponse) -> bool:
    """Return whether the exchange has no session of the requested day; it says so with status 500, as text."""
    return b"searched date is not valid" in response.body[:200].lower()


def _meaning(status: int, response: HttpResponse) -> tuple[str, str, bool]:
    # Some users saw a token that does not decode answered with 500 "invalid jwe header" instead of 401.
    if status == 401 or (status == 500 and b"jwe" in response.body[:2000].lower()):
        return "UNAUTHORIZED", "the exchange refused the token or the body id", False
    if _names_no_day(response):
        return "NO_SUCH_DAY", "the exchange has no such day: it serves the sessions of about the last year (227 were seen)", False
    if status == 408 or status >= 500:
        return "UPSTREAM", "the exchange cannot answer now; try again later", True
    return MEANINGS.get(status, MEANINGS[400])


def _kind(response: HttpResponse) -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip()[:60] or "no content type"
    return f"{kind}, {len(response.body)} bytes"


def parse(request: HttpRequest, response: HttpResponse) -> Any:
    """Return the JSON value of a successful response.

    Raises:
        TaskFailed: as `fault_of`; EMPTY, a 2xx without a body; NOT_JSON, a 2xx that is not JSON (an error page).
    """
    fault = fault_of(request, response)
    if fault is not None:
        raise fault
    if not response.body.strip():
        raise TaskFailed(
            "EMPTY",
            f"{request.name} was answered with HTTP {response.status} and no body, wanted JSON: seen with stale tokens"
            " and under load; try again later",
            retryable=True,
            details={"status": response.status},
        )
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise TaskFailed(
            "NOT_JSON",
            f"{request.name} was answered with HTTP {response.status} ({_kind(response)}), wanted JSON: try again later",
            retryable=True,
            details={"status": response.status},
        ) from None


def parse_object(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a successful response; BAD_ANSWER for another JSON value, else as `parse`."""
    value = parse(request, response)
    if not isinstance(value, dict):
        raise bad_answer(request.name, f"a JSON {type(value).__name__}", "an object")
    return value


def bad_answer(name: str, seen: str, wanted: str) -> TaskFailed:
    """Return the error for JSON of an unknown shape; another attempt would bring the same."""
    return TaskFailed(
        "BAD_ANSWER",
        f"{name} was answered with {seen}, wanted {wanted}: the exchange may have changed its interface",
    )

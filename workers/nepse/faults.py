"""What an answer of NEPSE means: data, or one named failure with what was seen, what was wanted and what to do.

Codes: UNAUTHORIZED, BLOCKED, RATE_LIMITED, UPSTREAM, NOT_FOUND, REFUSED, EMPTY, NOT_JSON, BAD_ANSWER here;
NETWORK, TIMEOUT, TLS where there was no answer at all (`http.py`). All were reported by users of public clients.
No text carries anything of a body or an Authorization header: an error page may repeat a token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bus.errors import TaskFailed
from bus.wire.retry_after import retry_after_s

COOL_DOWN_S = 5.0  # where the exchange does not say for how long; its real limits are not known


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request to the exchange."""

    method: str  # "GET" or "POST"
    path: str  # below the base URL, with its query
    token: str | None = field(default=None, repr=False)  # decoded access token, None before there is one
    body: Mapping[str, Any] | None = field(default=None, repr=False)  # sent as JSON

    @property
    def name(self) -> str:
        """Say which request this is, for texts: method and path, never a token."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer, of any status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = field(repr=False)


class Fetch(Protocol):
    """Send one request and give its answer; TaskFailed (NETWORK, TIMEOUT, TLS) if there was none."""

    def __call__(self, request: HttpRequest, /) -> HttpAnswer: ...


def fault_of(request: HttpRequest, answer: HttpAnswer) -> TaskFailed | None:
    """Name the failure that a status code tells.

    Returns:
        None for a 2xx; else an error to raise, whose `details` have the status, and whose `retry_after_s` is what the
        server asked for, if it did; and `cool_down_s`, if all workers are meant: for `Retry-After`, a 429, and a 403 in
        HTML, as the exchange's front door sends it.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    code, meaning, retryable = _meaning(status, answer)
    asked_s = retry_after_s(answer.headers)
    cool_down_s = asked_s if asked_s is not None else COOL_DOWN_S if _is_about_all(code, answer) else None
    return TaskFailed(
        code,
        f"{request.name} was answered with HTTP {status} ({_kind(answer)}), wanted 200: {meaning}",
        retryable=retryable,
        retry_after_s=asked_s if retryable else None,
        cool_down_s=cool_down_s,
        details={"status": status},
    )


def _is_about_all(code: str, answer: HttpAnswer) -> bool:
    """Tell whether it was said to this address rather than to this request: then no worker should ask for a while."""
    return code == "RATE_LIMITED" or (code == "BLOCKED" and b"<html" in answer.body[:2000].lower())


def _meaning(status: int, answer: HttpAnswer) -> tuple[str, str, bool]:
    # Some users saw a token that does not decode answered with 500 "invalid jwe header" instead of 401.
    if status == 401 or (status == 500 and b"jwe" in answer.body[:2000].lower()):
        return "UNAUTHORIZED", "the exchange did not take the token or the body id", False
    if status == 403:
        return "BLOCKED", "the exchange's front door refuses this path or this address; do not repeat it", False
    if status == 429:
        return "RATE_LIMITED", "too many requests from this address; wait, and lower nepse.rate_per_s", True
    if status == 408 or status >= 500:
        return "UPSTREAM", "the exchange cannot answer just now; try again later", True
    if status == 404:
        return "NOT_FOUND", "the exchange does not know this path; it may have changed its interface", False
    return "REFUSED", "the exchange refuses the request as it is; it may have changed its interface", False


def _kind(answer: HttpAnswer) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()[:60] or "no content type"
    return f"{kind}, {len(answer.body)} bytes"


def read(request: HttpRequest, answer: HttpAnswer) -> Any:
    """Give the JSON value of a good answer.

    Raises:
        TaskFailed: as `fault_of`; EMPTY, a 2xx without a body; NOT_JSON, a 2xx that is something else (an error page).
    """
    fault = fault_of(request, answer)
    if fault is not None:
        raise fault
    if not answer.body.strip():
        raise TaskFailed(
            "EMPTY",
            f"{request.name} was answered with HTTP {answer.status} and no body, wanted JSON: seen with stale tokens"
            " and under load; try again later",
            retryable=True,
            details={"status": answer.status},
        )
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise TaskFailed(
            "NOT_JSON",
            f"{request.name} was answered with HTTP {answer.status} ({_kind(answer)}), wanted JSON: try again later",
            retryable=True,
            details={"status": answer.status},
        ) from None


def read_object(request: HttpRequest, answer: HttpAnswer) -> dict[str, Any]:
    """Give the JSON object of a good answer; BAD_ANSWER if it is another JSON value, else as `read`."""
    value = read(request, answer)
    if not isinstance(value, dict):
        raise bad_answer(request.name, f"a JSON {type(value).__name__}", "an object")
    return value


def bad_answer(name: str, seen: str, wanted: str) -> TaskFailed:
    """Make the error for JSON of a shape nobody recorded; another attempt would bring the same."""
    return TaskFailed(
        "BAD_ANSWER",
        f"{name} was answered with {seen}, wanted {wanted}: the exchange may have changed its interface",
    )

"""Errors of the HTTP interface as RFC 9457 problems, with the bus's code beside the status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from hulak.bus.errors import BusError, TaskFailed

MEDIA = "application/problem+json"
STATUS_OF_CODE = {
    **dict.fromkeys(
        ("BAD_ARGUMENT", "BAD_TOPIC", "BAD_OPTION", "BAD_BODY", "BAD_CONFIG", "BAD_MESSAGE", "BAD_TIME", "BAD_ID", "REFUSED"),
        HTTPStatus.BAD_REQUEST,
    ),
    "NO_TOKEN": HTTPStatus.UNAUTHORIZED,
    "FORBIDDEN": HTTPStatus.FORBIDDEN,
    **dict.fromkeys(
        (
            "NOT_FOUND",
            "UNKNOWN_SERVICE",
            "UNKNOWN_WORKER",
            "UNKNOWN_TOPIC",
            "UNKNOWN_SCHEDULE",
            "UNKNOWN_ALERT",
            "UNKNOWN_LAYOUT",
            "UNKNOWN_CALENDAR",
            "UNKNOWN_POSITION",
            "UNKNOWN_DISPLAY",
            "UNKNOWN_TASK",
            "UNKNOWN_ACTION",
        ),
        HTTPStatus.NOT_FOUND,
    ),
    **dict.fromkeys(
        ("NOT_YOURS", "OTHER_VERSION", "OTHER_EPOCH", "REPLACED", "CANCELLED", "EXPIRED", "TOO_MANY_TOPICS"), HTTPStatus.CONFLICT
    ),
    **dict.fromkeys(("TOO_OLD", "GONE"), HTTPStatus.GONE),
    "TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    **dict.fromkeys(("BUSY", "NO_BROKER", "STORE_FAILED", "CLOSED"), HTTPStatus.SERVICE_UNAVAILABLE),
    "TIMEOUT": HTTPStatus.GATEWAY_TIMEOUT,
}
AGAIN_S = 1  # Retry-After of BUSY


@dataclass
class Problem(Exception):
    """A request that is refused, or failed.

    Args:
        status: of the response.
        code: in capitals, as PROTOCOL.md section 8.
        text: one sentence with the value seen and the value wanted.
        headers: of the response.
        more: further members of the problem.
    """

    status: HTTPStatus
    code: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """Return the problem's members."""
        named = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        return {**self.more, **named, "detail": self.text, "code": self.code}


def bad(text: str) -> Problem:
    """Return the problem of an argument, or of a body, that is not allowed."""
    return Problem(HTTPStatus.BAD_REQUEST, "BAD_ARGUMENT", text)


def problem_of(error: BusError, *, broker_up: bool) -> Problem:
    """Return the problem of an error of the bus.

    Args:
        error: of a request.
        broker_up: whether the broker's statistics are recent: without them, no answer means that there is no broker.
    """
    more: dict[str, Any] = {name: value for name, value in error.details.items() if isinstance(name, str)}
    status = STATUS_OF_CODE.get(error.code, HTTPStatus.BAD_GATEWAY)
    code, headers = error.code, {}
    if isinstance(error, TaskFailed):
        more |= {"retryable": error.retryable, "retry_after_s": error.retry_after_s}
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
            status = HTTPStatus.BAD_GATEWAY  # the worker's own codes are not the gateway's
    elif code == "TIMEOUT" and not broker_up:
        status, code = HTTPStatus.SERVICE_UNAVAILABLE, "NO_BROKER"
    elif code == "BUSY":
        headers = {"Retry-After": str(AGAIN_S)}
    return Problem(status, code, str(error), headers, more)

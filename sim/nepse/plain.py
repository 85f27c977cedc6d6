"""Responses of the simulated exchange other than 200 with JSON."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plain:
    """A response other than 200 with JSON."""

    status: int
    body: bytes
    content_type: str = "application/json"


EMPTY = Plain(200, b"")  # the response of market depth when closed
NO_SUCH_DAY = Plain(500, b"Searched Date is not valid.", "text/plain;charset=UTF-8")  # a day that the exchange does not serve
FAILS_ON_GET = Plain(500, b"[]")  # graphs, which must be a POST

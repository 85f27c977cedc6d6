"""One operation of `/api/v1`: a method of a path, its arguments, and what does it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from hulak.bus.core.control_arguments import Arguments
from hulak.bus.core.control_requests import NoArguments
from hulak.clients.gateway.api.context import Work
from hulak.clients.gateway.tokens import Role

BASE = "/api/v1"
WITH_BODY = ("POST", "PUT", "PATCH")
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        name: the OpenAPI document's operationId.
        method: such as GET.
        path: below `BASE`; `{name}` is an argument.
        summary: one line.
        need: the role of the client's token.
        args: the type of the arguments. Arguments outside the path are in the body of a POST, PUT or PATCH, else in the query.
        service: the control service that it calls.
        work: does it, if it is more than one call of a control service.
        status: of the response.
        example: arguments.
        detail: sentences on arguments and response, beyond their types.
    """

    name: str
    method: str
    path: str
    summary: str
    need: Role
    args: type[Arguments] = NoArguments
    service: str = ""
    work: Work | None = None
    status: HTTPStatus = HTTPStatus.OK
    example: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""

    @cached_property
    def in_path(self) -> tuple[str, ...]:
        """Return the arguments of the path."""
        return tuple(_NAMED.findall(self.path))

    @property
    def has_body(self) -> bool:
        """Return whether the other arguments are in the body."""
        return self.method in WITH_BODY


def reading(name: str, path: str, summary: str, args: type[Arguments] = NoArguments, **more: Any) -> Operation:
    """Return an operation that reads, for the role `view`; `more` are further fields."""
    return Operation(name, "GET", path, summary, Role.VIEW, args, **more)


def change(name: str, method: str, path: str, summary: str, args: type[Arguments] = NoArguments, **more: Any) -> Operation:
    """Return an operation that changes something, for the role `operate`; `more` are further fields."""
    return Operation(name, method, path, summary, Role.OPERATE, args, **more)

"""The arguments of a request: those of its path, its query and its JSON body, each checked. Pure."""

import types
import typing
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from hulak.bus.core.control_arguments import Arguments, TaskId, read
from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.wire.plain_values import short
from hulak.clients.calls.posted_tasks import task_id
from hulak.clients.gateway.api.problems import Problem, bad
from hulak.clients.gateway.json_form import check_form

MOST_BYTES = 1 << 20  # of a body
LARGEST_INTEGER = (1 << 64) - 1
Struct = type[Arguments]


def fields_of(cls: Struct) -> dict[str, Any]:
    """Return the type of each argument by its name."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(cls)}


def decode_body(body: bytes) -> dict[str, Any]:
    """Return the members of a body; none if it is empty.

    Raises:
        Problem: it is not one JSON object, or has a number that no message of the bus can hold.
    """
    if not body.strip():
        return {}
    try:
        check_form(body.decode())
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ProtocolError) as error:
        raise bad(f"the body must be one JSON object: {error}") from error
    if not isinstance(value, dict):
        raise bad(f"the body is {short(value)}, must be a JSON object")
    _check_numbers(value)
    return value


def arguments_of(
    cls: Struct, path: Mapping[str, str], query: Sequence[tuple[str, str]], body: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a request under their names.

    Args:
        cls: of the operation.
        path: the parts of the path, not in the query or the body.
        query: names and values, in order.
        body: members of the body; empty where there is none.
    Raises:
        Problem: an argument is unknown, missing, there twice, or has a value that is not allowed.
    """
    types_of = fields_of(cls)
    args: dict[str, Any] = {name: _value(name, types_of[name], [text]) for name, text in path.items()}
    named: dict[str, list[str]] = {}
    for name, text in query:
        named.setdefault(name, []).append(text)
    for name, values in (*named.items(), *body.items()):
        if name in args:
            raise bad(f"argument {name} is there twice, must be in the path, the query or the body alone")
        in_query = name in named
        args[name] = values if not in_query or name not in types_of else _value(name, types_of[name], values)
    try:
        read(cls, args)
    except ProtocolError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, error.code, str(error)) from error
    return args


def _value(name: str, kind: Any, texts: list[str]) -> Any:
    """Return the value of an argument that came as text; the text itself if it is none of this type."""
    if kind is TaskId or TaskId in typing.get_args(kind):
        try:
            return task_id(texts[-1])
        except BusError as error:
            raise bad(f"argument {name}: {error}") from error
    if _is_list(kind):
        return [part for text in texts for part in text.split(",")]
    if len(texts) > 1:
        raise bad(f"argument {name} is there {len(texts)} times, must occur once")
    try:
        return msgspec.convert(texts[0], kind, strict=False)
    except (msgspec.ValidationError, ValueError):
        return texts[0]


def _is_list(kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _is_list(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return any(map(_is_list, typing.get_args(kind)))
    return origin is list


def _check_numbers(value: Any) -> None:
    """Check that every whole number fits into 64 bits."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, int) and not -(1 << 63) <= item <= LARGEST_INTEGER:
            raise bad(f"number {short(item)} has more than 64 bits")

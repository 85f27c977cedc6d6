"""The type and bounds of each field of a message: PROTOCOL.md sections 4.1 and 5.1. Pure.

A check takes a decoded value and returns it, or raises `ProtocolError` with the value seen and the value wanted.
"""

from collections.abc import Callable
from typing import Any

import msgpack
import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import (
    ID_BYTES,
    BrokerHeartbeat,
    Error,
    Goodbye,
    HeldTask,
    Part,
    Ready,
    Reply,
    Request,
    Result,
    Retire,
    Task,
    TaskContext,
    TaskPart,
    WorkerHeartbeat,
)
from hulak.bus.wire.plain_values import short
from hulak.bus.wire.report_values import check_reported

MAX_CREDIT = 1024
MAX_HELD = 4096
LONGEST_NAME = 200  # characters of a service's or a worker's


def _of(kind: type | tuple[type, ...], name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise ProtocolError("BAD_BODY", f"a field is {type(value).__name__} {short(value)}, must be {name}")
        return value

    return check


def _id(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise ProtocolError("BAD_ID", f"an id is {short(value)}, must be {ID_BYTES} bytes")
    return value


def _map(value: Any) -> dict[str, Any]:
    if value == []:  # how PHP and Lua pack an empty map
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ProtocolError("BAD_BODY", f"a field is {short(value)}, must be a map with text keys")
    return value


def _texts(value: Any) -> dict[str, str]:
    if not all(isinstance(text, str) for text in _map(value).values()):
        raise ProtocolError("BAD_BODY", f"a field is {short(value)}, must be a map of texts")
    return _map(value)


def _report(value: Any) -> dict[str, Any]:
    values = _map(value)
    try:
        check_reported("a worker's report", values)
    except ValueError as error:
        raise ProtocolError("BAD_BODY", str(error)) from error
    return values


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise ProtocolError("BAD_BODY", f"a name is {short(value)}, must be text of 1 to {LONGEST_NAME} characters")
    return value


def _natural(lowest: int, highest: int, name: str) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ProtocolError("BAD_BODY", f"{name} is {short(value)}, must be a whole number {lowest} to {highest}")
        return value

    return check


def _held(value: Any) -> tuple[HeldTask, ...]:
    if value == {}:  # how some libraries of those languages pack an empty array
        return ()
    if not isinstance(value, list) or len(value) > MAX_HELD:
        raise ProtocolError("BAD_BODY", f"held tasks are {short(value)}, must be an array of at most {MAX_HELD}")
    held = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ProtocolError("BAD_BODY", f"a held task is {short(pair)}, must be [id, attempt]")
        held.append(HeldTask(_id(pair[0]), _attempt(pair[1])))
    return tuple(held)


def _anything(value: Any) -> Any:
    return value


def _or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


_text = _of(str, "text")
_bool = _of(bool, "true or false")
_attempt = _natural(1, 1 << 31, "an attempt")
_number = _natural(1, 1 << 53, "a number")
_ms = _natural(1, 1 << 42, "a time in ms")

# The fields of each message in the order of its array, each with its check. This table is sections 4.1 and 5.1.
FIELDS: dict[type, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    Request: (("id", _id), ("service", _text), ("action", _text), ("args", _map), ("options", _map)),
    Part: (("id", _id), ("number", _number), ("value", _anything)),
    Reply: (("id", _id), ("value", _anything)),
    Error: (("id", _or_none(_id)), ("code", _text), ("text", _text), ("details", _map)),
    Ready: (
        ("service", _name),
        ("worker", _name),
        ("credit", _natural(0, MAX_CREDIT, "a credit")),
        ("held", _held),
        ("info", _report),
    ),
    Task: (
        ("id", _id),
        ("attempt", _attempt),
        ("action", _text),
        ("args", _map),
        ("soft_ms", _ms),
        ("hard_ms", _ms),
    ),
    TaskContext: (
        ("task", _id),
        ("attempt", _attempt),
        ("context", _texts),
        ("waited_us", _or_none(_natural(0, 1 << 62, "a time in µs"))),
    ),
    TaskPart: (("task", _id), ("attempt", _attempt), ("number", _number), ("value", _anything)),
    Result: (("task", _id), ("attempt", _attempt), ("done", _bool), ("value", _anything)),
    WorkerHeartbeat: (("held", _held), ("report", _or_none(_report))),
    BrokerHeartbeat: (("epoch", _natural(0, 1 << 64, "an epoch")), ("known", _bool)),
    Retire: (("reason", _text),),
    Goodbye: (("reason", _text),),
}


def open_raw(value: Any) -> Any:
    """Return the value of packed bytes, which msgpack cannot pack itself. Raises `TypeError`: the value cannot be packed."""
    if isinstance(value, msgspec.Raw):
        return msgpack.unpackb(bytes(value), strict_map_key=False)
    raise TypeError(f"{type(value).__name__} cannot be packed")

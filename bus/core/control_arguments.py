"""Types of the arguments of control requests, and the error text for a wrong argument. Pure.

The bounds follow from where values are kept: whole numbers fit in the 64 signed bits of the store, texts and maps in the
statistics of every second. Each type describes its values in words; error texts are made of these descriptions.
"""

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from hulak.bus.core.schedules.trading_days import MOST_DAYS
from hulak.bus.core.tasks.policy import MAX_RETRIES
from hulak.bus.core.tasks.task_queue import STATES
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import MAX_TOPIC
from hulak.bus.wire.messages import ID_BYTES
from hulak.bus.wire.own_names import ALLOWED, PATTERN
from hulak.bus.wire.plain_values import LARGEST, short, suggestion

YEAR_S = 366 * 86400  # a leap year: the longest time that is accepted
LONGEST_NAME = 200  # characters of a name, a reason, a note, a key
LONGEST_ACTION = 1000  # characters
LONGEST_DISPLAY = 100  # characters of a display's id, as in a config's scope
_TOPIC_TAIL = r"[A-Za-z0-9_-]\Z"


def _whole(least: int, most: int, text: str = "") -> Meta:
    return Meta(ge=least, le=most, description=text or f"a whole number from {least} to {most}")


Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME, description=f"text of 1 to {LONGEST_NAME} characters")]
ShortText = Annotated[str, Meta(max_length=LONGEST_NAME, description=f"text of at most {LONGEST_NAME} characters")]
Action = Annotated[str, Meta(max_length=LONGEST_ACTION, description=f"text of at most {LONGEST_ACTION} characters")]
ServiceOfWorkers = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=r"\A(?!hulak\.|mmi\.)",
        description=f"the name of a service of workers, of 1 to {LONGEST_NAME} characters",
    ),
]
TopicOrPrefix = Annotated[
    str, Meta(max_length=MAX_TOPIC + 1, description="a topic or a prefix of topics, e.g. 'tick.EURUSD' or 'tick.*'")
]
ReplayedTopics = Annotated[
    list[Annotated[str, Meta(max_length=MAX_TOPIC + 1)]],
    Meta(min_length=1, max_length=10_000, description="an array of 1 to 10000 topics or prefixes of topics, e.g. 'tick.EUR*'"),
]
TopicsOfFeeds = Annotated[
    list[Annotated[str, Meta(max_length=MAX_TOPIC + 1, pattern=r"\A(tick|trade|market|app|alert)\.")]],
    Meta(
        min_length=1,
        max_length=1000,
        description="an array of 1 to 1000 topics of feeds or own ones, or prefixes of them, e.g. 'tick.EURUSD' or 'tick.EUR*'",
    ),
]
OwnName = Annotated[str, Meta(pattern=rf"\A{PATTERN}\Z", description=f"a name of own topics, of {ALLOWED}")]
Symbol = Annotated[
    str,
    Meta(
        max_length=MAX_TOPIC - len("tick."),
        pattern=r"\A([a-z0-9][a-z0-9-]{0,15}\.)?[A-Z0-9._-]*[A-Z0-9_-]\Z",
        description="a symbol in upper case, e.g. 'EURUSD', with a prefix 'kraken.EURUSD'",
    ),
]
DisplayId = Annotated[
    str,
    Meta(
        max_length=LONGEST_DISPLAY,
        pattern=r"\A[A-Za-z0-9._-]*" + _TOPIC_TAIL,
        description=f"1 to {LONGEST_DISPLAY} letters, digits, '.', '_', '-', and not end with '.'",
    ),
]
TaskId = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES, description=f"{ID_BYTES} bytes")]
TaskStateName = Annotated[
    Literal["queued", "running", "waiting", "done", "failed", "expired", "cancelled", "unreadable"],
    Meta(description=f"one of {', '.join(STATES)}"),
]
PositionName = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z", description="1 to 64 letters, digits, '.', '_', '-'"),
]
PositionNames = Annotated[list[PositionName], Meta(min_length=1, max_length=1000, description="an array of 1 to 1000 positions")]
PositiveInteger = Annotated[int, _whole(1, LARGEST, "a whole number from 1 to 2**63-1")]
NaturalNumber = Annotated[int, _whole(0, LARGEST, "a whole number from 0 to 2**63-1")]
UnsignedInteger = Annotated[int, Meta(ge=1, description="a whole number from 1 to 2**64-1")]  # no larger one can be sent
AgeS = Annotated[float, Meta(ge=0, le=YEAR_S, description=f"a number of seconds from 0 to {YEAR_S}")]
Pid = Annotated[int, _whole(1, (1 << 31) - 1)]
Limit = Annotated[int, _whole(1, 1000)]
Priority = Annotated[int, _whole(0, 2, "0 (high), 1 (normal) or 2 (low)")]
Retries = Annotated[int, _whole(0, MAX_RETRIES)]
Workers = Annotated[Literal["auto"] | Annotated[int, _whole(0, 1 << 31)], Meta(description="'auto' or a whole number")]
WaitMs = Annotated[int, _whole(0, 3_600_000)]
ExpiresS = Annotated[float, Meta(gt=0, le=YEAR_S, description=f"seconds above 0, at most {YEAR_S} (366 days)")]
EveryS = Annotated[int, _whole(1, YEAR_S)]
CronExpression = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9A-Za-z*,/#-]+( +[0-9A-Za-z*,/#-]+){4}\Z",
        max_length=LONGEST_NAME,
        description="the five fields of a cron expression (minute, hour, day, month, day of the week), e.g. '5 15 * * 1-5'",
    ),
]
LocalTime = Annotated[
    str,
    Meta(
        pattern=r"\A([0-9]{4}-[0-9]{2}-[0-9]{2}[T ])?[0-9]{2}:[0-9]{2}(:[0-9]{2})?\Z",
        description="a local time without a zone, '15:05' or '2026-11-30T15:05'",
    ),
]
ScheduleName = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z", description="1 to 64 letters, digits, '.', '_', '-'"),
]
ZoneName = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z0-9._+/-]{1,64}\Z", description="the name of a time zone, e.g. 'Asia/Kathmandu' or 'UTC'"),
]
MissedPolicy = Annotated[Literal["skip", "once", "all"], Meta(description="one of skip, once, all")]
Runs = Annotated[int, _whole(1, 1_000_000)]
DelayS = Annotated[int, _whole(0, 3600)]
LateS = Annotated[int, _whole(1, 86_400)]
Day = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", description="a date such as '2026-11-30'")]
Days = Annotated[list[Day], Meta(max_length=MOST_DAYS, description=f"an array of at most {MOST_DAYS} dates such as '2026-11-30'")]
Weekdays = Annotated[
    list[Annotated[int, Meta(ge=1, le=7)]],
    Meta(min_length=1, max_length=7, description="an array of days of the week, 1 (Monday) to 7 (Sunday)"),
]
Boolean = Annotated[bool, Meta(description="true or false")]
Map = Annotated[dict[str, Any], Meta(description="a map with text keys")]
Prefixes = Annotated[
    list[Annotated[bytes, Meta(max_length=1024)]],
    Meta(max_length=1000, description="an array of at most 1000 subscriptions, each of at most 1024 bytes"),
]
Keys = Annotated[list[Name], Meta(max_length=1000, description="an array of at most 1000 keys")]


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of one service: the fields are the arguments; a field with a default is optional."""


Read = TypeVar("Read", bound=Arguments)


def read(cls: type[Read], args: Mapping[str, Any]) -> Read:
    """Read a request's arguments.

    Args:
        cls: of the service.
        args: as sent.
    Raises:
        ProtocolError: `BAD_ARGUMENT`, with the argument's name, the value seen and the value wanted.
    """
    try:
        return msgspec.convert(args, cls, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        turned = _turned(cls, args)
        if turned is not None:
            return read(cls, turned)
        raise ProtocolError("BAD_ARGUMENT", _why(cls, args) or str(error)) from error


def _turned(cls: type[Arguments], args: Mapping[str, Any]) -> dict[str, Any] | None:
    """Replace empty arrays by maps where a map is wanted, and vice versa: PHP and Lua pack both alike. None: no change."""
    turned: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        value = args.get(field.encode_name)
        if value in ([], {}) and not _fits(value, field.type):
            other: Any = {} if value == [] else []
            if _fits(other, field.type):
                turned[field.encode_name] = other
    return {**args, **turned} if turned else None


def _why(cls: type[Arguments], args: Mapping[str, Any]) -> str:
    """Return the error text of the wrong argument; empty if each is right, but they do not go together."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    for name in args:
        if name not in fields:
            allowed = f"must be {', '.join(fields)}" if fields else "there are none"
            return f"argument {short(name)} is unknown, {allowed}{suggestion(name, fields)}"
    for name, known in fields.items():
        if name not in args:
            if known.required:
                return f"argument {name} is missing, must be {wanted(known.type)}"
        elif not _fits(args[name], known.type):
            return f"argument {name} is {short(args[name])}, must be {wanted(known.type)}"
    return ""


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError:
        return False
    return True


def wanted(kind: Any) -> str:
    """Return the values of an argument's type in words."""
    descriptions = [meta.description for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta) and meta.description]
    of_union = [wanted(member) for member in typing.get_args(kind) if member is not type(None)]
    return descriptions[0] if descriptions else " or ".join(of_union)

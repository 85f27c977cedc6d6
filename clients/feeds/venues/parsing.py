"""The checks common to all venues' messages: symbols, prices and times; strict and pure. Each raises only `FeedError`."""

import json
import math
import re
import reprlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import END_MS, FIRST_MS

_REPR = reprlib.Repr()  # plain repr() of a deeply nested message overflows the stack
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = 64
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})").fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
WANTED = "must be a time from 1990 to 2100: s, ms, us or ns since 1970 UTC, or a date of 14 or 17 digits"


def price_of(value: object, name: str) -> float:
    """Return a message's price as the float nearest to its decimal text. It may be 0 or less, like that of oil or a spread.

    Args:
        value: a JSON number or decimal text.
        name: its name in the error.
    Raises:
        FeedError: it is neither, or it is not finite.
    """
    number = math.nan
    if isinstance(value, str):
        if _DECIMAL(value):
            number = float(value)
    elif isinstance(value, float):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool):
        number = float(value) if value.bit_length() <= 1000 else math.inf
    if not -math.inf < number < math.inf:
        raise FeedError(f"{name} is {shown(value)}, must be a finite number")
    return number


def time_of(value: object, name: str) -> int:
    """Return a message's time as whole ms since 1970 UTC, fractions cut off.

    Only times from 1990 to 2100 are accepted, so the size of a number determines its unit.

    Args:
        value: a JSON number: s, ms, us or ns since 1970 UTC, or YYYYMMDDhhmmss or YYYYMMDDhhmmssmmm in UTC.
        name: its name in the error.
    Raises:
        FeedError: it is not a number, or not such a time.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if FIRST_MS <= value < END_MS:  # the usual case
            return value
        time_ms = _whole_ms(value)
    elif isinstance(value, float) and 0 <= value < 1e20:
        # A float of seconds is exact to less than a microsecond, its product with a million to the nearest one.
        time_ms = round(value * 1e6) // 1000 if value < 1e11 else _whole_ms(int(value))
    else:
        time_ms = None
    if time_ms is None or not FIRST_MS <= time_ms < END_MS:
        raise FeedError(f"{name} is {shown(value)}, {WANTED}")
    return time_ms


def time_text_of(value: object, name: str) -> int:
    """Return a number that a venue writes as decimal text, such as a time.

    Raises:
        FeedError: it is not text of 1 to 19 digits.
    """
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19):
        raise FeedError(f"{name} is {shown(value)}, must be text of at most 19 digits")
    return int(value)


def _whole_ms(value: int) -> int | None:
    """Determine a whole number's unit by its size; the ranges of the four units and of dates do not overlap."""
    if FIRST_MS <= value < END_MS:
        return value
    if FIRST_MS // 1000 <= value < END_MS // 1000:
        return value * 1000
    if FIRST_MS * 1000 <= value < END_MS * 1000:
        return value // 1000
    if FIRST_MS * 1_000_000 <= value < END_MS * 1_000_000:
        return value // 1_000_000
    digits = str(value) if 0 < value < 10**17 else ""
    if len(digits) == 14:
        return _date_ms(digits, 0)
    return _date_ms(digits[:14], int(digits[14:])) if len(digits) == 17 else None


def _date_ms(digits: str, ms: int) -> int | None:
    hours, minutes, seconds = int(digits[8:10]), int(digits[10:12]), int(digits[12:])
    try:
        day_ms = midnight_ms(digits[:8])
    except ValueError:
        return None
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return day_ms + ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


@lru_cache(maxsize=64)  # the lines of a file are of a few days
def midnight_ms(digits: str) -> int:
    """Return when a day of 8 digits begins, ms since 1970 UTC. Raises `ValueError` for an invalid date."""
    return (date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - _EPOCH.date()).days * 86_400_000


def iso_time_of(value: object, name: str) -> int:
    """Return a message's ISO 8601 time as whole ms since 1970 UTC, fractions cut off.

    Args:
        value: e.g. `2016-10-27T08:38:43.094548890Z`; "Z" or an offset is required.
        name: its name in the error.
    Raises:
        FeedError: it is not such a text, or not from 1990 to 2100.
    """
    if isinstance(value, str) and _ISO(value):
        try:
            time_ms = utc_ms(datetime.fromisoformat(value))
        except (ValueError, OverflowError):  # an invalid date; a year out of range
            time_ms = 0
        if FIRST_MS <= time_ms < END_MS:
            return time_ms
    raise FeedError(f"{name} is {shown(value)}, must be an ISO 8601 time with its offset, from 1990 to 2100")


def utc_ms(moment: datetime) -> int:
    """Return ms since 1970 UTC, fractions cut off; a moment without a zone is taken as UTC. Raises `OverflowError`."""
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def load_object(message: str | bytes) -> dict[str, Any]:
    """Parse one JSON object. Raises `FeedError`."""
    value = load_json(message)
    if not isinstance(value, dict):
        raise FeedError(f"{shown(message)} is not a JSON object")
    return value


def load_objects(message: str | bytes) -> list[Any]:
    """Parse one JSON object, or a list; the items are not checked. Raises `FeedError`."""
    value = load_json(message)
    if not isinstance(value, dict | list):
        raise FeedError(f"{shown(message)} is neither a JSON object nor a list of them")
    return value if isinstance(value, list) else [value]


def field_of(values: dict[str, Any], name: str) -> Any:
    """Return a required field. Raises `FeedError`."""
    try:
        return values[name]
    except KeyError:
        raise FeedError(f"field {name!r} is missing in {shown(values)}") from None


def rows_of(values: dict[str, Any], name: str) -> list[Any]:
    """Return a required list. Raises `FeedError`."""
    rows = field_of(values, name)
    if not isinstance(rows, list):
        raise FeedError(f"{name} is {shown(rows)}, must be a list of objects")
    return rows


Item = TypeVar("Item")


def of_each(rows: Iterable[Any], make: Callable[[dict[str, Any]], list[Item]]) -> "list[Item | FeedError]":
    """Convert each row to items; a bad row becomes its error, and does not affect the others.

    Raises:
        FeedError: the only row is bad.
    """
    items: list[Item | FeedError] = []
    bad: list[FeedError] = []
    for row in rows:
        try:
            if not isinstance(row, dict):
                raise FeedError(f"{shown(row)} stands in a list of objects, must be an object")
            items += make(row)
        except FeedError as error:
            bad.append(error)
    if bad and len(bad) == 1 and not items:
        raise bad[0]
    return items + bad


def load_json(message: str | bytes) -> Any:
    """Parse one JSON value, strictly: UTF-8, no NaN, no Infinity, no half of a surrogate pair, which could not be encoded again.

    Raises:
        FeedError: it is not such a value.
    """
    try:
        text = message if isinstance(message, str) else message.decode()
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON, bad UTF-8, a number of too many digits
        raise FeedError(f"{shown(message)} is not JSON: {shown(str(error))}") from error
    return value


def shown(value: object) -> str:
    """Format a value for an error text: its repr, cut to 60 characters."""
    if isinstance(value, str | bytes):
        value = value[:64]
    elif isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    text = _REPR.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)

"""The checks that all venues' messages share: symbols, prices and times, strict and pure. Each raises `FeedError` only."""

import json
import math
import re
import reprlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

from bus.errors import FeedError

MAX_TIME_MS = 253_402_300_799_999  # the last millisecond of the year 9999: what ISO dates can still write

_SYMBOL = re.compile(r"[A-Z0-9](?:[A-Z0-9.-]{0,30}[A-Z0-9-])?").fullmatch
_VENUE_SUFFIX = re.compile(r"(.+)\.[A-Z]+[0-9]*").fullmatch
_REPR = reprlib.Repr()  # plain repr() of a deeply nested message overflows the stack
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = 64
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})").fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch


@lru_cache(maxsize=4096)  # a venue has a few hundred symbols, each in every message
def canonical_symbol(raw: str) -> str:
    """Return the one key of a symbol, whatever the venue calls it.

    Upper case; "/" and "_" between the parts of a pair are dropped, "-" stays (BTC-PERP is not BTCPERP); a contract or
    venue suffix of letters and digits is dropped where it follows a digit or at least six characters, so that
    "USD/JPY.P" is USDJPY and "US500.MAY25" is US500, while the share classes "BRK.A" and "BRK.B" stay apart.

    Args:
        raw: the venue's name for it, ASCII.
    Returns:
        1 to 32 characters of A-Z, 0-9, "." and "-", the first one a letter or digit, the last one not ".".
    Raises:
        FeedError: what remains is not such a key.
    """
    # Before upper(): it would turn some letters beyond ASCII into ASCII ones.
    symbol = raw.upper().replace("/", "").replace("_", "") if raw.isascii() else ""
    suffixed = _VENUE_SUFFIX(symbol)
    if suffixed and (len(suffixed[1]) >= 6 or suffixed[1][-1].isdigit()):
        symbol = suffixed[1]
    if not _SYMBOL(symbol):
        raise FeedError(f"symbol is {shown(raw)}, must be 1 to 32 of letters, digits, '.', '-', '/' and '_'")
    return symbol


def symbol_of(value: object) -> str:
    """Return `canonical_symbol` of a message's field, which may be of any type. Raises `FeedError`."""
    if not isinstance(value, str):
        raise FeedError(f"symbol is {shown(value)}, must be text")
    return canonical_symbol(value)


def price_of(value: object, name: str) -> float:
    """Return a message's price as the float nearest to its decimal text.

    Args:
        value: a JSON number or decimal text.
        name: what to call it in the error.
    Raises:
        FeedError: it is neither, or not above 0, or not finite.
    """
    number = math.nan
    if isinstance(value, str):
        if _DECIMAL(value):
            number = float(value)
    elif isinstance(value, float):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool):
        number = float(value) if value.bit_length() <= 1000 else math.inf
    if not 0.0 < number < math.inf:
        raise FeedError(f"{name} is {shown(value)}, must be a finite number above 0")
    return number


def time_of(value: object, name: str) -> int:
    """Return a message's time as whole ms since 1970 UTC, fractions cut off.

    Args:
        value: a JSON number, ms since 1970 UTC.
        name: what to call it in the error.
    Raises:
        FeedError: it is no number, or not from 1970 to the year 9999.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_TIME_MS:
        return int(value)
    raise FeedError(f"{name} is {shown(value)}, must be a number of ms since 1970 UTC")


def iso_time_of(value: object, name: str) -> int:
    """Return a message's ISO 8601 time as whole ms since 1970 UTC, fractions cut off.

    Args:
        value: e.g. `2016-10-27T08:38:43.094548890Z`; "Z" or an offset must be there.
        name: what to call it in the error.
    Raises:
        FeedError: it is no such text, or not from 1970 to the year 9999.
    """
    if isinstance(value, str) and _ISO(value):
        try:
            return time_of((datetime.fromisoformat(value).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1), name)
        except (ValueError, OverflowError):  # no such day; beyond the years that there are
            pass
    raise FeedError(f"{name} is {shown(value)}, must be an ISO 8601 time with its offset, from 1970 on")


def load_object(message: str | bytes) -> dict[str, Any]:
    """Read one JSON object. Raises `FeedError`."""
    value = load_json(message)
    if not isinstance(value, dict):
        raise FeedError(f"{shown(message)} is not a JSON object")
    return value


def field_of(values: dict[str, Any], name: str) -> Any:
    """Return a field that has to be there. Raises `FeedError`."""
    try:
        return values[name]
    except KeyError:
        raise FeedError(f"field {name!r} is missing in {shown(values)}") from None


def rows_of(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a field that has to be a list of objects. Raises `FeedError`."""
    rows = field_of(values, name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FeedError(f"{name} is {shown(rows)}, must be a list of objects")
    return rows


def load_json(message: str | bytes) -> Any:
    """Read one JSON value, strictly: UTF-8, no NaN, no Infinity.

    Raises:
        FeedError: it is none.
    """
    try:
        text = message if isinstance(message, str) else message.decode()
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON, bad UTF-8, a number of too many digits
        raise FeedError(f"{shown(message)} is not JSON: {shown(str(error))}") from error


def shown(value: object) -> str:
    """Write a value for an error's text: its repr, cut to 60 characters."""
    if isinstance(value, str | bytes):
        value = value[:64]
    elif isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    text = _REPR.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)

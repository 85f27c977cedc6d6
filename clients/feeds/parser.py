"""What every feed parser promises, and the checks they share: symbols, prices and times of venues, strict and pure.

A parser turns one message of a venue into ticks. Whatever it is given, it raises `FeedError` and nothing else. A
message that is valid but carries no quote (an acknowledgement, a heartbeat, another kind of stream) gives an empty
list. Crossed and locked quotes (bid at or above ask) are quotes: venues do send them, and a bus does not judge prices.
"""

import json
import math
import re
import reprlib
from functools import lru_cache
from typing import Any, NoReturn, Protocol

from bus.errors import FeedError
from bus.messages import Tick

MAX_TIME_MS = 253_402_300_799_999  # the last millisecond of the year 9999: what ISO dates can still write

_SYMBOL = re.compile(r"[A-Z0-9](?:[A-Z0-9.-]{0,30}[A-Z0-9-])?").fullmatch
_VENUE_SUFFIX = re.compile(r"(.+)\.[A-Z]+[0-9]*").fullmatch
_REPR = reprlib.Repr()  # plain repr() of a deeply nested message overflows the stack
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = 64
_DECIMAL = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch


class Parser(Protocol):
    """The parser of one venue's messages."""

    def parse(self, message: str | bytes, received_ms: int) -> list[Tick]:
        """Read one message of the venue.

        Args:
            message: as it came, JSON text or its UTF-8 bytes.
            received_ms: when it came, ms since 1970 UTC; the ticks' time where the venue gives none.
        Returns:
            the ticks in it; none if it carries no quote.
        Raises:
            FeedError: it is not what this venue sends, or the venue reports an error.
        """
        ...


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

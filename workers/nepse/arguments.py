"""The arguments of the NEPSE worker's actions, and their checks. Pure.

Values come from msgpack or from a command line, so a number may also be text of digits. An unknown argument is
refused, not ignored: a misspelt filter would otherwise return more than was requested.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from hulak.bus.errors import TaskFailed

SHORTEST_START = 3  # characters of the beginning of an index's name
MAX_DIGITS = 18  # of a number: a contract number has 16
LONGEST_TEXT = 300  # characters; the names of files that were recorded have 36, their encrypted ids 128
LAST_SESSION = "that of the last session"  # the default of a DATE that the exchange needs


class Kind(Enum):
    """How a value is parsed; each kind's value describes what is allowed."""

    SECURITY = "a symbol such as NABIL, or its id"
    INDEX = "an index's id or name, such as 58 or nepse"
    DATE = "a date such as 2026-04-24"
    YEAR = "a year such as 2026"
    NUMBER = "a whole number"
    FLAG = "true or false"
    WORD = "one of"
    SORT = "a column, and perhaps ,asc or ,desc"
    TEXT = f"a text of at most {LONGEST_TEXT} printable characters"
    FILE = "a file's name, as the exchange writes it"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action."""

    name: str  # for clients
    kind: Kind
    what: str  # its meaning, for help texts
    query: str = ""  # its name in the exchange's query; empty: it is part of the path, or for the worker only
    default: Any = None  # None: omitted from the query
    required: bool = False
    low: int = 0  # of a NUMBER
    high: int = 10**MAX_DIGITS - 1
    words: tuple[str, ...] = ("false", "true")  # of a FLAG, in the exchange's form; an empty one is omitted; of a SORT: columns
    choices: tuple[tuple[str, str], ...] = ()  # of a WORD: each with the exchange's form
    body: str = ""  # its name in the body of a POST, which is sent if one of these arguments is given

    @property
    def allowed(self) -> str:
        """Return what is allowed, e.g. "a whole number from 1 to 500"."""
        if self.kind is Kind.INDEX:
            return f"{self.kind.value!s}: {', '.join(INDICES)}"
        if self.kind is Kind.WORD:
            return f"{self.kind.value} {', '.join(word for word, _ in self.choices)}"
        if self.kind is Kind.SORT:
            return f"{self.kind.value}, such as {self.words[0]},desc: {', '.join(self.words)}"
        bounds = f" from {self.low} to {self.high}" if self.kind is Kind.NUMBER and self.high < 10**9 else ""
        return f"{self.kind.value}{bounds}"


INDICES = {  # of NEPSE's index directory
    "banking": 51,
    "hotels": 52,
    "others": 53,
    "hydropower": 54,
    "development-banks": 55,
    "manufacturing": 56,
    "sensitive": 57,
    "nepse": 58,
    "non-life-insurance": 59,
    "finance": 60,
    "trading": 61,
    "float": 62,
    "sensitive-float": 63,
    "microfinance": 64,
    "life-insurance": 65,
    "mutual-fund": 66,
    "investment": 67,
}


def check(action: str, known: Iterable[Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments of one call.

    Args:
        action: for the error text.
        known: the action's arguments.
        given: as received.
    Returns:
        a value for every known argument, with defaults: a SECURITY is an id (int) or a symbol in capitals, an
        INDEX an id, a DATE its ISO text (or LAST_SESSION), a YEAR and a NUMBER an int, a FLAG a bool, a WORD and a SORT the
        exchange's form; None where none was given.
    Raises:
        TaskFailed: BAD_ARGUMENT, with the value and what is allowed.
    """
    names = {argument.name: argument for argument in known}
    unknown = sorted(str(name) for name in given if name not in names)
    if unknown:
        allowed = ", ".join(names) if names else "no arguments"
        raise TaskFailed("BAD_ARGUMENT", f"{action} was given {', '.join(unknown)[:100]}, allowed: {allowed}")
    values = {name: _value(action, argument, given.get(name)) for name, argument in names.items()}
    start, end = values.get("start"), values.get("end")
    if start is not None and end is not None and start > end:
        raise TaskFailed("BAD_ARGUMENT", f"{action}: start is {start}, must not be after end, which is {end}")
    return values


def _value(action: str, argument: Argument, given: Any) -> Any:
    if given is None:
        if argument.required:
            raise TaskFailed("BAD_ARGUMENT", f"{action} needs {argument.name}: {argument.allowed}")
        return argument.default
    value = _READERS[argument.kind](argument, given)
    if value is None:
        raise TaskFailed(
            "BAD_ARGUMENT",
            f"{action}: {argument.name} is {str(given)[:60]!r}, must be {argument.allowed}",
        )
    return value


def _number(argument: Argument, given: Any) -> int | None:
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS:
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool):
        return None
    return given if argument.low <= given <= argument.high else None


def _security(argument: Argument, given: Any) -> int | str | None:
    number = _number(argument, given)
    if number is not None or not isinstance(given, str):
        return number or None
    symbol = given.strip().upper()
    plain = symbol.isascii() and symbol.isprintable() and not any(sign in symbol for sign in "?&#%")
    return symbol if plain and not symbol.isdigit() and 0 < len(symbol) <= 40 else None


def _index(argument: Argument, given: Any) -> int | None:
    number = _number(argument, given)
    if number is None and isinstance(given, str):
        number = _index_named(given.strip().lower().replace(" ", "-").replace("_", "-"))
    return number if number in INDICES.values() else None


def _index_named(name: str) -> int | None:
    """Return the index of this name, or the only one whose name begins with it: `hydro` is hydropower."""
    if name in INDICES:
        return INDICES[name]
    starts = [number for full, number in INDICES.items() if full.startswith(name)]
    return starts[0] if len(starts) == 1 and len(name) >= SHORTEST_START else None


def _date(argument: Argument, given: Any) -> str | None:
    del argument
    try:
        return date.fromisoformat(given).isoformat()
    except (TypeError, ValueError):
        return None


def _year(argument: Argument, given: Any) -> int | None:
    number = _number(argument, given)
    return number if number is not None and 1990 <= number <= 2100 else None


def _flag(argument: Argument, given: Any) -> bool | None:
    del argument
    if isinstance(given, bool):
        return given
    return {"true": True, "false": False}.get(given.lower()) if isinstance(given, str) else None


def _word(argument: Argument, given: Any) -> str | None:
    return dict(argument.choices).get(given.strip().lower()) if isinstance(given, str) else None


def _sort(argument: Argument, given: Any) -> str | None:
    if not isinstance(given, str):
        return None
    name, comma, order = (part.strip().lower() for part in given.partition(","))
    column = {word.lower(): word for word in argument.words}.get(name)
    if column is None or order not in ({"asc", "desc"} if comma else {""}):
        return None
    return f"{column},{order or 'asc'}"


def _text(argument: Argument, given: Any) -> str | None:
    del argument
    given = str(given) if type(given) is int else given  # a number of a telephone
    text = given.strip() if isinstance(given, str) else ""
    return text if 0 < len(text) <= LONGEST_TEXT and text.isprintable() and _encodable(text) else None


def _file(argument: Argument, given: Any) -> str | None:
    name = _text(argument, given)
    return None if name is None or set(name) <= set("./\\") else name  # "..", which no server takes as a name


def _encodable(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


_READERS = {
    Kind.SECURITY: _security,
    Kind.INDEX: _index,
    Kind.DATE: _date,
    Kind.YEAR: _year,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.WORD: _word,
    Kind.SORT: _sort,
    Kind.TEXT: _text,
    Kind.FILE: _file,
}

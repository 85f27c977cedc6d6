"""What an action of the NEPSE worker may be given, and how it is checked. Pure.

Values come from msgpack or from a command line, so a number may also be its digits. What an action does not know is
refused, not passed over: a misspelt filter would otherwise answer with more than was asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from bus.errors import TaskFailed

MOST_DIGITS = 18  # of a number: a contract's has 16


class Kind(Enum):
    """How a value is read; each kind's value says in words what is allowed."""

    SECURITY = "a symbol such as NABIL, or its id"
    INDEX = "an index's id or name, such as 58 or nepse"
    DATE = "a date such as 2026-04-24"
    YEAR = "a year such as 2026"
    NUMBER = "a whole number"
    FLAG = "true or false"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action."""

    name: str  # towards clients
    kind: Kind
    what: str  # what it means, for people
    query: str = ""  # its name in the exchange's query; empty: it stands in the path, or is the worker's own
    default: Any = None  # None: left out of the query
    required: bool = False
    low: int = 0  # of a NUMBER
    high: int = 10**MOST_DIGITS - 1
    words: tuple[str, str] = ("false", "true")  # of a FLAG, as the exchange has it; an empty one is left out

    @property
    def allowed(self) -> str:
        """Say what may be given, e.g. "a whole number from 1 to 500"."""
        bounds = f" from {self.low} to {self.high}" if self.kind is Kind.NUMBER and self.high < 10**9 else ""
        return self.kind.value + bounds


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
        action: for the text of a refusal.
        known: what the action takes.
        given: as it arrived.
    Returns:
        a value for every known argument, defaults filled in: a SECURITY is an id (int) or a symbol in capitals, an
        INDEX an id, a DATE its ISO text, a YEAR and a NUMBER an int, a FLAG a bool; None where nothing was given.
    Raises:
        TaskFailed: BAD_ARGUMENT, with the value seen and what is allowed.
    """
    names = {argument.name: argument for argument in known}
    strange = sorted(str(name) for name in given if name not in names)
    if strange:
        takes = ", ".join(names) if names else "no arguments"
        raise TaskFailed("BAD_ARGUMENT", f"{action} was given {', '.join(strange)[:100]}, takes {takes}")
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
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS:
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
        number = INDICES.get(given.strip().lower().replace(" ", "-").replace("_", "-"))
    return number if number in INDICES.values() else None


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


_READERS = {
    Kind.SECURITY: _security,
    Kind.INDEX: _index,
    Kind.DATE: _date,
    Kind.YEAR: _year,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
}

"""Plain values of a bounded depth and size: kept unchanged, published, and shown as JSON. Pure."""

import math
import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgpack

LARGEST = (1 << 63) - 1  # the largest whole number that the database can keep
DEEPEST = 32  # levels of maps and arrays


def short(value: Any) -> str:
    """Return a short text of a value of any size or depth."""
    text = reprlib.repr(value)  # does not follow deep nesting
    return text if len(text) <= 60 else text[:57] + "..."


def suggestion(name: Any, allowed: Iterable[str]) -> str:
    """Return a suggestion of the closest names in any case: `; did you mean 'rate_per_s'?`; empty if none is close."""
    names = {entry.casefold(): entry for entry in allowed}
    wanted = name.casefold() if isinstance(name, str) else ""
    near = [wanted] if wanted in names else get_close_matches(wanted, list(names), 2, 0.7)
    return f"; did you mean {' or '.join(repr(names[entry]) for entry in near)}?" if near else ""


def check_plain(what: str, value: Mapping[str, Any], most_bytes: int, *, finite: bool) -> None:
    """Check a map.

    Args:
        what: name of the map, for the error text.
        value: the map.
        most_bytes: its largest packed size, in bytes.
        finite: no number may be infinite or not a number.
    Raises:
        ValueError: a value of another type, a number beyond 64 bits, nested too deep, or too large.
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    if not isinstance(key, str):
                        raise ValueError(f"{what} has the key {short(key)}, every key must be text")  # noqa: TRY004
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif not _is_plain(item, finite=finite):
                numbers = "finite numbers" if finite else "numbers"
                must = f"must hold {numbers} of 64 bits, texts, true, false, nil, arrays, maps"
                raise ValueError(f"{what} has {short(item)}, {must}")
        level = below
        if not level:
            break
    else:
        raise ValueError(f"{what} is nested deeper than {DEEPEST} levels")
    size = len(msgpack.packb(value))
    if size > most_bytes:
        raise ValueError(f"{what} has {size} bytes, must have at most {most_bytes}")


def _is_plain(value: Any, *, finite: bool) -> bool:
    if isinstance(value, float):
        return math.isfinite(value) or not finite
    if isinstance(value, int):  # bools too
        return -LARGEST - 1 <= value <= LARGEST
    return value is None or isinstance(value, str)

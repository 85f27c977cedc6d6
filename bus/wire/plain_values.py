"""Values that are kept as they came, published, and shown as JSON by many: plain ones, of a bounded depth and size. Pure."""

import math
import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgpack

LARGEST = (1 << 63) - 1  # whole number that the store, and others, can keep
DEEPEST = 32  # levels of maps and arrays


def short(value: Any) -> str:
    """Show a value in few characters, however large or deep it is."""
    said = reprlib.repr(value)  # does not follow deep nesting
    return said if len(said) <= 60 else said[:57] + "..."


def meant(said: Any, allowed: Iterable[str]) -> str:
    """Ask whether one of the names nearest to it was meant: `; did you mean 'rate_per_s'?`; empty if none is near."""
    near = get_close_matches(said, list(allowed), 2, 0.7) if isinstance(said, str) else []
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_plain(what: str, value: Mapping[str, Any], most_bytes: int, *, finite: bool) -> None:
    """Check a map.

    Args:
        what: it is, for the sentence.
        value: the map.
        most_bytes: that it may have, packed.
        finite: no number may be infinite or not a number.
    Raises:
        ValueError: a sentence: another type, a number beyond 64 bits, too deep, too large.
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                for key in one:
                    if not isinstance(key, str):
                        raise ValueError(f"{what} has the key {short(key)}, every key must be text")  # noqa: TRY004
                below += one.values()
            elif isinstance(one, list | tuple):
                below += one
            elif not _is_plain(one, finite=finite):
                numbers = "finite numbers" if finite else "numbers"
                must = f"must hold {numbers} of 64 bits, texts, true, false, nil, arrays, maps"
                raise ValueError(f"{what} has {short(one)}, {must}")
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

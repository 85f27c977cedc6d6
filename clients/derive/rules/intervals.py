"""The intervals of bars, and the times of conflated topics. PROTOCOL.md section 3.12. Pure."""

import re
from collections.abc import Sequence

INTERVALS = {"1s": 1_000, "1m": 60_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000}  # each divides the next; ms
SHOWN_EVERY = {
    "1s": 0,
    "1m": 5_000,
    "5m": 15_000,
    "1h": 60_000,
    "1d": 60_000,
}  # ms between two states of an unfinished bar; 0: none
GRID_MS = 100  # the stream's time is looked at in these steps
MOST_EVERY_MS = 3_600_000
MOST_TIMES = 10
_TIME = re.compile(r"([1-9]\d{0,6})(ms|s|m|h)", re.ASCII)
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def intervals(text: str) -> tuple[str, ...]:
    """Read a list of intervals, "1s,1m"; they are returned from the shortest to the longest.

    Raises:
        ValueError: one of them is unknown; the text says what is allowed.
    """
    given = _names(text)
    for name in given:
        if name not in INTERVALS:
            raise ValueError(f"interval {name!r} is unknown, must be of {', '.join(INTERVALS)}, separated by commas")
    return tuple(name for name in INTERVALS if name in given)


def conflations(text: str) -> tuple[str, ...]:
    """Read a list of the times of conflated topics, "100ms,1s", in their order.

    Raises:
        ValueError: one of them is no multiple of 100 ms up to an hour, or there are too many.
    """
    given = _names(text)
    if len(given) > MOST_TIMES:
        raise ValueError(f"{len(given)} times, must be at most {MOST_TIMES}")
    for name in given:
        if not 0 < time_ms(name) <= MOST_EVERY_MS or time_ms(name) % GRID_MS:
            raise ValueError(f"time {name!r} must be a multiple of {GRID_MS}ms, up to 1h, such as 100ms, 1s or 1m")
    return given


def time_ms(name: str) -> int:
    """Return the milliseconds of a time such as "100ms"; 0 if it is none."""
    match = _TIME.fullmatch(name)
    return int(match[1]) * _UNITS_MS[match[2]] if match else 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def is_wanted(symbol: str, patterns: Sequence[str]) -> bool:
    """Return whether patterns cover a symbol: whole names, or beginnings with a star; none covers all."""
    if not patterns:
        return True
    return any(symbol.startswith(name[:-1]) if name.endswith("*") else symbol == name for name in patterns)

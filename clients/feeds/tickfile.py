"""Ticks out of recorded CSV files, one line at a time, whatever the form; which one is seen from the first lines.

A line is `time,bid,ask` and further columns, which are ignored. The time tells the form:

| time                         | example                            | meaning                                         |
|------------------------------|------------------------------------|-------------------------------------------------|
| up to 8 digits, fraction     | `8715`, `42.4312`                  | ms since midnight (LEAN); the day comes from    |
|                              |                                    | elsewhere, see `read_ticks`                     |
| `YYYYMMDD HHMMSSmmm`         | `20200101 170000123`               | HistData: EST without summer time, always UTC-5 |
| ISO 8601                     | `2013-01-01 22:00:00.295000+00:00` | TrueFX exports; UTC where no offset is written  |
| 12 to 14 digits              | `1701234567890`                    | ms since 1970 UTC                               |
| 16 to 19 digits              | `1546383600000000000`              | ns since 1970 UTC (Nautilus `ts_event_ns`)      |

A first line of column names is skipped; it must start with the columns time, bid, ask. Fractions of ms are cut off.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import TextIO

from bus.errors import FeedError
from bus.messages import Tick
from clients.feeds.parser import canonical_symbol, price_of, shown, time_of

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
LINES_TO_RECOGNISE = 20  # after so many lines without a known form the file is refused as a whole

# LEAN's files of FXCM run on UTC-5 the whole year (0.997 correlation with OANDA's UTC when shifted), others on UTC.
CLOCKS_H = {"fxcm": -5.0}
_EST_MS = 5 * HOUR_MS

_PAIR = re.compile(  # a base and one of the currencies that markets quote in
    "[A-Z0-9]{2,6}(?:USDT|USDC|BUSD|USD|EUR|JPY|GBP|CHF|AUD|CAD|NZD|SEK|NOK|SGD|HKD|CNH|MXN|ZAR|TRY|BTC|ETH)"
).fullmatch

_Clock = Callable[[str], int]  # the text of a time to ms since 1970 UTC; ValueError or FeedError if it is none


def read_ticks(
    path: Path,
    *,
    symbol: str | None = None,
    day: date | None = None,
    clock_h: float | None = None,
    source: str = "file",
    on_error: Callable[[FeedError], None] | None = None,
) -> Iterator[Tick]:
    """Read the ticks of one file lazily, in the order of its lines, in constant memory.

    Args:
        path: the file.
        symbol: of every tick; None takes the pair that the file's name holds.
        day: of ms since midnight; None takes the 8-digit date in the file's name, else 1970-01-01.
        clock_h: hours ahead of UTC of ms since midnight; None is `CLOCKS_H` for a broker that the name holds, else 0.
        source: what the ticks name as their source.
        on_error: told of each bad line, which is then skipped; None raises at the first one.
    Raises:
        FeedError: no symbol is given and the name holds none or several; the file cannot be opened, or its form is not
            known; or a bad line and no `on_error`. The text names file and line.
    """
    with _open(path) as lines:
        yield from parse_lines(lines, path.name, symbol=symbol, day=day, clock_h=clock_h, source=source, on_error=on_error)


def _open(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise FeedError(f"tick file {path} cannot be opened: {error.strerror or error}") from error


def parse_lines(
    lines: Iterable[str],
    name: str,
    *,
    symbol: str | None = None,
    day: date | None = None,
    clock_h: float | None = None,
    source: str = "file",
    on_error: Callable[[FeedError], None] | None = None,
) -> Iterator[Tick]:
    """Turn the lines of a tick file into ticks; `read_ticks` without the file.

    Args:
        lines: with or without line ends; empty ones are skipped.
        name: the file's name, which may hold symbol, date and broker; the rest as in `read_ticks`.
    Raises:
        FeedError: as in `read_ticks`.
    """
    key = canonical_symbol(symbol) if symbol is not None else symbol_in(name)
    midnight_ms = _midnight_ms(name, day, clock_h)
    clock: _Clock | None = None
    for number, line in enumerate(lines, 1):
        fields = line.strip().split(",")
        if fields == [""] or (number == 1 and _is_header(fields)):
            continue
        if clock is None:
            clock = _recognised(fields[0], midnight_ms)
        try:
            tick = _tick(fields, clock, key, source)
        except FeedError as error:
            bad = FeedError(f"{name} line {number}: {error}")
            if on_error is None or (clock is None and number >= LINES_TO_RECOGNISE):
                raise bad from error
            on_error(bad)
        else:
            yield tick


def _tick(fields: list[str], clock: _Clock | None, key: str, source: str) -> Tick:
    if clock is None:
        raise FeedError(f"time is {shown(fields[0])}, a form that is not known")
    if len(fields) < 3:
        raise FeedError(f"{len(fields)} columns in {shown(','.join(fields))}, must be time, bid, ask")
    try:
        time_ms = time_of(clock(fields[0]), "time")
    except ValueError:
        raise FeedError(f"time is {shown(fields[0])}, not of the form of the lines before") from None
    return Tick(key, price_of(fields[1], "bid"), price_of(fields[2], "ask"), time_ms, source)


def symbol_in(name: str) -> str:
    """Return the canonical symbol of the pair that a file's name holds, e.g. of `lean_oanda_eurusd_20140508_ticks.csv`.

    Raises:
        FeedError: it holds none, or several.
    """
    pairs = {part for part in re.split(r"[^A-Z0-9]+", name.upper()) if _PAIR(part)}
    if len(pairs) != 1:
        seen = f"names several pairs, {', '.join(sorted(pairs))}" if pairs else "names no pair"
        raise FeedError(f"the file name {shown(name)} {seen}: give the symbol with --symbol")
    return canonical_symbol(pairs.pop())


def day_in(name: str) -> date | None:
    """Return the first date written as 8 digits in a file's name, None if there is none."""
    for digits in re.findall(r"(?<![0-9])[0-9]{8}(?![0-9])", name):
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
    return None


def _midnight_ms(name: str, day: date | None, clock_h: float | None) -> int:
    if clock_h is None:
        parts = re.split(r"[^a-z0-9]+", name.lower())
        clock_h = next((hours for broker, hours in CLOCKS_H.items() if broker in parts), 0.0)
    day = day or day_in(name) or date(1970, 1, 1)
    return (day - date(1970, 1, 1)).days * DAY_MS - round(clock_h * HOUR_MS)


def _is_header(fields: list[str]) -> bool:
    return [field.strip().lower() for field in fields[1:3]] == ["bid", "ask"]


def _recognised(text: str, midnight_ms: int) -> _Clock | None:
    for pattern, clock in _FORMS:
        if pattern.fullmatch(text):
            return partial(_since_midnight_ms, midnight_ms) if clock is None else clock
    return None


def _since_midnight_ms(midnight_ms: int, text: str) -> int:
    whole, _, fraction = text.partition(".")
    since_ms = _whole(whole)
    if since_ms >= DAY_MS or (fraction and not fraction.isdigit()):
        raise ValueError(text)
    return midnight_ms + since_ms


def _histdata_ms(text: str) -> int:
    if not _HISTDATA.fullmatch(text):
        raise ValueError(text)
    hours, minutes, seconds = int(text[9:11]), int(text[11:13]), int(text[13:15])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(text)
    in_day_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(text[15:])
    return _day_ms(text[:8]) + in_day_ms + _EST_MS


@lru_cache(maxsize=16)  # a file holds many lines of the same few days
def _day_ms(digits: str) -> int:
    return (date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - date(1970, 1, 1)).days * DAY_MS


def _iso_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _epoch_ns(text: str) -> int:
    return _whole(text) // 1_000_000


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):  # int() alone takes signs, blanks, underscores and other digits
        raise ValueError(text)
    return int(text)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HISTDATA = re.compile(r"[0-9]{8} [0-9]{9}")
_FORMS: tuple[tuple[re.Pattern[str], _Clock | None], ...] = (  # None: ms since midnight, which needs the file's day
    (re.compile(r"[0-9]{1,8}(?:\.[0-9]*)?"), None),
    (_HISTDATA, _histdata_ms),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*"), _iso_ms),
    (re.compile(r"[0-9]{12,14}"), _whole),
    (re.compile(r"[0-9]{16,19}"), _epoch_ns),
)

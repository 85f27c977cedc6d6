"""The times of tick files: the form is detected from the file's first lines. Pure.

| form                                  | example                            | meaning                                       |
|---------------------------------------|------------------------------------|-----------------------------------------------|
| up to 8 digits, fraction              | `8715`, `42.4312`                  | ms since midnight (LEAN); the day comes from  |
|                                       |                                    | the file's name                               |
| more digits, fraction                 | `1701234567890`, `1704153600.123`  | s, ms, us or ns since 1970 UTC, by the size;  |
|                                       | `20240102170000`                   | 14 or 17 digits: a date, UTC                  |
| `YYYYMMDD HHMMSSmmm`                  | `20200101 170000123`               | HistData: EST without summer time, always     |
|                                       |                                    | UTC-5                                         |
| a date and a time of day, with        | `2013-01-01 22:00:00.295+00:00`,   | as written; UTC without an offset. Day first  |
| fractions of up to 9 digits           | `2024.01.02D00:00:00.123456789`,   | where the year comes last                     |
|                                       | `20240102 00:00:00.123`,           |                                               |
|                                       | `01.07.2019 13:30:03.304 GMT+0100` |                                               |

Only times from 1990 to 2100 are accepted. Fractions of ms are cut off.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from hulak.bus.errors import FeedError
from hulak.clients.feeds.venues.parsing import WANTED, midnight_ms, shown, time_of

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
# LEAN's files of FXCM run on UTC-5 the whole year (0.997 correlation with OANDA's UTC when shifted), others on UTC.
CLOCKS_H = {"fxcm": -5.0}
_EST_MS = 5 * HOUR_MS

Clock = Callable[[str], int]  # text of a time -> ms since 1970 UTC; raises ValueError or FeedError

_SINCE_MIDNIGHT = re.compile(r"[0-9]{1,8}(?:\.[0-9]{0,4})?").fullmatch  # LEAN has units of 100 ns at most
_FINER = re.compile(r"[0-9]{1,8}\.[0-9]{5,}").fullmatch
_NUMBER = re.compile(r"([0-9]{9,20})(?:\.([0-9]*))?").fullmatch
_HISTDATA = re.compile(r"[0-9]{8} [0-9]{9}").fullmatch
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.:]([0-9]{1,9}))? ?(?:Z|UTC|GMT)?(?:([+-])([0-9]{2}):?([0-9]{2}))?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})[-./]?([0-9]{{2}})[-./]?([0-9]{{2}})[TD ]{_TIME}").fullmatch
_DAY_FIRST = re.compile(rf"([0-9]{{2}})\.([0-9]{{2}})\.([0-9]{{4}})[T ]{_TIME}").fullmatch


def clock_of(text: str, midnight: Callable[[], int]) -> Clock | None:
    """Return the parser for times of this form; None if the form is unknown.

    Args:
        text: a time of the file.
        midnight: returns when the file's day begins, ms since 1970 UTC; raises `FeedError` if the day is unknown.
    Raises:
        FeedError: the day is unknown; or the times are no ms, but seconds or days.
    """
    if _FINER(text):
        raise FeedError(f"time is {shown(text)}, seconds of a day or days since 1900: write full timestamps")
    if _SINCE_MIDNIGHT(text):
        return partial(_since_midnight_ms, midnight())
    forms: tuple[tuple[Callable[[str], object], Clock], ...] = (
        (_NUMBER, number_ms),
        (_HISTDATA, _histdata_ms),
        (_YEAR_FIRST, _year_first_ms),
        (_DAY_FIRST, _day_first_ms),
    )
    return next((clock for fits, clock in forms if fits(text)), None)


def is_time(text: str) -> bool:
    """Return whether a text has the form of a time; its value may be out of range."""
    return bool(_SINCE_MIDNIGHT(text) or _NUMBER(text) or _HISTDATA(text) or _YEAR_FIRST(text) or _DAY_FIRST(text))


def may_be_days(clock: Clock | None, times_ms: Sequence[int]) -> bool:
    """Return whether a file's times are perhaps no ms of a day, but dates of 8 digits, such as 20240102: all are valid as such.

    Args:
        clock: of `clock_of`.
        times_ms: the file's first times, as the clock returned them.
    """
    if not (isinstance(clock, partial) and clock.func is _since_midnight_ms):
        return False
    texts = [str(time_ms - clock.args[0]) for time_ms in times_ms]
    return all("19900101" <= text < "21000101" and len(text) == 8 and day_in(text) for text in texts)


def midnight_of(name: str, day: date | None, clock_h: float | None) -> int:
    """Return when a file's day begins, ms since 1970 UTC, on the clock of the broker named in its name.

    Raises:
        FeedError: no day is given and the name holds none; or the name holds an hour, so the times may count from that hour.
    """
    day = day or day_in(name)
    if day is None:
        raise FeedError("its times are ms of a day, and its name holds no date: put the date into the name, as YYYYMMDD")
    if re.search(r"(?<![0-9a-z])[0-2]?[0-9]h(?![0-9a-z])", name.lower()):
        raise FeedError("its times are ms of a day or of an hour, and its name holds an hour: write full timestamps")
    if clock_h is None:
        parts = re.split(r"[^a-z0-9]+", name.lower())
        clock_h = next((hours for broker, hours in CLOCKS_H.items() if broker in parts), 0.0)
    return (day - date(1970, 1, 1)).days * DAY_MS - round(clock_h * HOUR_MS)


def day_in(name: str) -> date | None:
    """Return the first date of 8 digits in a file's name; None if there is none."""
    for digits in re.findall(r"(?<![0-9])[0-9]{8}(?![0-9])", name):
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
    return None


def number_ms(text: str) -> int:
    """Parse a number of s, ms, us or ns since 1970 UTC, or a date of 14 or 17 digits. Raises `ValueError` or `FeedError`."""
    match = _NUMBER(text)
    if match is None:
        raise ValueError(text)
    digits, fraction = match[1], match[2] or ""
    if len(digits) <= 10:
        return time_of(int(digits + f"{fraction}000"[:3]), "time")
    return time_of(int(digits), "time")


def _since_midnight_ms(midnight: int, text: str) -> int:
    if not _SINCE_MIDNIGHT(text) or (since_ms := int(text.partition(".")[0])) >= DAY_MS:
        raise ValueError(text)
    return midnight + since_ms


def _histdata_ms(text: str) -> int:
    if not _HISTDATA(text):
        raise ValueError(text)
    return _civil_ms(text[:8], text[9:11], text[11:13], text[13:15], text[15:]) + _EST_MS


def _year_first_ms(text: str) -> int:
    match = _YEAR_FIRST(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hours, minutes, seconds, fraction, *offset = match.groups()
    return _civil_ms(year + month + day, hours, minutes, seconds, fraction or "") - _offset_ms(*offset)


def _day_first_ms(text: str) -> int:
    match = _DAY_FIRST(text)
    if match is None:
        raise ValueError(text)
    day, month, year, hours, minutes, seconds, fraction, *offset = match.groups()
    return _civil_ms(year + month + day, hours, minutes, seconds, fraction or "") - _offset_ms(*offset)


def _civil_ms(day: str, hours: str, minutes: str, seconds: str, fraction: str) -> int:
    if hours > "23" or minutes > "59" or seconds > "59":  # two digits each
        raise ValueError(f"{hours}:{minutes}:{seconds}")
    time_ms = midnight_ms(day) + ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(f"{fraction}000"[:3])
    try:
        return time_of(time_ms, "time")
    except FeedError:
        raise FeedError(f"time is {shown(day)}, {WANTED}") from None


def _offset_ms(sign: str | None, hours: str | None, minutes: str | None) -> int:
    if sign is None or hours is None or minutes is None:
        return 0
    if hours > "14" or minutes > "59":  # the Line Islands are at +14:00
        raise ValueError(f"{sign}{hours}:{minutes}")
    offset = (int(hours) * 60 + int(minutes)) * 60_000
    return -offset if sign == "-" else offset

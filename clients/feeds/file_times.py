"""The times of tick files: the form is detected from the file's first lines. Pure.

| form                                  | example                            | meaning                                       |
|---------------------------------------|------------------------------------|-----------------------------------------------|
| up to 8 digits, fraction              | `8715`, `42.4312`                  | ms since midnight (LEAN); the day comes from  |
|                                       |                                    | the file's name                               |
| more digits, fraction                 | `1701234567890`, `1704153600.123`  | s, ms, us or ns since 1970 UTC, by the size   |
| 14 or 17 digits                       | `20240102170000`                   | a date and a time of day, on a given clock    |
| `YYYYMMDD HHMMSSmmm`                  | `20200101 170000123`               | HistData: EST without summer time, always     |
|                                       |                                    | UTC-5                                         |
| a date and a time of day, with        | `2013-01-01 22:00:00.295+00:00`,   | as written; on a given clock without an       |
| fractions of up to 9 digits           | `2024.01.02D00:00:00.123456789`,   | offset. Day first where the year comes last   |
|                                       | `20240102 00:00:00.123`,           |                                               |
|                                       | `01.07.2019 13:30:03.304 GMT+0100` |                                               |

Times that do not say their clock need one that is given, or that their maker is known for: none is assumed. Only times from 1990
to 2100 are accepted. Fractions of ms are cut off.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import END_MS, FIRST_MS
from hulak.clients.feeds.files.zones import EST, UTC, Zone, zone_of
from hulak.clients.feeds.venues.parsing import WANTED, midnight_ms, shown, time_of

DAY_MS = 86_400_000
# LEAN's data: FXCM's run on UTC-5 the whole year (0.997 correlation with OANDA's when shifted), OANDA's and those of
# crypto-currencies on UTC, those of American exchanges on their local time.
CLOCKS = {"fxcm": EST, "oanda": UTC, "crypto": UTC}
MARKETS = ("fxcm", "oanda")  # of one pair, which LEAN's paths name
NEW_YORK = "America/New_York"
_AMERICAN = ("equity", "option")

Clock = Callable[[str], int]  # text of a time -> ms since 1970 UTC; raises ValueError or FeedError

_SINCE_MIDNIGHT = re.compile(r"[0-9]{1,8}(?:\.[0-9]{0,4})?").fullmatch  # LEAN has units of 100 ns at most
_FINER = re.compile(r"[0-9]{1,8}\.[0-9]{5,}").fullmatch
_NUMBER = re.compile(r"([0-9]{9,20})(?:\.([0-9]*))?").fullmatch
_COMPACT = re.compile(r"([0-9]{8})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})?").fullmatch  # no number since 1970 is as long
_SLASHES = re.compile(r"[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}\b.*").fullmatch
_HISTDATA = re.compile(r"[0-9]{8} [0-9]{9}").fullmatch
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.:]([0-9]{1,9}))? ?(Z|UTC|GMT)?(?:([+-])([0-9]{2}):?([0-9]{2}))?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})[-./]?([0-9]{{2}})[-./]?([0-9]{{2}})[TD ]{_TIME}").fullmatch
_DAY_FIRST = re.compile(rf"([0-9]{{2}})\.([0-9]{{2}})\.([0-9]{{4}})[T ]{_TIME}").fullmatch


class NoZone(FeedError):
    """A time that does not say its clock, in a file whose clock is not given."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"time is {shown(text)}, which does not say its clock: give it, as --zone UTC or --zone America/New_York"
        )


def clock_of(text: str, midnight: Callable[[], tuple[int, Zone]], zone: Zone | None) -> Clock | None:
    """Return the parser for times of this form; None if the form is unknown.

    Args:
        text: a time of the file.
        midnight: returns when the file's day begins and its clock, as `midnight_of`; raises `FeedError` if one is unknown.
        zone: the clock of times that do not say it; None to refuse them.
    Raises:
        FeedError: the day or the clock is unknown; or the times are no ms, but seconds or days.
    """
    if _FINER(text):
        raise FeedError(f"time is {shown(text)}, seconds of a day or days since 1900: write full timestamps")
    if _SLASHES(text):
        raise FeedError(f"time is {shown(text)}, whose day or month may come first: write it as 2024-01-02 10:00:00")
    if _SINCE_MIDNIGHT(text):
        return partial(_since_midnight_ms, *midnight())
    if _COMPACT(text):
        if zone is None:
            raise NoZone(text)
        return partial(_compact_ms, zone)
    forms: tuple[tuple[Callable[[str], object], Clock], ...] = (
        (_NUMBER, number_ms),
        (_HISTDATA, partial(_histdata_ms, zone or EST)),
        (_YEAR_FIRST, partial(_year_first_ms, zone)),
        (_DAY_FIRST, partial(_day_first_ms, zone)),
    )
    return next((clock for fits, clock in forms if fits(text)), None)


def has_clock(text: str) -> bool:
    """Return whether a time needs no clock that is given."""
    civil = _YEAR_FIRST(text) or _DAY_FIRST(text)
    return bool(civil and (civil[8] or civil[9])) or bool(_NUMBER(text) and not _COMPACT(text))


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
    begins = clock.args[1].utc_ms(clock.args[0])
    texts = [str(time_ms - begins) for time_ms in times_ms]
    return all("19900101" <= text < "21000101" and len(text) == 8 and day_in(text) for text in texts)


def midnight_of(name: str, path: str, day: date | None, zone: Zone | None) -> tuple[int, Zone]:
    """Return when a file's day begins, and on which clock.

    Args:
        name: the file's name.
        path: its path, which may name the market, as LEAN's do.
        day: given by the user.
        zone: likewise.
    Returns:
        ms since 1970 on that clock, and the clock.
    Raises:
        FeedError: the day is unknown, or the clock; or the name holds an hour, so the times may count from that hour.
    """
    named = day_in(name)
    if day is not None and named not in {None, day}:
        raise FeedError(f"--date is {day}, and its name holds another date, {named}: give files of other days by themselves")
    day = day or named
    if day is None:
        raise FeedError("its times are ms of a day, and its name holds no date: give it, as --date 2024-01-02")
    if re.search(r"(?<![0-9a-z])[0-2]?[0-9]h(?![0-9a-z])", name.lower()):
        raise FeedError("its times are ms of a day or of an hour, and its name holds an hour: write full timestamps")
    zone = zone or market_clock(f"{path}/{name}")
    if zone is None:
        raise FeedError(
            "its times are ms of a day on an unknown clock: give it, as --zone UTC (LEAN's data of OANDA and of crypto-"
            "currencies have UTC, those of FXCM UTC-5, those of American shares America/New_York)"
        )
    return (day - date(1970, 1, 1)).days * DAY_MS, zone


def market_clock(path: str) -> Zone | None:
    """Return the clock of the market that is named in a path, such as .../forex/oanda/tick/eurusd/; None if there is none."""
    words = words_of(path)
    if any(word in words for word in _AMERICAN):
        return zone_of(NEW_YORK)
    return next((clock for market, clock in CLOCKS.items() if market in words), None)


def words_of(path: str) -> set[str]:
    """Return the words in the last parts of a path, in lower case."""
    return set(re.split(r"[^a-z0-9]+", "/".join(path.lower().split("/")[-7:])))


def day_in(name: str) -> date | None:
    """Return the first date of 8 digits in a file's name; None if there is none."""
    for digits in re.findall(r"(?<![0-9])[0-9]{8}(?![0-9])", name):
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
    return None


def number_ms(text: str) -> int:
    """Parse a number of s, ms, us or ns since 1970 UTC. Raises `ValueError` or `FeedError`."""
    match = _NUMBER(text)
    if match is None or _COMPACT(text):
        raise ValueError(text)
    digits, fraction = match[1], match[2] or ""
    if len(digits) <= 10:
        return time_of(int(digits + f"{fraction}000"[:3]), "time")
    return time_of(int(digits), "time")


def _since_midnight_ms(midnight: int, zone: Zone, text: str) -> int:
    if not _SINCE_MIDNIGHT(text) or (since_ms := int(text.partition(".")[0])) >= DAY_MS:
        raise ValueError(text)
    return zone.utc_ms(midnight + since_ms)


def _compact_ms(zone: Zone, text: str) -> int:
    match = _COMPACT(text)
    if match is None:
        raise ValueError(text)
    return _checked(zone.utc_ms(_civil_ms(match[1], match[2], match[3], match[4], match[5] or "")), match[1])


def _histdata_ms(zone: Zone, text: str) -> int:
    if not _HISTDATA(text):
        raise ValueError(text)
    return _checked(zone.utc_ms(_civil_ms(text[:8], text[9:11], text[11:13], text[13:15], text[15:])), text)


def _year_first_ms(zone: Zone | None, text: str) -> int:
    match = _YEAR_FIRST(text)
    if match is None:
        raise ValueError(text)
    year, month, day, *rest = match.groups()
    return _moment_ms(zone, text, year + month + day, *rest)


def _day_first_ms(zone: Zone | None, text: str) -> int:
    match = _DAY_FIRST(text)
    if match is None:
        raise ValueError(text)
    day, month, year, *rest = match.groups()
    return _moment_ms(zone, text, year + month + day, *rest)


def _moment_ms(zone: Zone | None, text: str, day: str, *rest: str | None) -> int:
    hours, minutes, seconds, fraction, utc, *offset = rest
    assert hours is not None
    assert minutes is not None
    assert seconds is not None
    local_ms = _civil_ms(day, hours, minutes, seconds, fraction or "")
    if offset[0] is not None:
        return _checked(local_ms - _offset_ms(*offset), day)
    if utc is not None:
        return _checked(local_ms, day)
    if zone is None:
        raise NoZone(text)
    return _checked(zone.utc_ms(local_ms), day)


def _civil_ms(day: str, hours: str, minutes: str, seconds: str, fraction: str) -> int:
    if hours > "23" or minutes > "59" or seconds > "59":  # two digits each
        raise ValueError(f"{hours}:{minutes}:{seconds}")
    return midnight_ms(day) + ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(f"{fraction}000"[:3])


def _checked(time_ms: int, text: str) -> int:
    if not FIRST_MS <= time_ms < END_MS:
        raise FeedError(f"time is {shown(text)}, {WANTED}")
    return time_ms


def _offset_ms(sign: str | None, hours: str | None, minutes: str | None) -> int:
    assert hours is not None
    assert minutes is not None
    if hours > "14" or minutes > "59":  # the Line Islands are at +14:00
        raise ValueError(f"{sign}{hours}:{minutes}")
    offset = (int(hours) * 60 + int(minutes)) * 60_000
    return -offset if sign == "-" else offset

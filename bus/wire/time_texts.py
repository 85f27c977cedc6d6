"""Times as people write them: an age, a time of the day, a date with a time. Pure."""

import re
from datetime import UTC, datetime, time, timedelta, timezone

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WANTED = "must be such as 2026-11-22T10:00:00, 09:00 (UTC, unless it has a zone), 10m (ten minutes ago) or now"
_AGE = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)([smhd])", re.ASCII)
_TIME_OF_DAY = re.compile(r"\d\d:\d\d", re.ASCII)


def moment_ns(text: str, now_ns: int) -> int:
    """Return the time that a text means, in ns since 1970 UTC.

    Args:
        text: ISO 8601 (UTC without a zone); `09:00`, the last time that a clock showed that; an age, `90s`, `10m`, `2h`, `1d`;
            or `now`.
        now_ns: ns since 1970 UTC.
    Raises:
        ValueError: it is no time, or not one from 1970 to 2262; the text says what is allowed.
    """
    if text == "now":
        return now_ns
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            return _checked(now_ns - round(float(age[1]) * UNITS_S[age[2]] * 1e9), text)
        if _TIME_OF_DAY.match(text):
            return _time_of_day(time.fromisoformat(text), now_ns)
        return ns_of(datetime.fromisoformat(text), default=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time, {WANTED}") from error


def ns_of(moment: datetime, default: timezone | None = None) -> int:
    """Return a time in ns since 1970 UTC.

    Args:
        moment: with a zone, unless there is a default.
        default: the zone of a time without one; None: such a time is refused.
    Raises:
        ValueError: it has no zone, or is before 1970 or after 2262.
    """
    if moment.utcoffset() is None:
        if default is None:
            raise ValueError(f"{moment!r} has no time zone, must have one, such as datetime.now(UTC)")
        moment = moment.replace(tzinfo=default)
    since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return _checked(since_1970 // timedelta(microseconds=1) * 1000, moment.isoformat())


def _time_of_day(clock: time, now_ns: int) -> int:
    clock = clock if clock.tzinfo is not None else clock.replace(tzinfo=UTC)
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).astimezone(clock.tzinfo)
    at = datetime.combine(now.date(), clock)
    return ns_of(at if at <= now else at - timedelta(days=1))


def _checked(time_ns: int, text: str) -> int:
    if time_ns < 0:
        raise ValueError(f"{text!r} is before 1970")
    if time_ns >= 1 << 63:
        raise ValueError(f"{text!r} is after April 2262, the last time that 64 bits hold in ns")
    return time_ns


def iso_time(time_ns: int) -> str:
    """Return a time, given in ns since 1970 UTC, as ISO 8601 in UTC, cut to milliseconds."""
    return datetime.fromtimestamp(time_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Times and durations of `hulak key`: `90d`, `12h`, or a time with its zone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from hulak.bus.process.key_fields import YEARS

NEVER = "never"
UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
DURATION = re.compile(r"([0-9]{1,6})([dhms])")
LONGEST = timedelta(days=36_525)  # so that a time stays within the years of a datetime


class Duration(click.ParamType[timedelta]):
    """A duration: `90d`, `12h`, `30m`, `45s` or `0`.

    Args:
        least, most: bounds in the same form; empty: none.
    """

    name = "duration"

    def __init__(self, least: str = "", most: str = "") -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        length = duration(value)
        if length is None:
            self.fail(f"{value!r} must be a number of days, hours, minutes or seconds: 90d, 12h, 30m, 45s; or 0", param, ctx)
        least, most = (duration(bound) for bound in (self.least, self.most))
        if (least is not None and length < least) or (most is not None and length > most):
            self.fail(f"{value!r} must be from {self.least or '0'} to {self.most}", param, ctx)
        return length


class Expiry(click.ParamType[datetime | str]):
    """A time in the future: a duration from now, or a time with its zone; or never."""

    name = "expiry"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | str:
        """Read it; `NEVER` stays what it is."""
        if isinstance(value, datetime):
            return value
        if value == NEVER:
            return NEVER
        now = datetime.now(UTC)
        time = expiry(value, now)
        if time is None:
            self.fail(
                f"{value!r} must be a duration (90d, 12h), a time with its zone (2027-01-31T12:00:00Z) or never", param, ctx
            )
        if time <= now:
            self.fail(f"{value!r} is over already: the key would never be accepted", param, ctx)
        return time


def duration(text: str) -> timedelta | None:
    """Read a duration; None if it is none, or longer than a hundred years."""
    if text == "0":
        return timedelta()
    match = DURATION.fullmatch(text)
    length = None if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})
    return length if length is not None and length <= LONGEST else None


def expiry(text: str, now: datetime) -> datetime | None:
    """Read when a key expires; None if it is no time with its zone, before 9999, and no duration."""
    after = duration(text)
    if after is not None:
        return (now + after).replace(microsecond=0)
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None and time.year <= YEARS[1] else None
    except (ValueError, OverflowError):
        return None

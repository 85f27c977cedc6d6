"""Which day a time belongs to, in a time zone. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo

SECOND_NS = 10**9


def day_of(time_ns: int, zone: tzinfo) -> date:
    """Return the day of a time, ns since 1970 UTC."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, zone).date()


def begin_of(day: date, zone: tzinfo) -> int:
    """Return the first moment of a day, ns since 1970 UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND_NS


def days_between(first_ns: int, last_ns: int, zone: tzinfo) -> Iterator[tuple[date, int, int]]:
    """Yield the days from that of one time to that of another: the day, its first moment, and that of the next day, in ns."""
    day = day_of(first_ns, zone)
    begin = begin_of(day, zone)
    while begin <= last_ns:
        following = day + timedelta(days=1)
        end = begin_of(following, zone)
        yield day, begin, end
        day, begin = following, end

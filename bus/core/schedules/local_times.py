"""Local times of a zone as moments, where clocks are set forward and back too. PROTOCOL.md section 7.9. Pure.

Moments are whole seconds since 1970 UTC. A local time that does not exist, since clocks are set forward over it, means the moment
of that shift; a local time that exists twice means the first of the two.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from hulak.bus.core.schedules.trading_days import TradingDays
from hulak.bus.errors import ProtocolError

MOST_S = 7_258_118_400  # 2200-01-01: later times are not computed
YEARS = (1971, 2199)
DAY = timedelta(days=1)


def local_of(moment_s: int, zone: tzinfo) -> datetime:
    """Return a moment as the clocks of a zone show it, with the zone."""
    return datetime.fromtimestamp(moment_s, zone)


def moment_of(local: datetime, zone: tzinfo) -> int:
    """Return the moment of a local time.

    Args:
        local: without a zone, in whole seconds.
        zone: of the local time.
    """
    moment = _epoch_s(local.replace(tzinfo=zone))
    if local_of(moment, zone).replace(tzinfo=None) == local:
        return moment
    before, after = _epoch_s(local.replace(tzinfo=zone, fold=1)), moment  # the shift is between these
    offset = local_of(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if local_of(middle, zone).utcoffset() == offset else (before, middle)
    return after


def _epoch_s(local: datetime) -> int:
    return (local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def read_local(text: str) -> datetime | time:
    """Read a local time: a time of the day, or a date with a time.

    Raises:
        ValueError: it is none, or not of the years 1971 to 2199.
    """
    clock = text.replace(" ", "T")
    if "T" not in clock:
        return time.fromisoformat(clock)
    read = datetime.fromisoformat(clock)
    if not YEARS[0] <= read.year <= YEARS[1]:
        raise ValueError(f"the year {read.year} is not from {YEARS[0]} to {YEARS[1]}")
    return read


def first_moment(at: str, now_s: int, zone: tzinfo, days: TradingDays | None) -> int:
    """Return the moment that `at` means: without a date, the first one after `now_s`.

    Args:
        at: "15:05", "15:05:30" or "2026-11-30T15:05", local.
        now_s: the present moment.
        zone: of the local time.
        days: only on these.
    Raises:
        ProtocolError: `BAD_ARGUMENT`: the day is no trading day.
        DaysUnknown: no trading day is known.
    """
    read = read_local(at)
    if isinstance(read, datetime):
        if days is not None and not days.is_open(read.date()):
            raise ProtocolError("BAD_ARGUMENT", f"argument at is {at!r}, which is no trading day of calendar {days.name}")
        return moment_of(read, zone)
    day = _from(local_of(now_s, zone).date(), days)
    while (moment := moment_of(datetime.combine(day, read), zone)) <= now_s:
        day = _from(day + DAY, days)
    return moment


def _from(day: date, days: TradingDays | None) -> date:
    return day if days is None else days.next_open(day)


def last_moment(until: str, now_s: int, zone: tzinfo) -> int:
    """Return the moment that `until` means, see `first_moment`; trading days make no difference."""
    return first_moment(until, now_s, zone, None)

"""The trading days of markets, as `hulak.calendar.set` takes them (PROTOCOL.md section 7.9).

Those of the Nepal Stock Exchange are what the exchange publishes: its holidays, and the days of the week of its last sessions,
since its week has changed before. Those of other exchanges are from the package exchange_calendars, which is the extra
`calendars`: it brings pandas, so only programs that ask for such a calendar load it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from hulak.bus.errors import BusError, ConfigError
from hulak.bus.wire.plain_values import suggestion

NEPSE, NEPAL_ZONE = "nepse", "Asia/Kathmandu"
SESSIONS = 10  # the last ones, whose days of the week are expected again
AHEAD = timedelta(days=60)  # for which the week and the list of holidays of the exchange count
MOST_OF_A_REASON = 200  # characters: one names each of hundreds of days
Ask = Callable[[str, dict[str, Any]], Any]  # calls an action of the service `nepse` with arguments


def nepse_days(ask: Ask, today: date) -> dict[str, Any]:
    """Ask the exchange for its trading days, see `nepse_calendar`.

    Args:
        ask: calls an action of the service `nepse`.
        today: in Nepal.
    Raises:
        BusError: the exchange does not answer; else as `nepse_calendar`.
    """
    sessions, holidays = ask("summary-history", {}), ask("holidays", {"year": today.year})
    following = ask("holidays", {"year": today.year + 1}) if needs_next_year(today) else []
    return nepse_calendar(sessions, holidays, following, today)


def needs_next_year(today: date) -> bool:
    """Return whether a calendar that begins today reaches into the next year."""
    return (today + AHEAD).year > today.year


def nepse_calendar(sessions: Any, holidays: Any, following: Any, today: date) -> dict[str, Any]:
    """Return the trading days of the Nepal Stock Exchange, for 60 days from now on.

    Args:
        sessions: rows of `summary-history`.
        holidays: rows of `holidays` of this year.
        following: those of the next year; empty if it is not published yet: then the calendar ends with this year.
        today: in Nepal.
    Raises:
        BusError: `UNKNOWN_CALENDAR`: the exchange names no session, or no holiday of this year.
    """
    newest = sorted(_days(sessions, "businessDate"))[-SESSIONS:]
    closed, next_closed = _days(holidays, "holidayDate"), _days(following, "holidayDate")
    if not newest or not closed:
        raise BusError(
            "UNKNOWN_CALENDAR", f"the exchange names {len(newest)} sessions and {len(closed)} holidays: one is missing"
        )
    last = today + AHEAD if next_closed or not needs_next_year(today) else date(today.year, 12, 31)
    weekdays = {day.isoweekday() for day in newest}
    return _calendar(NEPSE, NEPAL_ZONE, weekdays, closed | next_closed, frozenset(), date(today.year, 1, 1), last)


def exchange_days(name: str, today: date) -> dict[str, Any]:
    """Return the trading days of another exchange, from the first of this year on.

    Args:
        name: of exchange_calendars, e.g. "XNYS".
        today: the present day.
    Raises:
        ConfigError: the package is missing.
        BusError: `UNKNOWN_CALENDAR`: it does not know the name, or cannot make that calendar with the installed pandas.
    """
    try:
        import exchange_calendars
    except ImportError as error:
        text = f"the trading days of {name!r} are in the package exchange_calendars: pip install 'hulak[calendars]'"
        raise ConfigError(text) from error
    first = date(today.year, 1, 1)
    try:
        known = exchange_calendars.get_calendar(name)
    except exchange_calendars.errors.InvalidCalendarName as error:
        names = "`python -c 'import exchange_calendars; print(exchange_calendars.get_calendar_names())'`"
        near = suggestion(name, [NEPSE, *exchange_calendars.get_calendar_names()])
        raise BusError("UNKNOWN_CALENDAR", f"calendar {name!r} is unknown, must be {NEPSE!r} or of {names}{near}") from error
    except ValueError as error:  # so XTAE with pandas 3.1
        text = f"exchange_calendars cannot make the calendar {name!r}: {str(error)[:MOST_OF_A_REASON]}"
        raise BusError("UNKNOWN_CALENDAR", f"{text}; try pip install 'pandas<3.1'") from error
    last = known.last_session.date()
    # Its `sessions` lack Saturdays with pandas 3.1: findings/exchange_calendars_loses_saturdays_with_pandas_3_1.sh.
    sessions = {day for day in _each_day(first, last) if known.day.is_on_offset(datetime.combine(day, time()))}
    weekdays = {at for at, sign in enumerate(known.weekmask, 1) if sign == "1"}
    plain = {day for day in _each_day(first, last) if day.isoweekday() in weekdays}
    return _calendar(name, str(known.tz), weekdays, plain - sessions, sessions - plain, first, last)


def _each_day(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=at) for at in range((last - first).days + 1))


def _days(rows: Any, key: str) -> set[date]:
    days = set()
    for row in rows if isinstance(rows, list) else []:
        text = row.get(key) if isinstance(row, Mapping) else None
        if isinstance(text, str):
            try:
                days.add(date.fromisoformat(text[:10]))
            except ValueError:
                continue  # the exchange's lists have had empty dates
    return days


def _calendar(
    name: str, zone: str, weekdays: Iterable[int], closed: Iterable[date], opened: Iterable[date], first: date, last: date
) -> dict[str, Any]:
    closed, opened = (sorted(day for day in days if first <= day <= last) for days in (closed, opened))
    return {
        "name": name,
        "zone": zone,
        "weekdays": sorted(weekdays),
        "closed": [day.isoformat() for day in closed],
        "opened": [day.isoformat() for day in opened],
        "first": first.isoformat(),
        "last": last.isoformat(),
    }

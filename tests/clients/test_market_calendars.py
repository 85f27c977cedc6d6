"""The trading days of markets, as the broker's calendars take them."""

import sys
from datetime import date, timedelta

import pytest

from hulak.bus.core.schedules.schedule_requests import CalendarArguments
from hulak.bus.errors import BusError, ConfigError
from hulak.clients.market_calendars import exchange_days, nepse_days

FRIDAY = date(2026, 4, 24)
HOLIDAYS = {2026: ["2026-04-27", "2026-05-01T00:00:00"], 2027: ["2027-01-30"]}


def exchange(sessions=None, holidays=HOLIDAYS):
    """Answer as the workers of the service `nepse` do."""
    days = [FRIDAY - timedelta(days=ago) for ago in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 19, 20)] if sessions is None else sessions

    def ask(action, args):
        if action == "summary-history":
            return [{"businessDate": str(day)} for day in days]
        return [{"holidayDate": text} for text in holidays.get(args["year"], [])] + [{"holidayDate": ""}, {"other": 1}]

    return ask


def read(days):
    return CalendarArguments(**days).days()


def test_the_days_of_nepse_are_its_holidays_and_the_week_of_its_last_sessions():
    days = nepse_days(exchange(), date(2026, 4, 25))
    assert days == {
        "name": "nepse",
        "zone": "Asia/Kathmandu",
        "weekdays": [1, 2, 3, 4, 5],  # the two Sundays before are older than the last ten sessions
        "closed": ["2026-04-27", "2026-05-01"],
        "opened": [],
        "first": "2026-01-01",
        "last": "2026-06-24",
    }
    assert read(days).next_open(date(2026, 4, 25)) == date(2026, 4, 28)


@pytest.mark.parametrize(
    ("holidays", "last"),
    [(HOLIDAYS, "2027-01-29"), ({2026: HOLIDAYS[2026]}, "2026-12-31")],
    ids=["both years", "the next year is not published"],
)
def test_a_calendar_reaches_into_the_next_year_only_if_its_holidays_are_published(holidays, last):
    assert nepse_days(exchange(holidays=holidays), date(2026, 11, 30))["last"] == last


@pytest.mark.parametrize(("sessions", "holidays"), [([], HOLIDAYS), (None, {})])
def test_an_empty_list_is_no_calendar(sessions, holidays):
    with pytest.raises(BusError) as refused:
        nepse_days(exchange(sessions, holidays), FRIDAY)
    assert refused.value.code == "UNKNOWN_CALENDAR"


def test_the_days_of_another_exchange_are_those_of_exchange_calendars():
    pytest.importorskip("exchange_calendars")
    days = exchange_days("XNYS", date(2026, 6, 1))
    known = read(days)
    assert (days["zone"], days["weekdays"], days["first"]) == ("America/New_York", [1, 2, 3, 4, 5], "2026-01-01")
    assert not known.is_open(date(2026, 7, 3))  # Independence Day is a Saturday in 2026, and observed on Friday
    assert known.is_open(date(2026, 7, 6))
    with pytest.raises(BusError, match="calendar 'XNOWHERE' is unknown, must be 'nepse'"):
        exchange_days("XNOWHERE", date(2026, 6, 1))


def test_a_session_on_a_saturday_is_a_trading_day():
    pytest.importorskip("exchange_calendars")
    days = exchange_days("XBOM", date(2025, 6, 1))
    assert days["weekdays"] == [1, 2, 3, 4, 5]
    assert "2025-02-01" in days["opened"]  # a Saturday: the day of the budget
    assert read(days).is_open(date(2025, 2, 1))


def test_a_calendar_that_cannot_be_made_is_named(monkeypatch):
    package = pytest.importorskip("exchange_calendars")

    def refuse(name):
        raise ValueError("Special dates " + "2006-12-03, " * 100 + "are not sessions.")

    monkeypatch.setattr(package, "get_calendar", refuse)
    with pytest.raises(BusError, match=r"cannot make the calendar 'XTAE': Special .*; try pip install") as refused:
        exchange_days("XTAE", date(2026, 6, 1))
    assert refused.value.code == "UNKNOWN_CALENDAR"
    assert len(str(refused.value)) < 400


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(ConfigError, match=r"pip install 'hulak\[calendars\]'"):
        exchange_days("XNYS", date(2026, 6, 1))

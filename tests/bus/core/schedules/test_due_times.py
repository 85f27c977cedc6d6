"""The due times of schedules: exact moments, with zones, days on which clocks are set, and trading days."""

import itertools
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from hulak.bus.core.schedules.due_times import MOST_LISTED, DueTimes, check_cron
from hulak.bus.core.schedules.local_times import first_moment, moment_of, read_local
from hulak.bus.core.schedules.trading_days import DaysUnknown, TradingDays
from hulak.bus.errors import ProtocolError

NEPAL, BERLIN, NEW_YORK = ZoneInfo("Asia/Kathmandu"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
# Monday to Friday; Thursday 1 October and Friday 2 October 2026 are holidays, Saturday the 3rd has a session.
DAYS = TradingDays(
    "nepse",
    "Asia/Kathmandu",
    frozenset({1, 2, 3, 4, 5}),
    frozenset({date(2026, 10, 1), date(2026, 10, 2)}),
    frozenset({date(2026, 10, 3)}),
    date(2026, 1, 1),
    date(2026, 12, 31),
)


def utc(text):
    """Return a moment, given in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def texts(moments, zone=UTC):
    return [datetime.fromtimestamp(moment, zone).isoformat() for moment in moments]


def cron(expression, zone=UTC, start="2026-01-01", days=None, until=None):
    return DueTimes(expression, None, utc(start), until, zone, days)


def following(times, moment, count):
    moments = []
    for _ in range(count):
        moment = times.after(moment)
        moments.append(moment)
    return moments


def test_a_cron_time_of_nepal_is_five_hours_and_three_quarters_earlier_in_utc():
    times = cron("5 15 * * 1-5", NEPAL)
    assert texts(following(times, utc("2026-11-27T09:19:59"), 3)) == [
        "2026-11-27T09:20:00+00:00",
        "2026-11-30T09:20:00+00:00",
        "2026-12-01T09:20:00+00:00",
    ]


def test_a_due_time_is_strictly_later():
    times = cron("*/5 * * * *")
    assert times.after(utc("2026-11-27T10:05")) == utc("2026-11-27T10:10")
    assert times.after(utc("2026-11-27T10:04:59")) == utc("2026-11-27T10:05")


@pytest.mark.parametrize("expression", ["30 2 * * *", "15,30,45 2 * * *"])
def test_a_fixed_time_that_does_not_exist_runs_once_at_the_shift(expression):
    """In Berlin, 2026-03-29 goes from 02:00 to 03:00."""
    moments = following(cron(expression, BERLIN), utc("2026-03-28T12:00"), 2)
    assert texts(moments, BERLIN)[0] == "2026-03-29T03:00:00+02:00"
    assert texts(moments, BERLIN)[1].startswith("2026-03-30T02:")


def test_a_fixed_time_that_exists_twice_runs_once_at_the_first():
    """In Berlin, 2026-10-25 goes from 03:00 back to 02:00."""
    times = cron("30 2 * * *", BERLIN)
    expected = ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    assert texts(following(times, utc("2026-10-24T12:00"), 2), BERLIN) == expected
    in_second = utc("2026-10-25T01:10")  # 02:10 for the second time
    assert texts([times.after(in_second)], BERLIN) == expected[1:]


def test_a_repeated_time_runs_by_the_time_that_passes():
    times = cron("*/30 * * * *", BERLIN)
    spring = following(times, utc("2026-03-29T00:29"), 4)
    autumn = following(times, utc("2026-10-24T23:59"), 5)
    assert {later - earlier for earlier, later in itertools.pairwise(spring)} == {1800}
    assert {later - earlier for earlier, later in itertools.pairwise(autumn)} == {1800}


@pytest.mark.parametrize(
    ("local", "zone", "expected"),
    [
        ("2026-03-29T02:30", BERLIN, "2026-03-29T01:00"),  # does not exist: the shift
        ("2026-03-29T02:00", BERLIN, "2026-03-29T01:00"),
        ("2026-03-29T03:00", BERLIN, "2026-03-29T01:00"),
        ("2026-10-25T02:30", BERLIN, "2026-10-25T00:30"),  # exists twice: the first
        ("2026-11-01T01:30", NEW_YORK, "2026-11-01T05:30"),
        ("2026-11-30T15:05", NEPAL, "2026-11-30T09:20"),
    ],
)
def test_a_local_time_is_one_moment(local, zone, expected):
    assert moment_of(datetime.fromisoformat(local), zone) == utc(expected)


@pytest.mark.parametrize(
    ("at", "now", "expected"),
    [
        ("15:05", "2026-11-30T09:19:59", "2026-11-30T09:20"),  # today
        ("15:05", "2026-11-30T09:20:00", "2026-12-01T09:20"),  # tomorrow
        ("15:05:30", "2026-11-30T09:20:00", "2026-11-30T09:20:30"),
        ("2026-12-24 09:00", "2026-11-30T09:20:00", "2026-12-24T03:15"),
        ("2026-01-01T00:00", "2026-11-30T09:20:00", "2025-12-31T18:15"),  # over: the caller refuses it
    ],
)
def test_a_time_without_a_date_is_today_or_tomorrow(at, now, expected):
    assert first_moment(at, utc(now), NEPAL, None) == utc(expected)


def test_a_time_without_a_date_is_on_the_next_trading_day():
    assert first_moment("15:05", utc("2026-09-30T09:20"), NEPAL, DAYS) == utc("2026-10-03T09:20")
    with pytest.raises(ProtocolError, match="no trading day of calendar nepse"):
        first_moment("2026-10-01T15:05", utc("2026-09-30T09:20"), NEPAL, DAYS)


@pytest.mark.parametrize("text", ["25:00", "2026-02-30T10:00", "1900-01-01T10:00", "9999-12-31T23:59"])
def test_a_wrong_local_time_is_refused(text):
    with pytest.raises(ValueError, match=r"year|hour|day"):
        read_local(text)


def test_every_is_anchored_and_does_not_drift():
    times = DueTimes(None, 300, 1_000_000_007, None, UTC)
    assert times.after(0) == 1_000_000_007
    assert times.after(1_000_000_007) == 1_000_000_307
    assert times.after(1_000_000_306) == 1_000_000_307
    assert times.after(1_000_000_007 + 10**6) % 300 == 1_000_000_007 % 300
    set_back = DueTimes(None, 300, 1_000_000_007, None, UTC, unbounded=True)
    assert set_back.after(1_000_000_007 - 86_400 - 1) == 1_000_000_007 - 86_400


def test_at_is_due_once():
    times = DueTimes(None, None, 1000, None, UTC)
    assert (times.after(0), times.after(999), times.after(1000)) == (1000, 1000, None)


def test_nothing_is_due_after_until():
    times = DueTimes(None, 10, 100, 120, UTC)
    assert following(times, 0, 3) == [100, 110, 120]
    assert times.after(120) is None


def test_due_times_on_other_days_are_left_out():
    moments = following(cron("5 15 * * *", NEPAL, days=DAYS), utc("2026-09-30T00:00"), 3)
    assert texts(moments, NEPAL) == [f"2026-{day}T15:05:00+05:45" for day in ("09-30", "10-03", "10-05")]
    every = DueTimes(None, 6 * 3600, utc("2026-09-30T00:00"), None, NEPAL, DAYS)
    moments = following(every, utc("2026-09-30T12:00"), 3)
    assert texts(moments, NEPAL) == [
        "2026-09-30T23:45:00+05:45",
        "2026-10-03T05:45:00+05:45",
        "2026-10-03T11:45:00+05:45",
    ]


def test_after_the_last_known_day_nothing_is_assumed():
    times = cron("5 15 * * *", NEPAL, days=DAYS)
    with pytest.raises(DaysUnknown, match="calendar nepse is known until 2026-12-31"):
        times.after(utc("2026-12-31T09:20"))
    assert times.until(utc("2026-12-30T12:00"), utc("2027-06-01")) == ([utc("2026-12-31T09:20")], True)


def test_days_before_the_calendar_count_as_closed():
    assert DAYS.next_open(date(2020, 1, 1)) == date(2026, 1, 1)
    assert not DAYS.is_open(date(2025, 12, 31))


def test_a_rule_that_never_comes_again_ends():
    assert cron("0 0 29 2 *", until=utc("2027-01-01")).after(utc("2026-03-01")) is None
    assert texts([cron("0 0 29 2 *").after(utc("2026-03-01"))]) == ["2028-02-29T00:00:00+00:00"]
    assert cron("0 0 * * *").after(utc("2200-01-01")) is None


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("* * * *", "it has 4 fields"),
        ("0 * * * * *", "it has 6 fields"),
        ("60 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 * * 8", "Bad day-of-week"),
        ("a b c d e", "Bad minute"),
        ("*/0 * * * *", "Bad minute"),
    ],
)
def test_a_wrong_expression_is_refused_by_its_field(expression, why):
    with pytest.raises(ValueError, match=why):
        check_cron(expression)


def test_more_due_times_than_are_listed_are_found_by_halving():
    minutes = cron("* * 1-30 * *", NEPAL)
    start, now = utc("2026-01-01"), utc("2026-08-01T12:00:30")
    listed, is_all = minutes.until(start, now)
    assert (len(listed), is_all) == (MOST_LISTED, False)
    assert minutes.newest(listed[-1], now) == utc("2026-08-01T12:00")
    in_gap = utc("2026-07-30T20:00")  # the 31st in Nepal: nothing is due
    assert texts([minutes.newest(listed[-1], in_gap)], NEPAL) == ["2026-07-30T23:59:00+05:45"]

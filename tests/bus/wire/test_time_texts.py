"""Times as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hulak.bus.wire.time_texts import iso_time, moment_ns, ns_of

S = 1_000_000_000
DAY = 86_400 * S
NOON = 20_000 * DAY + DAY // 2  # 2024-10-04 12:00 UTC


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("now", NOON),
        ("90s", NOON - 90 * S),
        ("10m", NOON - 600 * S),
        ("1.5h", NOON - 5400 * S),
        ("1d", NOON - DAY),
        ("09:00", NOON - 3 * 3600 * S),
        ("09:00:30", NOON - 3 * 3600 * S + 30 * S),
        ("13:00", NOON - 23 * 3600 * S),
        ("12:00", NOON),
        ("17:45+05:45", NOON),
        ("2024-10-04", NOON - DAY // 2),
        ("2024-10-04T11:00", NOON - 3600 * S),
        ("2024-10-04T16:45+05:45", NOON - 3600 * S),
        ("2024-10-04 11:00:00.000001Z", NOON - 3600 * S + 1000),
    ],
)
def test_a_text_means_a_time(text, time_ns):
    assert moment_ns(text, NOON) == time_ns


@pytest.mark.parametrize("text", ["", "9", "yesterday", "-1h", "1w", "25:00", "09:0", "1e3s", "1969-12-31", "99999999999d", "٣m"])
def test_other_texts_are_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="must be such as 2026-11-22T10:00:00, 09:00"):
        moment_ns(text, NOON)


def test_a_datetime_needs_a_zone():
    assert ns_of(datetime(2024, 10, 4, 12, tzinfo=UTC)) == NOON
    assert ns_of(datetime(2024, 10, 4, 17, 45, tzinfo=timezone(timedelta(minutes=345)))) == NOON
    with pytest.raises(ValueError, match="has no time zone"):
        ns_of(datetime(2024, 10, 4, 12))  # noqa: DTZ001 - the case


def test_a_time_is_shown_in_utc():
    assert iso_time(NOON + 5_999_999) == "2024-10-04T12:00:00.005Z"


def test_a_time_that_64_bits_of_ns_do_not_hold_is_refused():
    assert moment_ns("2262-04-11T23:47:16", NOON) < 1 << 63
    for text in ("2262-04-11T23:47:17", "9999-12-31T23:59:59"):
        with pytest.raises(ValueError, match="is not a time"):
            moment_ns(text, NOON)

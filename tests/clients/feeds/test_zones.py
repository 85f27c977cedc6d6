"""The clocks of files: the meaning of their texts, and the hours that summer time makes ambiguous."""

from datetime import UTC, datetime

import pytest

from hulak.bus.errors import FeedError
from hulak.clients.feeds.files.zones import HOUR_MS, zone_of


def ms(*civil):
    return int(datetime(*civil, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "civil", "hours"),
    [
        ("UTC", (2024, 7, 1, 12), 0),
        ("GMT", (2024, 7, 1, 12), 0),
        ("UTC+2", (2024, 7, 1, 12), -2),
        ("+02:00", (2024, 1, 1, 12), -2),
        ("-0530", (2024, 1, 1, 12), 5.5),
        ("GMT-5", (2024, 1, 1, 12), 5),
        ("America/New_York", (2024, 1, 1, 12), 5),
        ("America/New_York", (2024, 7, 1, 12), 4),
        ("America/New_York+7", (2024, 1, 1, 12), -2),
        ("America/New_York+7", (2024, 7, 1, 12), -3),
        ("Asia/Kathmandu", (2024, 1, 1, 12), -5.75),
    ],
)
def test_a_clock_is_behind_utc_by_its_offset(text, civil, hours):
    assert zone_of(text).utc_ms(ms(*civil)) == ms(*civil) + hours * HOUR_MS


def test_a_time_that_clocks_never_show_is_refused():
    with pytest.raises(FeedError, match="the clocks of America/New_York show 2024-03-10 02:00 never"):
        zone_of("America/New_York+7").utc_ms(ms(2024, 3, 10, 9))


def test_the_hour_that_clocks_show_twice_is_refused_and_the_ones_beside_it_are_not():
    berlin = zone_of("Europe/Berlin")
    for minute in (0, 59):
        with pytest.raises(FeedError, match=r"the clocks of Europe/Berlin show 2024-10-27 02:.* twice"):
            berlin.utc_ms(ms(2024, 10, 27, 2, minute))
    assert berlin.utc_ms(ms(2024, 10, 27, 1, 59)) == ms(2024, 10, 26, 23, 59)
    assert berlin.utc_ms(ms(2024, 10, 27, 3)) == ms(2024, 10, 27, 2)


@pytest.mark.parametrize(
    "text", ["", "Etc/GMT+2", "Nowhere", "UTC+15", "+2+3", "../etc/passwd", "America", "UTC+2:75", "a" * 300, "\0"]
)
def test_a_text_that_is_no_clock_is_refused(text):
    with pytest.raises(FeedError, match="zone is "):
        zone_of(text)

"""Where a subscription begins: `since`, `from_sequence` and `last`."""

from datetime import UTC, datetime

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.subscriber.history_start import Start, StartKind, start_of

S = 1_000_000_000
NOW = 20_000 * 86_400 * S


def start(since=None, from_sequence=None, last=None):
    given = start_of(since, from_sequence, last, NOW)
    return None if given is None else (given.kind, given.value)


def test_nothing_given_begins_with_the_present():
    assert start() is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"since": -3600}, (StartKind.TIME, NOW - 3600 * S)),
        ({"since": -0.5}, (StartKind.TIME, NOW - S // 2)),
        ({"since": 0}, (StartKind.TIME, NOW)),
        ({"since": -1e12}, (StartKind.TIME, 0)),
        ({"since": -1e300}, (StartKind.TIME, 0)),
        ({"since": -(10**400)}, (StartKind.TIME, 0)),
        ({"since": "1h"}, (StartKind.TIME, NOW - 3600 * S)),
        ({"since": datetime(2024, 10, 3, 23, tzinfo=UTC)}, (StartKind.TIME, NOW - 3600 * S)),
        ({"since": "oldest"}, (StartKind.OLDEST, 0)),
        ({"from_sequence": 1}, (StartKind.NUMBER, 1)),
        ({"last": 1000}, (StartKind.COUNT, 1000)),
    ],
)
def test_each_argument_gives_a_start(given, wanted):
    assert start(**given) == wanted


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"since": 3600}, "since is 3600, must be a negative number of seconds"),
        ({"since": float("nan")}, "since is nan, must be"),
        ({"since": True}, "since is True, must be"),
        ({"since": "soon"}, "'soon' is not a time, must be such as"),
        ({"since": "2099-01-01"}, "which is later than now"),
        ({"since": datetime(2024, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - the case
        ({"from_sequence": 0}, "from_sequence is 0, must be a whole number from 1"),
        ({"from_sequence": True}, "from_sequence is True, must be"),
        ({"last": 1.5}, "last is 1.5, must be a whole number from 1 to 1000000"),
        ({"last": 1_000_001}, "last is 1000001, must be"),
        ({"since": -1, "last": 5}, "since and last are both given, must be one of them"),
    ],
)
def test_other_values_are_refused_by_name(given, text):
    with pytest.raises(ConfigError, match=text):
        start(**given)


def test_a_start_has_the_text_that_it_was_given_as():
    assert start_of("09:00", None, None, NOW).text == "since '09:00'"
    assert Start(StartKind.POSITION, 5, 7).epoch == 7

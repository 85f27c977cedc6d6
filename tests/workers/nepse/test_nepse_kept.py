"""Answers are kept for their time, and never more of them than a worker should carry."""

import pytest

from workers.nepse.answer_cache import MOST, AnswerCache, day_left_s


def test_an_answer_is_found_until_its_time_is_over_also_when_it_is_nothing():
    kept = AnswerCache()
    kept.keep("depth", None, 10.0, until=12.0)
    assert kept.find("depth", 11.9).value is None
    assert kept.find("depth", 12.0) is None
    assert kept.find("other", 0.0) is None


def test_a_newer_answer_takes_the_place_of_the_older_and_the_oldest_goes_first():
    kept = AnswerCache()
    for number in range(MOST):
        kept.keep(str(number), number, 0.0, until=100.0)
    kept.keep("0", "new", 0.0, until=100.0)
    kept.keep("more", 1, 0.0, until=100.0)
    assert len(kept.answers) == MOST
    assert kept.find("1", 0.0) is None
    assert kept.find("0", 0.0).value == "new"
    kept.keep("later", 1, 100.0, until=200.0)
    assert list(kept.answers) == ["later"], "what is too old is no burden"


@pytest.mark.parametrize(
    ("time_ms", "left_s"), [(0.0, 86_400 - 20_700), (1_776_968_100_000.0, 86_400.0), (1_776_968_099_000.0, 1.0)]
)
def test_the_day_ends_at_midnight_in_nepal(time_ms, left_s):
    assert day_left_s(time_ms) == left_s

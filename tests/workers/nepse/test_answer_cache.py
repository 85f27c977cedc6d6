"""Answers are cached for their time, and their number is bounded."""

import pytest

from hulak.workers.nepse.answer_cache import MAX_ANSWERS, AnswerCache, seconds_to_midnight


def test_an_answer_is_found_until_it_expires_also_when_it_is_none():
    cache = AnswerCache()
    cache.keep("depth", None, 10.0, until=12.0)
    assert cache.find("depth", 11.9).value is None
    assert cache.find("depth", 12.0) is None
    assert cache.find("other", 0.0) is None


def test_a_newer_answer_replaces_the_older_and_the_oldest_is_dropped_first():
    cache = AnswerCache()
    for number in range(MAX_ANSWERS):
        cache.keep(str(number), number, 0.0, until=100.0)
    cache.keep("0", "new", 0.0, until=100.0)
    cache.keep("more", 1, 0.0, until=100.0)
    assert len(cache.answers) == MAX_ANSWERS
    assert cache.find("1", 0.0) is None
    assert cache.find("0", 0.0).value == "new"
    cache.keep("later", 1, 100.0, until=200.0)
    assert list(cache.answers) == ["later"], "expired answers are dropped"


@pytest.mark.parametrize(
    ("time_ms", "left_s"), [(0.0, 86_400 - 20_700), (1_776_968_100_000.0, 86_400.0), (1_776_968_099_000.0, 1.0)]
)
def test_the_day_ends_at_midnight_in_nepal(time_ms, left_s):
    assert seconds_to_midnight(time_ms) == left_s

"""The rate limit of one worker, with plain numbers for time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hulak.workers.nepse.rate_limit import RateLimit

SLACK_S = 1e-5


def play(rate, delays):
    """Send requests one after the other as soon as allowed; each takes (there, back) seconds. Return their arrivals."""
    limit, now, arrivals = RateLimit(rate, 0.0), 0.0, []
    for there, back in delays:
        while wait_s := limit.wait_s(rate, now):
            now += wait_s
        limit.begin(now)
        arrivals.append(now + there)
        now += there + back
        limit.ended(now)
    return arrivals


def most_in(arrivals, window_s):
    return max(sum(at <= other < at + window_s for other in arrivals) for at in arrivals)


def test_two_a_second_are_half_a_second_apart():
    assert play(2.0, [(0.0, 0.0)] * 4) == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=SLACK_S)


def test_a_slow_request_and_quick_ones_behind_it_do_not_arrive_together():
    """Sent at 0.0 (0.4 s on its way), 0.5 and 1.0: spacing alone would make the exchange see three between 0.4 and 1.0."""
    arrivals = play(2.0, [(0.4, 0.0), (0.0, 0.0), (0.0, 0.0)])
    assert arrivals == pytest.approx([0.4, 0.5, 1.4], abs=SLACK_S)


@settings(max_examples=200)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 2.5, 7.0]),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=30),
)
def test_no_window_has_more_requests_than_the_rate(rate, delays):
    count = max(1, int(rate))
    assert most_in(play(rate, delays), count / rate - SLACK_S) <= count


def test_a_new_rate_applies_at_once_without_a_burst():
    limit = RateLimit(2.0, 0.0)
    limit.begin(0.0)
    limit.ended(0.0)
    assert limit.wait_s(2.0, 0.1) == pytest.approx(0.4)
    assert limit.wait_s(10.0, 0.1) == pytest.approx(0.1)
    assert limit.wait_s(10.0, 0.2) == 0.0
    assert limit.wait_s(0.5, 0.2) == pytest.approx(2.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf")])
def test_a_rate_that_allows_nothing_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        RateLimit(rate, 0.0)

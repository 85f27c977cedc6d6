"""The token bucket, with plain numbers for time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.workers.nepse.token_bucket import TokenBucket


def test_an_empty_bucket_refuses_until_there_is_a_token():
    bucket = TokenBucket(rate=2.0, burst=1, now=100.0)
    assert bucket.take(100.0)
    assert not bucket.take(100.4)
    assert bucket.take(100.5)


def test_a_full_bucket_allows_a_burst_and_no_more():
    bucket = TokenBucket(rate=1.0, burst=3, now=0.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_refusal_takes_no_token():
    bucket = TokenBucket(rate=1.0, burst=1, now=0.0)
    bucket.take(0.0)
    for tenth in range(9):
        assert not bucket.take(tenth / 10)
    assert bucket.take(1.0)


def test_the_wait_is_zero_with_a_token_and_the_rest_of_the_interval_without():
    bucket = TokenBucket(rate=4.0, burst=1, now=0.0)
    assert bucket.wait_s(0.0) == 0.0
    bucket.take(0.0)
    assert bucket.wait_s(0.1) == pytest.approx(0.15)


def test_a_clock_that_goes_back_adds_no_tokens():
    bucket = TokenBucket(rate=1.0, burst=1, now=10.0)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(0.0, 1), (-1.0, 1), (float("inf"), 1), (float("nan"), 1), (1.0, 0.5), (1.0, float("nan"))],
)
def test_a_bucket_that_could_never_allow_anything_is_refused(rate, burst):
    with pytest.raises(ValueError, match="must be"):
        TokenBucket(rate=rate, burst=burst, now=0.0)


@given(rate=st.floats(0.01, 1000), start=st.floats(0, 1e8), steps=st.integers(1, 50))
def test_a_caller_that_sleeps_the_returned_wait_is_never_refused(rate, start, steps):
    bucket = TokenBucket(rate=rate, burst=1, now=start)
    now = start
    for _ in range(steps):
        now += bucket.wait_s(now)
        assert bucket.take(now)


@given(
    rate=st.floats(0.5, 100),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_no_more_is_allowed_than_burst_and_rate(rate, burst, gaps):
    bucket = TokenBucket(rate=rate, burst=burst, now=0.0)
    now, taken = 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now)
        assert taken <= burst + now * rate + 0.01

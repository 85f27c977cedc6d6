"""Delays of retries and reconnects, with plain numbers for chance."""

import math

import pytest

from hulak.bus.backoff import Backoff
from hulak.bus.errors import ConfigError


def always(value):
    return lambda: value


def test_the_ceiling_doubles_from_the_base_to_the_cap():
    backoff = Backoff(base_s=0.5, cap_s=15.0, random=always(0.0))
    assert [backoff.ceiling_s(attempt) for attempt in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_a_delay_is_a_share_of_the_ceiling_from_nothing_to_nearly_all():
    assert Backoff(0.5, 60.0, always(0.0)).delay_s(7) == 0.0
    assert Backoff(0.5, 60.0, always(0.5)).delay_s(7) == 16.0
    assert Backoff(0.5, 60.0, always(0.999)).delay_s(7) == pytest.approx(31.968)


def test_each_delay_draws_one_random_number():
    draws = iter([0.25, 0.75])
    backoff = Backoff(1.0, 8.0, lambda: next(draws))
    assert [backoff.delay_s(3), backoff.delay_s(3)] == [1.0, 3.0]


@pytest.mark.parametrize("attempt", [1024, 1025, 10**6, 10**400])
def test_no_number_of_attempts_overflows(attempt):
    assert Backoff(0.5, 15.0, always(0.5)).delay_s(attempt) == 7.5
    assert Backoff(1e300, 1.7e308, always(0.5)).ceiling_s(attempt) == 1.7e308


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_are_counted_from_one(attempt):
    with pytest.raises(ValueError, match=f"attempt is {attempt}"):
        Backoff(0.5, 15.0, always(0.5)).delay_s(attempt)


@pytest.mark.parametrize(
    ("base_s", "cap_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0), (1.0, math.nan)]
)
def test_bounds_that_make_no_sense_are_refused(base_s, cap_s):
    with pytest.raises(ConfigError, match="_s is"):
        Backoff(base_s, cap_s, always(0.5))

"""The timetable of a replay, with plain numbers for time."""

import math

import pytest

from hulak.bus.errors import ConfigError
from hulak.clients.feeds.pacing import ReplayPacing


def test_the_first_tick_is_due_at_once_and_the_others_as_recorded():
    pacing = ReplayPacing(1.0)
    assert pacing.wait_s(5_000, now=100.0) == 0.0
    assert pacing.wait_s(5_250, now=100.0) == 0.25
    assert pacing.wait_s(7_000, now=100.5) == 1.5


def test_speed_divides_every_wait():
    pacing = ReplayPacing(10.0)
    pacing.wait_s(0, now=0.0)
    assert pacing.wait_s(20_000, now=0.5) == 1.5


def test_a_late_replay_catches_up_instead_of_drifting():
    pacing = ReplayPacing(1.0)
    pacing.wait_s(0, now=10.0)
    assert pacing.wait_s(1_000, now=11.75) == 0.0
    assert pacing.wait_s(2_000, now=11.75) == 0.25


def test_a_day_of_ticks_that_are_each_sent_late_ends_on_time():
    pacing = ReplayPacing(1.0)
    now = 0.0
    for second in range(86_400):
        now += pacing.wait_s(second * 1_000, now) + 0.125
    assert now == 86_399.125


def test_a_tick_that_is_older_than_the_first_is_due_at_once():
    pacing = ReplayPacing(1.0)
    pacing.wait_s(9_000, now=1.0)
    assert pacing.wait_s(8_000, now=1.0) == 0.0


def test_without_a_speed_nothing_waits():
    pacing = ReplayPacing(None)
    assert [pacing.wait_s(0, now=0.0), pacing.wait_s(10**12, now=0.0)] == [0.0, 0.0]


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_speed_that_makes_no_sense_is_refused(speed):
    with pytest.raises(ConfigError, match="speed is"):
        ReplayPacing(speed)

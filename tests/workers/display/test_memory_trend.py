"""Whether memory grows, over a real window."""

import pytest

from hulak.workers.display.memory_trend import MemoryTrend


def trend(values, every_s=5.0, window_s=300.0):
    made = MemoryTrend(0.0, every_s, window_s)
    for at, value in enumerate(values):
        made.add(at * every_s, value)
    return made.as_dict()


def test_there_is_no_trend_before_two_samples():
    assert trend([1]) is None


@pytest.mark.parametrize(
    ("values", "direction", "change"),
    [
        ([100, 110, 120], "increasing", 20),
        ([120, 110, 100], "decreasing", -20),
        ([100] * 9, "stable", 0),
        ([100, 300, 100], "stable", 0),
    ],
)
def test_the_direction_is_that_of_all_samples(values, direction, change):
    report = trend(values)
    assert (report["direction"], report["change"], report["window_s"]) == (direction, change, 5.0 * (len(values) - 1))


def test_the_slope_is_per_minute_and_old_samples_are_forgotten():
    report = trend(range(1000, 2000), every_s=5.0, window_s=60.0)
    assert (report["window_s"], report["per_minute"], report["change"]) == (60.0, 12.0, 12)


def test_samples_that_come_too_often_are_left_out():
    made = MemoryTrend(0.0, 5.0, 300.0)
    for at in range(100):
        made.add(at * 0.1, at)
    assert made.as_dict()["window_s"] == 5.0

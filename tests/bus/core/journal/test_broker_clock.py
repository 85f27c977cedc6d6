"""The broker's own clock: over restarts, reboots and jumps of the wall clock it goes on, and never too fast."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.journal.broker_clock import REBOOT_S, Aged, Ages, Clocks, passed_s

DAY_NS = 86_400 * 10**9
THEN = Clocks("boot-1", 500.0, 10**18)


def test_it_goes_on_with_monotonic_time():
    ages = Ages(1000.0, 50.0)
    assert ages.now(50.0) == 1000.0
    assert ages.now(57.5) == 1007.5
    assert ages.now(57.0) == 1007.5, "a moment that was taken before is no step back"


@pytest.mark.parametrize("wall_ns", [0, 10**18 - 40 * DAY_NS, 10**18 + 40 * DAY_NS])
def test_on_the_same_boot_the_wall_clock_does_not_count(wall_ns):
    assert Aged(100.0, THEN).later(Clocks("boot-1", 560.0, wall_ns)) == 160.0


@pytest.mark.parametrize(
    ("boot", "boottime_s", "wall_ns", "passed"),
    [
        ("boot-2", 9000.0, 10**18 + 60 * 10**9, 60.0),
        ("boot-2", 9000.0, 10**18 + 40 * DAY_NS, REBOOT_S),
        ("boot-2", 9000.0, 10**18 - DAY_NS, 0.0),
        ("boot-1", 499.0, 10**18 + 5 * 10**9, 5.0),  # another machine's clock under the same id
        ("", 600.0, 10**18 + 5 * 10**9, 5.0),
    ],
)
def test_over_a_reboot_the_wall_clock_is_believed_for_an_hour_at_most(boot, boottime_s, wall_ns, passed):
    then = Clocks("", 500.0, 10**18) if not boot else THEN
    assert passed_s(then, Clocks(boot, boottime_s, wall_ns)) == passed


@given(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.floats(0, 1e7), st.integers(0, 2**62)), min_size=2, max_size=20))
def test_it_never_runs_backwards_for_any_clocks(readings):
    age_s, clocks = 0.0, Clocks(*readings[0])
    for reading in readings[1:]:
        later = Aged(age_s, clocks).later(Clocks(*reading))
        assert later >= age_s
        age_s, clocks = later, Clocks(*reading)

"""Due times over restarts and boots, for any setting of the wall clock."""

import math

import pytest

from hulak.bus.core.tasks.moments import MOST_NS, Moment

WALL_NS = 10**18


def test_a_moment_is_stored_by_both_clocks_and_restored_by_that_of_the_boot():
    then = Moment(100.0, WALL_NS, 5.0, "boot-a", 1000.0)
    wall_ns, mark = then.wall(60.0), then.mark(60.0)
    assert (wall_ns, mark) == (WALL_NS + 60 * 10**9, "boot-a/1060.000")
    hour_back = Moment(7.0, WALL_NS - 3600 * 10**9, 5.0, "boot-a", 1010.0)
    assert hour_back.left_s(wall_ns, mark) == 50.0
    other_boot = Moment(7.0, WALL_NS + 70 * 10**9, 5.0, "boot-b", 3.0)
    assert other_boot.left_s(wall_ns, mark) == -10.0
    assert other_boot.left_s(wall_ns, None) == -10.0


def test_never_is_kept_as_nothing_and_what_is_beyond_all_bounds_as_the_last_that_can_be():
    moment = Moment(100.0, WALL_NS, 5.0, "boot-a", 1000.0)
    assert (moment.wall(math.inf), moment.mark(math.inf)) == (None, None)
    assert [moment.wall(seconds) for seconds in (1e10, 1e300)] == [MOST_NS, MOST_NS]
    assert Moment(100.0, WALL_NS, 5.0).mark(60.0) is None


@pytest.mark.parametrize("mark", ["boot-a/", "boot-a/soon"])
def test_a_mark_that_is_none_is_refused(mark):
    with pytest.raises(ValueError, match="float"):
        Moment(100.0, WALL_NS, 5.0, "boot-a", 1000.0).left_s(0, mark)

"""How counters grew in the last ten minutes, with plain numbers for time."""

from hulak.bus.core.recent_counts import POINT_S, WINDOW_S, RecentCounts


def test_growth_is_that_of_the_window_and_the_window_is_short_at_first():
    recent = RecentCounts(100.0, {"failed": 5})
    assert recent.grown(100.0, {"failed": 5}) == {"window_s": 0.0, "failed": 0}
    assert recent.grown(130.0, {"failed": 7, "new": 2}) == {"window_s": 30.0, "failed": 2, "new": 2}


def test_growth_before_the_window_does_not_count():
    recent, failed = RecentCounts(0.0, {"failed": 0}), 0
    for second in range(1, 2000):
        failed += second <= 50  # one a second, in the first 50 s
        recent.update(float(second), {"failed": failed})
    assert recent.grown(1999.0, {"failed": failed})["failed"] == 0
    failed += 3
    growth = recent.grown(2000.0, {"failed": failed})
    assert growth["failed"] == 3
    assert WINDOW_S - POINT_S <= growth["window_s"] <= WINDOW_S + POINT_S


def test_memory_is_bounded_for_any_number_of_updates():
    recent = RecentCounts(0.0, {"failed": 0})
    for tenth in range(100_000):
        recent.update(tenth / 10, {"failed": tenth})
    assert len(recent._points) <= WINDOW_S / POINT_S + 2

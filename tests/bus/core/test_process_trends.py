"""Trends of processes, with plain numbers for time."""

import pytest

from hulak.bus.core.process_reports import ProcessReports
from hulak.bus.core.process_trends import (
    LEAST_POINTS,
    MOST_REMEMBERED,
    POINT_S,
    POINTS,
    ProcessTrend,
    ProcessTrends,
    RestartCount,
)


def test_cpu_is_the_share_between_two_reports_that_are_not_too_close():
    trend = ProcessTrend()
    trend.take(100.0, 7, {"cpu_s": 10.0})
    assert trend.as_dict() == {}
    trend.take(100.1, 7, {"cpu_s": 10.1})  # at once after a new configuration
    assert trend.as_dict() == {}
    trend.take(102.0, 7, {"cpu_s": 10.5})
    assert trend.as_dict()["cores"] == 0.25


@pytest.mark.parametrize("per_min", [0, 600_000])
def test_memory_has_a_slope_once_there_are_enough_points(per_min):
    trend = ProcessTrend()
    for at in range(int((LEAST_POINTS - 1) * POINT_S)):
        trend.take(1000.0 + at, 7, {"rss_bytes": 50_000_000 + per_min * at / 60})
        assert trend.as_dict() == {}
    trend.take(1000.0 + (LEAST_POINTS - 1) * POINT_S, 7, {"rss_bytes": 50_000_000 + per_min * (LEAST_POINTS - 1) * POINT_S / 60})
    assert trend.as_dict()["rss_per_min"] == pytest.approx(per_min, abs=1)


def test_growth_at_the_start_is_forgotten_and_memory_is_bounded():
    trend = ProcessTrend()
    for at in range(3 * POINTS):
        trend.take(at * POINT_S, 7, {"rss_bytes": min(at, POINTS) * 1e6})
    assert trend.as_dict()["rss_per_min"] == 0
    assert len(trend._points) == POINTS


def test_another_process_of_the_same_name_is_a_restart_and_starts_again():
    trends = ProcessTrends()
    trends.take(1.0, "feed", "binance", 7, {"cpu_s": 50.0})
    trends.take(2.0, "feed", "binance", 7, {"cpu_s": 50.5})
    assert trends.as_dict("feed", "binance") == {"cores": 0.5}
    trends.take(2.3, "feed", "binance", 8, {"cpu_s": 0.1})
    assert trends.as_dict("feed", "binance") == {"restarts": 1}
    assert trends.as_dict("feed", "kraken") == {}


def test_a_worker_that_comes_for_a_killed_one_is_a_restart_of_its_slot():
    trends = ProcessTrends()
    trends.take(1.0, "nepse", "nepse_00/7", 7, {})
    trends.take(3.0, "nepse", "nepse_00/8", 8, {})
    assert trends.as_dict("nepse", "nepse_00/8") == {"restarts": 1}


def test_a_worker_that_comes_at_once_for_a_killed_one_is_a_restart_as_soon_as_that_one_is_surely_gone():
    trends = ProcessTrends()
    trends.take(1.0, "display", "display_00/7", 7, {})
    trends.take(1.5, "display", "display_00/8", 8, {})  # supervisord is quicker than the silence of the former one
    for second in range(2, 5):
        trends.take(second + 0.5, "display", "display_00/8", 8, {})
        assert trends.as_dict("display", "display_00/8") == {}
    for second in range(6, 30):
        trends.take(second + 0.5, "display", "display_00/8", 8, {})
        assert trends.as_dict("display", "display_00/8") == {"restarts": 1}
    trends.take(30.0, "display", "display_00/9", 9, {})
    for second in range(31, 50):
        trends.take(second + 0.5, "display", "display_00/9", 9, {})
    assert trends.as_dict("display", "display_00/9") == {"restarts": 2}


def test_one_that_stumbles_beside_a_new_one_has_not_ended():
    trends = ProcessTrends()
    trends.take(0.0, "sums", "sums/7", 7, {})
    trends.take(0.5, "sums", "sums/8", 8, {})
    trends.take(1.5, "sums", "sums/8", 8, {})
    trends.take(3.0, "sums", "sums/7", 7, {})
    for second in range(4, 20):
        trends.take(second, "sums", "sums/7", 7, {})
        trends.take(second + 0.5, "sums", "sums/8", 8, {})
    assert trends.as_dict("sums", "sums/8") == {}


def test_workers_that_run_side_by_side_or_left_are_no_restarts():
    trends = ProcessTrends()
    for second in range(20):
        for pid in (7, 8, 9):
            trends.take(second + pid / 10, "nepse", f"nepse/{pid}", pid, {"cpu_s": second / 4})
    assert trends.as_dict("nepse", "nepse/8") == {"cores": 0.25}
    trends.leave("nepse", "nepse/9", 9)
    trends.take(20.5, "nepse", "nepse/10", 10, {})
    assert trends.as_dict("nepse", "nepse/10") == {}
    trends.take(30.0, "nepse", "nepse/11", 11, {})  # all are silent by now; it came for one of them
    assert trends.as_dict("nepse", "nepse/11") == {"restarts": 1}


def test_values_that_are_not_numbers_are_ignored():
    trend = ProcessTrend()
    for at in range(20):
        trend.take(at * POINT_S, 7, {"cpu_s": "much", "rss_bytes": None})
    assert trend.as_dict() == {}


def test_memory_is_bounded():
    trends = ProcessTrends(limit=2)
    for at, name in enumerate(("a", "b", "a", "c")):
        trends.take(float(at), "feed", name, at + 1, {})
    assert trends.as_dict("feed", "a") == {"restarts": 1}  # its last report is newer than that of b, which is forgotten
    trends.take(9.0, "feed", "b", 99, {})
    assert trends.as_dict("feed", "b") == {}
    place = RestartCount()
    for pid in range(1, 1000):
        place.record(5.0, f"sums/{pid}", pid)
    assert len(place.reported) == MOST_REMEMBERED
    assert place.restarts == 0


def test_reports_carry_their_trends():
    reports = ProcessReports()
    for second in range(3):
        reports.take(100.0 + second, "feed", "binance", 7, {"cpu_s": second * 0.5})
    assert reports.rows(102.0)[0].items() >= {"cores": 0.5, "cpu_s": 1.0}.items()

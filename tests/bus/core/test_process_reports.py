"""Counts, latencies and reports, with plain numbers for time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.process_reports import ProcessReports, Rate
from hulak.bus.histogram import BOUNDS, Histogram
from hulak.bus.wire.names import SILENT_S


def test_a_histogram_without_values_has_no_quantiles():
    assert Histogram(5.0, 100.0).quantiles(100.0) is None


@given(st.lists(st.floats(1.0, 1e9), min_size=1, max_size=200))
def test_a_quantile_is_within_1_1_percent_of_the_true_one(values):
    histogram = Histogram(5.0, 0.0)
    for value in values:
        histogram.add(value, 0.0)
    quantiles = histogram.quantiles(0.0, (0.5, 0.99, 1.0))
    ordered = sorted(values)
    for share in (0.5, 0.99, 1.0):
        true = ordered[max(0, -int(-share * len(values) // 1) - 1)]
        assert quantiles[f"p{share * 100:g}"] == pytest.approx(true, rel=0.011)
    assert (quantiles["max"], quantiles["count"]) == (max(values), len(values))


def test_values_are_forgotten_after_one_to_two_windows():
    histogram = Histogram(5.0, 100.0)
    histogram.add(64.0, 100.0)
    assert histogram.quantiles(104.9)["count"] == 1
    assert histogram.quantiles(105.0)["max"] == 64.0
    assert histogram.quantiles(109.9)["count"] == 1
    assert histogram.quantiles(110.0) is None


def test_after_a_long_silence_old_values_do_not_count():
    histogram = Histogram(5.0, 100.0)
    histogram.add(64.0, 100.0)
    histogram.add(2.0, 200.0)
    assert histogram.quantiles(200.0) == pytest.approx({"p50": 2.0, "p99": 2.0, "max": 2.0, "count": 1.0}, rel=0.011)


@pytest.mark.parametrize("value", [0.0, -5.0, 0.3, 1.0])
def test_what_is_not_above_one_counts_as_the_smallest(value):
    histogram = Histogram(5.0, 0.0)
    histogram.add(value, 0.0)
    assert histogram.quantiles(0.0)["p50"] <= 1.0


def test_memory_does_not_grow_with_values():
    histogram = Histogram(5.0, 0.0)
    for number in range(10_000):
        histogram.add(number * 1.7, number / 1000)
    assert len(histogram._now) + len(histogram._before) <= 2 * 32 * 15


def test_a_rate_is_the_growth_between_two_updates():
    rate = Rate(100.0)
    assert rate.update(50, 102.0) == 25.0
    assert rate.update(60, 102.0) == 25.0
    assert rate.update(60, 104.0) == 5.0


def test_the_last_report_of_each_process_is_kept_with_its_age():
    reports = ProcessReports()
    assert reports.take(100.0, "feed", "binance", 7, {"posted": 1})
    assert reports.take(101.0, "feed", "binance", 8, {"posted": 2})
    assert reports.take(101.5, "worker", "binance", 9, {})
    assert reports.rows(102.0) == [
        {"kind": "feed", "name": "binance", "pid": 8, "age_s": 1.0, "restarts": 1, "posted": 2},
        {"kind": "worker", "name": "binance", "pid": 9, "age_s": 0.5},
    ]


def test_a_silent_process_is_forgotten_and_makes_room_for_another():
    reports = ProcessReports(keep_s=10.0, limit=1)
    assert reports.take(100.0, "feed", "a", 1, {})
    assert not reports.take(110.0, "feed", "b", 2, {})
    assert reports.take(110.5, "feed", "b", 2, {})
    assert [row["name"] for row in reports.rows(110.5)] == ["b"]


def test_a_process_that_beats_is_silent_a_second_and_a_half_after_its_last_beat():
    reports = ProcessReports()
    assert not reports.beat(100.0, "feed", "a", 7), "it has to report first"
    assert reports.take(100.0, "feed", "a", 7, {"loop_age_s": 0.9})
    assert reports.beat(100.25, "feed", "a", 7, 0.1)
    assert not reports.beat(100.25, "feed", "a", 8), "another process of its name has to report, too"
    changes = [now for now in at_quarters(100.25, 103.0) if reports.check(now)]
    [row] = reports.rows(102.0)
    assert (row["age_s"], row["silent_s"], row["loop_age_s"]) == (2.0, 1.75, 0.1)
    assert reports.beat(103.0, "feed", "a", 7)
    assert [*changes, *(now for now in at_quarters(103.0, 104.0) if reports.check(now))] == [101.75, 103.0]


def at_quarters(begin, end):
    return [begin + step / 4 for step in range(int((end - begin) * 4) + 1)]


def test_while_the_broker_itself_stood_still_no_process_was_silent():
    reports = ProcessReports()
    reports.take(100.0, "feed", "a", 7, {})
    reports.beat(100.0, "feed", "a", 7)
    assert not reports.check(100.0)
    assert not reports.check(160.0)
    assert [row["silent_s"] for row in reports.rows(160.5)] == [0.5]


def test_a_process_that_sends_no_beats_has_no_silence_whatever_it_reports():
    reports = ProcessReports()
    reports.take(100.0, "feed", "a", 7, {"silent_s": 0.0})
    assert "silent_s" not in reports.rows(102.0)[0]
    assert not reports.check(102.0)


def test_a_report_cannot_override_kind_name_pid_and_age():
    reports = ProcessReports()
    odd = {"kind": "x", "name": "y", "pid": "z", "age_s": "abc"}
    assert reports.take(101.0, "feed", "a", 7, odd)
    [row] = reports.rows(102.0)
    assert row == {"kind": "feed", "name": "a", "pid": 7, "age_s": 1.0}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1.7e308, -1.7e308, "x", None, {}, (1 << 63) - 1])
def test_no_reported_value_prevents_trends(odd):
    reports = ProcessReports()
    for second in range(100):
        assert reports.take(float(second), "feed", "a", 7, {"rss_bytes": odd, "cpu_s": odd})
    [row] = reports.rows(100.0)
    assert "rss_per_min" not in row
    assert "cores" not in row


@given(st.lists(st.tuples(st.floats(0.0, 1e9), st.floats(0.0, 20.0)), max_size=100))
def test_totals_count_every_value_since_the_start_whatever_windows_there_were(steps):
    histogram, now, values = Histogram(5.0, 0.0), 0.0, []
    for value, later_s in steps:
        now += later_s
        histogram.add(value, now)
        values.append(value)
    totals = histogram.totals()
    assert totals["count"] == len(values)
    assert totals["sum_us"] == pytest.approx(sum(values), abs=0.01)
    assert totals["le"] == [sum(value <= bound for value in values) for bound in BOUNDS]
    histogram.quantiles(now + 100.0)
    assert histogram.totals() == totals, "to look at it changes nothing"


def named(reports, now):
    return [row["name"] for row in reports.rows(now)]


def test_a_silent_process_is_listed_until_another_one_replaces_it():
    reports = ProcessReports()
    reports.take(100.0, "display", "display_00/11", 11, {})
    reports.take(100.0, "display", "display_01/12", 12, {})
    assert reports.rows(140.0)[0]["age_s"] == 40.0, "frozen or dead: that is for others to judge"
    reports.take(140.0, "display", "display_00/13", 13, {})
    assert named(reports, 140.0) == ["display_01/12", "display_00/13"]
    reports.take(141.0, "display", "display_01/12", 12, {})
    assert len(named(reports, 740.0)) == 2
    assert named(reports, 742.0) == [], "for ten minutes at most"


def test_one_that_was_silent_makes_room_for_another_when_there_are_too_many():
    reports = ProcessReports(limit=2)
    assert reports.take(100.0, "sums", "sums/1", 1, {})
    assert reports.take(101.0, "sums", "sums/2", 2, {})
    assert not reports.take(101.0 + SILENT_S - 2, "feed", "f", 3, {})
    assert reports.take(101.0 + SILENT_S, "feed", "f", 3, {})
    assert named(reports, 112.0) == ["sums/2", "f"]

"""The course of figures: rings of seconds and minutes, with plain numbers for time."""

import math

import pytest

from hulak.bus.errors import BusError
from hulak.clients.gateway import figure_history
from hulak.clients.gateway.charted_figures import figures_of
from hulak.clients.gateway.figure_history import FigureHistory

BEGIN = 1_800_000_000  # a whole hour
LINE = ("queue", "queued")


def filled(values, begin=BEGIN):
    history = FigureHistory(begin)
    for second, value in values:
        history.add(begin + second + 0.25, {LINE: value})
    return history


def course(history, now, span="hour", points=360):
    return history.read(BEGIN + now, "queue", span, points)


def test_each_point_has_least_mean_and_greatest_of_its_seconds():
    answer = course(filled((second, second) for second in range(20)), 19)
    assert answer["step_ms"] == 10_000
    line = answer["lines"]["queued"]
    assert (line["least"][-2:], line["mean"][-2:], line["greatest"][-2:]) == ([0.0, 10.0], [4.5, 14.5], [9.0, 19.0])
    assert line["mean"][:-2] == [None] * 358
    assert answer["begin_ms"] + 359 * 10_000 == (BEGIN + 10) * 1000


def test_time_without_values_is_a_gap_and_not_a_line():
    answer = course(filled([(0, 1.0), (1, 1.0), (600, 2.0)]), 600, points=3600)
    values = answer["lines"]["queued"]["mean"]
    assert values[-601:-598] == [1.0, 1.0, None]
    assert values[-1] == 2.0
    assert sum(value is not None for value in values) == 3


def test_after_an_hour_the_ring_has_forgotten_and_the_day_has_not():
    history = filled([(0, 5.0), (30, 7.0), (4000, 1.0)])
    assert [value for value in course(history, 4000)["lines"]["queued"]["mean"] if value is not None] == [1.0]
    line = course(history, 4000, "day", 480)["lines"]["queued"]
    assert [value for value in line["least"] if value is not None] == [5.0, 1.0]
    assert [value for value in line["mean"] if value is not None] == [6.0, 1.0]
    assert [value for value in line["greatest"] if value is not None] == [7.0, 1.0]
    assert course(history, 4000 + 86_400, "day")["lines"] == {}


def test_a_clock_that_is_set_back_and_values_that_are_no_numbers_change_nothing():
    history = filled([(50, 1.0), (10, 9.0), (51, math.nan), (52, math.inf)])
    assert [value for value in course(history, 60, points=1000)["lines"]["queued"]["mean"] if value is not None] == [1.0]


def test_lines_are_bounded_and_those_of_ended_processes_make_room(monkeypatch):
    monkeypatch.setattr(figure_history, "MOST_LINES", 2)
    history = FigureHistory(BEGIN)
    history.add(BEGIN, {("memory", name): 1.0 for name in "abc"})
    assert (len(history.lines), history.left_out) == (2, 1)
    history.add(BEGIN + 100_000, {("memory", "c"): 1.0})
    assert set(history.lines) == {("memory", "c")}


def test_an_unknown_figure_is_refused_with_those_that_are_known():
    with pytest.raises(BusError, match="'colour' has no values; known are queue") as error:
        filled([(0, 1.0)]).read(BEGIN, "colour", "hour", 100)
    assert error.value.code == "UNKNOWN_FIGURE"


def test_a_history_outlives_a_restart_and_a_damaged_one_is_refused():
    history = filled((second, 2.0) for second in range(90))
    packed = history.pack()
    again = FigureHistory.unpack(packed, BEGIN + 100)
    for span in ("hour", "day"):
        assert course(again, 100, span) == course(history, 100, span)
    for wrong in (b"", packed[:-1], packed + b"x", b"\x80", packed.replace(b"version\x01", b"version\x02")):
        with pytest.raises(ValueError, match=r"."):
            FigureHistory.unpack(wrong, BEGIN + 100)
    with pytest.raises(ValueError, match="since"):
        FigureHistory.unpack(packed, BEGIN - 1)


def stats(**changed):
    made = {
        "broker": {"epoch": 1, "rss_bytes": 50e6},
        "ticks": {"per_s": 100, "feed_to_broker_us": {"p50": 400, "p99": 2500}},
        "tasks": {
            "queued": 3,
            "waiting": 1,
            "running": 2,
            "done": 10,
            "failed": 1,
            "actions": [{"service": "nepse", "action": "x", "run_totals": {"count": 4, "sum_us": 4e6}}],
        },
        "journal": {"replays_served": 5},
        "subscribers": {"blocked": 1, "slow": [{}], "programs": {"a": {"gaps": 2, "missed": 9, "lost": 0, "cut_off": 0}}},
        "processes": [
            {"kind": "display", "name": "display_00/77", "pid": 77, "rss_bytes": 60e6, "latency_us": {"p50": 1000, "p99": 9000}},
            {"kind": "display", "name": "display_01/78", "pid": 78, "rss_bytes": 61e6, "latency_us": {"p50": 2000, "p99": 3000}},
        ],
    }
    return made | changed


def test_figures_come_from_the_statistics_and_counters_become_rates():
    first = stats()
    values = figures_of(first, None, 0.0)
    assert values["ticks", "ticks/s"] == 100
    assert (values["feed_latency", "p50"], values["display_latency", "p50"], values["display_latency", "p99"]) == (0.4, 2.0, 9.0)
    assert (values["memory", "broker"], values["memory", "display_00"]) == (50.0, 60.0)
    assert (values["queue", "queued"], values["slow_subscribers", "not reading"]) == (3, 1)
    assert not {figure for figure, _ in values} & {"tasks", "repairs", "run_times"}
    actions = [
        {"service": "nepse", "action": "x", "run_totals": {"count": 6, "sum_us": 5e6}},
        {"service": "nepse", "action": "y", "run_totals": {"count": 1, "sum_us": 2e6}},
    ]
    after = stats(tasks={**first["tasks"], "done": 14, "failed": 0, "actions": actions}, journal={"replays_served": 7})
    after["subscribers"] = {**first["subscribers"], "programs": {"a": {"gaps": 3}}}
    values = figures_of(after, first, 2.0)
    assert values["tasks", "done/s"] == 2.0
    assert ("tasks", "failed/s") not in values, "it is smaller than before"
    assert (values["run_times", "nepse x"], values["run_times", "nepse y"]) == (500.0, 2000.0)
    assert (values["repairs", "replays"], values["repairs", "gaps"]) == (2, 1)
    assert ("tasks", "done/s") not in figures_of(after, first, 60.0), "statistics were missed"
    assert ("tasks", "done/s") not in figures_of({**after, "broker": {"epoch": 2}}, first, 1.0)
    assert figures_of({"ticks": 5, "processes": [3], "subscribers": {"slow": 1}}, {}, 1.0) == {}


def test_a_clock_that_is_set_back_begins_a_line_again_and_a_late_second_does_not():
    history = filled([(100_000_000, 5.0), (10, 1.0), (8, 2.0), (11, 3.0)])
    answer = history.read(BEGIN + 11, "queue", "hour", 3600)
    assert answer["lines"]["queued"]["mean"][-4:] == [None, None, 1.0, 3.0]


@pytest.mark.parametrize(("since", "newest"), [(math.nan, 0), (-1.0, 0), (0.0, -5)])
def test_a_file_with_times_before_1970_or_without_a_time_is_refused(since, newest):
    history = filled([(0, 1.0)])
    history.since, history.lines[LINE].newest = since, newest
    packed = history.pack()
    with pytest.raises(ValueError, match=r"since|newest"):
        FigureHistory.unpack(packed, BEGIN + 1)

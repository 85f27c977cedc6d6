"""`hulak bridge status`, and the same figures in /metrics."""

from healthy_stats import bridge, report, stats

from hulak.clients.cli.bridge import cells, config_cells, remarks, task_cells
from hulak.clients.gateway import metrics
from hulak.clients.judge.bridges import ways
from hulak.clients.judge.situations import Level
from hulak.clients.judge.verdict import failed

OUT = {"state": "sending", "number": 900, "lag": 100, "lag_s": 2.5, "ticks": 800, "messages": 12, "missing": 7, "failures": 1}
OUT |= {"missing_ranges": [[5, 11]], "why": ""}
IN = {"state": "failing", "why": "no server", "number": 70, "lag": 0, "lag_s": 0.0, "ticks": 60, "messages": 6, "missing": 0}
IN |= {"refused": 2, "missing_ranges": []}


def test_each_way_of_a_bridge_has_a_row_with_its_lag_and_its_missing_numbers():
    out, into = ways(bridge(send=OUT, receive={"b": IN}))
    assert cells(out) == ["a", "out", "sending", 900, 100, "3 s", 800, 12, 7, None]
    assert cells(into) == ["b", "in", "failing", 70, 0, None, 60, 6, 0, 2]
    assert remarks(out) == ["a out: ticks 5 to 11 are missing"]
    assert remarks(into) == ["b in: no server"]


def test_a_bridge_that_has_not_reached_nats_is_a_row_too():
    [row] = ways(bridge(state="connecting", why="NATS is not reached", receive={}))
    assert (row["site"], row["way"], row["state"], row["why"]) == ("a", "-", "connecting", "NATS is not reached")


def test_reports_that_are_no_bridges_and_malformed_ones_cost_nothing():
    statistics = stats(processes=[report("feed", "x", 2), report("bridge", "a", 3, send=5, receive={"b": 7, "c": IN})])
    assert [(row["site"], row["way"]) for row in ways(statistics)] == [("c", "in")]


def test_the_metrics_have_the_figures_of_each_way():
    text = metrics.text(bridge(send=OUT, receive={"b": IN}), 0.1, {}, failed(Level.OK, "")).decode()
    assert 'hulak_bridge_lag_seconds{site="a",way="out"} 2.5' in text
    assert 'hulak_bridge_missing_ticks_total{site="a",way="out"} 7.0' in text
    assert 'hulak_bridge_refused_ticks_total{site="b",way="in"} 2.0' in text
    assert 'hulak_bridge_refused_ticks_total{site="a",way="out"}' not in text


def test_the_tasks_of_each_service_and_those_of_other_sites_have_a_row():
    tasks = {"state": "sending", "under_way": 3, "done": 7, "failed": 1, "cancelled": 0, "failures": 2}
    statistics = bridge(tasks={"report@b": tasks}, serves=tasks | {"state": "receiving"}, receive={})
    sent, served = ways(statistics)
    assert task_cells(sent) == ["report@b", "tasks", "sending", 3, 7, 1, 0, 2]
    assert task_cells(served) == ["a", "serves", "receiving", 3, 7, 1, 0, 2]
    text = metrics.text(statistics, 0.1, {}, failed(Level.OK, "")).decode()
    assert 'hulak_bridge_tasks_under_way{site="report@b",way="tasks"} 3' in text


def test_the_live_configuration_has_a_row_with_its_owner_and_what_was_refused():
    follower = {"owner": "b", "state": "receiving", "version": 7, "changes": 3, "overwritten": 1, "refused_values": 2}
    follower |= {"malformed": 0, "failures": 0, "refused_named": ["global later: key 'later' is unknown"]}
    statistics = bridge(config=follower, receive={})
    [row] = ways(statistics)
    assert config_cells(row) == ["b", "config", "receiving", 7, 3, 1, 2, 0, 0]
    assert remarks(row) == ["b config: refused: global later: key 'later' is unknown"]
    text = metrics.text(statistics, 0.1, {}, failed(Level.OK, "")).decode()
    assert 'hulak_bridge_refused_values_total{site="b",way="config"} 2' in text

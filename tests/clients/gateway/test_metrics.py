"""The text for Prometheus."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hulak.bus.histogram import BOUNDS, Histogram
from hulak.clients.gateway import metrics
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.situations import SITUATIONS, Level
from hulak.clients.judge.verdict import failed, judge


def totals(*values_us):
    histogram = Histogram(5.0, 0.0)
    for value in values_us:
        histogram.add(value, 0.0)
    return histogram.totals()


STATS = {
    "broker": {"version": "0.1.0", "protocol": 1, "uptime_s": 5.5, "rss_bytes": 1000, "cpu_s": 2.0},
    "ticks": {"taken": 10, "per_s": 3.5, "feed_to_broker_us": None, "feed_to_broker_totals": totals(100.0, 200.0, 3e9)},
    "journal": {"state": "degraded", "bytes": 77, "held": 5, "let_go": 2},
    "store": {"state": "live"},
    "tasks": {
        "queued": 1,
        "waiting": 0,
        "running": 2,
        "done": 8,
        "services": {"nepse": {"queued": 1, "waiting": 0, "running": 2}},
    },
    "connections": {"now": 7, "most": 100, "refused": 4, "sockets": {"publisher": 5, "backend": 2}},
    "workers": [{"service": "nepse", "state": "busy"}, {"service": "nepse", "state": "busy"}, {"service": "x", "state": "ready"}],
    "processes": [
        {"kind": "feed", "name": 'odd"\n', "rss_bytes": 5, "data_age_s": 1.5, "state": "connected", "posted": 3},
        {
            "kind": "display",
            "name": "display_00/4711",
            "rss_bytes": 6,
            "latency_totals": totals(10.0, 100.0),
            "pid": 4711,
            "config_version": 4,
            "displays": 12,
            "gaps": 1,
            "stale_s": 0.5,
            "restarts": 2,
        },
    ],
    "displays": {"displays": 12, "assigned": 11, "states": 900, "fenced": 3},
    "rejected": {"total": 2},
}
GATEWAY = {"frames": 4, "bytes": 5, "clients": {"/ws": 3, "/fx": 0}, "too_slow": 1, "conflated": 6, "lag_s": 0.25}


NO_CLIENTS = failed(Level.OK, "")


def samples(text):
    """Read the exposition, and hold it against what promtool checks: names, units, labels, types, no sample twice."""
    figures = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation, family.name
        assert re.fullmatch("hulak(_[a-z0-9]+)+", family.name)
        assert not re.search("_(ms|us|minutes|kb|mb|kilobytes|megabytes|percent)(_|$)", family.name), "base units only"
        for sample in family.samples:
            assert (sample.name == f"{family.name}_total") is (family.type == "counter"), sample.name
            if family.type != "histogram":
                assert not set(sample.labels) & {"quantile", "le"}, sample
                assert not sample.name.endswith(("_count", "_sum", "_bucket")), sample.name
            assert not set(sample.labels) & {"pid", "name", "__name__", "instance", "job"}, sample
            key = (sample.name, *sorted(sample.labels.values()))
            assert key not in figures, f"{key} twice"
            figures[key] = sample.value
    return figures


def test_every_figure_has_unit_and_type():
    text = metrics.text(STATS, 0.5, GATEWAY, NO_CLIENTS)
    figures = samples(text)
    assert figures["hulak_broker_up",] == 1
    assert figures["hulak_ticks_total",] == 10
    assert figures["hulak_journal_live",] == 0
    assert (figures["hulak_journal_held_ticks",], figures["hulak_journal_let_go_total",]) == (5, 2)
    assert figures["hulak_store_live",] == 1
    assert figures["hulak_tasks", "running"] == 2
    assert figures["hulak_service_tasks", "nepse", "queued"] == 1
    assert figures["hulak_workers", "busy", "nepse"] == 2
    assert (figures["hulak_connections", "publisher"], figures["hulak_connections", "backend"]) == (5, 2)
    assert (figures["hulak_connections_limit",], figures["hulak_connections_refused_total",]) == (100, 4)
    assert figures["hulak_feed_to_broker_seconds_count",] == 3
    assert figures["hulak_feed_to_broker_seconds_sum",] == 3000.0003
    assert figures["hulak_feed_to_broker_seconds_bucket", "0.000128"] == 1
    assert figures["hulak_feed_to_broker_seconds_bucket", "0.000256"] == 2
    assert figures["hulak_feed_to_broker_seconds_bucket", "+Inf"] == 3
    assert figures["hulak_feed_data_age_seconds", "feed", 'odd"\n'] == 1.5
    assert figures["hulak_process_resident_memory_bytes", "display", "display_00"] == 6
    assert figures["hulak_process_latency_seconds_bucket", "3.2e-05", "display", "display_00", "latency"] == 1
    assert figures["hulak_process_latency_seconds_sum", "display", "display_00", "latency"] == 0.00011
    assert figures["hulak_process_pid", "display", "display_00"] == 4711
    assert figures["hulak_build_info", "0.1.0", "1"] == 1
    assert (figures["hulak_displays",], figures["hulak_displays_assigned",], figures["hulak_display_states_fenced_total",]) == (
        12,
        11,
        3,
    )
    assert figures["hulak_display_worker_displays", "display", "display_00"] == 12
    assert figures["hulak_display_worker_gaps_total", "display", "display_00"] == 1
    assert figures["hulak_display_worker_stale_seconds", "display", "display_00"] == 0.5
    assert figures["hulak_process_restarts_total", "display", "display_00"] == 2
    assert figures["hulak_process_restarts_total", "feed", 'odd"\n'] == 0
    assert figures["hulak_gateway_clients", "/ws"] == 3
    assert figures["hulak_gateway_disconnected_total",] == 1
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text.decode(), re.MULTILINE))
    assert kinds["hulak_ticks_total"] == "counter"
    assert kinds["hulak_journal_bytes"] == "gauge"


def test_before_the_first_statistics_there_is_no_figure_of_the_broker():
    figures = samples(metrics.text({}, None, GATEWAY, NO_CLIENTS))
    assert figures["hulak_broker_up",] == 0
    assert ("hulak_ticks_total",) not in figures
    assert figures["hulak_gateway_frames_total",] == 4
    assert samples(metrics.text(STATS, 60.0, GATEWAY, NO_CLIENTS))["hulak_broker_up",] == 0


def test_each_situation_has_a_gauge_that_is_1_while_it_is_present():
    facts = Facts(None, why="no broker answers")
    figures = samples(metrics.text({}, None, GATEWAY, judge(facts)))
    gauges = {tuple(labels): value for (name, *labels), value in figures.items() if name == "hulak_problem"}
    assert set(gauges) == {
        tuple(sorted((what, level.name.lower()))) for what, situation in SITUATIONS.items() for level in situation.levels
    }
    assert [labels for labels, value in gauges.items() if value] == [("broker_silent", "critical")]
    assert figures["hulak_health_level",] == 2


def row(kind, name, pid, age_s=0.1, **more):
    return {"kind": kind, "name": name, "pid": pid, "age_s": age_s, **more}


def test_a_process_is_named_by_its_slot():
    """`increase()` over a restart sees the counter of restarts grow, and no second series."""
    rows = [row("display", "display_00/9", 9, 4.0), row("display", "display_00/12", 12, restarts=1)]
    assert metrics.by_slot(rows) == [({"kind": "display", "slot": "display_00"}, rows[1])]
    by_hand = [row("sums", "sums/12", 12), row("sums", "sums/9", 9, 60.0)]
    assert [(labels["slot"], item["pid"]) for labels, item in metrics.by_slot(by_hand)] == [("sums", 9), ("sums#2", 12)]


@pytest.mark.parametrize(
    "odd", [None, 5, [], {}, {"count": 2, "sum_us": 1.0, "le": [1] * 3}, {**totals(9.0), "le": [5] * len(BOUNDS)}]
)
def test_a_malformed_histogram_is_omitted(odd):
    stats = {"processes": [{**row("x", "y", 5), "latency_totals": odd}], "ticks": {"feed_to_broker_totals": odd}}
    figures = samples(metrics.text(stats, 0.1, GATEWAY, NO_CLIENTS))
    assert not [key for key in figures if "latency" in key[0] or "feed_to_broker" in key[0]]

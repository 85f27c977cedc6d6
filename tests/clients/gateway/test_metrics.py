"""The text for Prometheus."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hulak.bus.core.tasks.action_times import ActionTimes
from hulak.bus.core.tasks.task_queue import CalledTask
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


def task_totals(seconds):
    times = ActionTimes()
    times.done(seconds, CalledTask(b"", b"", "s", "a", {}, 0, 0.0, 0.0))
    return times.rows()[0]["run_totals"]


STATS = {
    "broker": {"version": "0.1.0", "protocol": 1, "uptime_s": 5.5, "rss_bytes": 1000, "cpu_s": 2.0},
    "ticks": {
        "own": {"names": 1, "topics": 3, "most_topics": 25, "taken": 40, "refused_claims": 6},
        "taken": 10,
        "per_s": 3.5,
        "feed_to_broker_us": None,
        "feed_to_broker_totals": totals(100.0, 200.0, 3e9),
    },
    "journal": {"state": "degraded", "bytes": 77, "held": 5, "let_go": 2},
    "store": {"state": "live"},
    "tasks": {
        "queued": 1,
        "waiting": 0,
        "running": 2,
        "done": 8,
        "oldest_s": 3.25,
        "services": {
            "nepse": {"queued": 1, "waiting": 0, "running": 2, "oldest_s": 3.25},
            "invented-1": {"queued": 1, "waiting": 0, "running": 0, "oldest_s": 2.0},
            "invented-2": {"queued": 4, "waiting": 1, "running": 0, "oldest_s": 3.0},
        },
        "attempts": {"nepse": {"done": 8, "failed": 1}, "x": {"done": 0, "failed": 0}},
        "actions": [
            {
                "service": "nepse",
                "action": "status",
                "failed": 1,
                "wait_totals": task_totals(0.1),
                "run_totals": task_totals(2.0),
            },
            {"service": "other", "action": "other", "failed": 0, "wait_totals": task_totals(9.0), "run_totals": None},
        ],
    },
    "subscribers": {
        "named": 4,
        "blocked": 1,
        "slow": [
            {"name": "board", "pid": 7, "blocked_s": 12.0, "unread_bytes": 5},
            {"name": "board", "pid": 8, "blocked_s": 3.0, "unread_bytes": 5},
            {"name": "new-name", "pid": 9, "blocked_s": 2.0, "unread_bytes": 5},
            {"name": "late", "pid": 10, "gaps": 1, "missed": 5, "lost": 2, "cut_off": 0, "age_s": 4.0},
        ],
        "programs": {
            "board": {"gaps": 0, "missed": 0, "lost": 0, "cut_off": 3},
            "late": {"gaps": 1, "missed": 5, "lost": 2, "cut_off": 0},
        },
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
    "rejected": {"total": 2, "collector": {"NOT_YOURS": 1, "TOO_MANY_TOPICS": 1}, "publisher": None},
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
    assert figures["hulak_rejected_by_code_total", "NOT_YOURS", "collector"] == 1
    assert (figures["hulak_own_topics",], figures["hulak_own_topics_limit",], figures["hulak_own_names",]) == (3, 25, 1)
    assert (figures["hulak_own_messages_total",], figures["hulak_own_claims_refused_total",]) == (40, 6)
    assert figures["hulak_journal_live",] == 0
    assert (figures["hulak_journal_held_ticks",], figures["hulak_journal_segments_deleted_total",]) == (5, 2)
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
    assert kinds["hulak_journal_size_bytes"] == "gauge"


def test_services_without_a_worker_share_a_label():
    """Their names come from clients: each would be a series of its own for good."""
    figures = samples(metrics.text(STATS, 0.5, GATEWAY, NO_CLIENTS))
    assert {key[1:] for key in figures if key[0] == "hulak_service_tasks"} == {
        (service, state) for service in ("nepse", "other") for state in ("queued", "waiting", "running")
    }
    assert figures["hulak_service_tasks", "other", "queued"] == 5
    assert figures["hulak_service_oldest_queued_age_seconds", "other"] == 3.0
    assert figures["hulak_service_oldest_queued_age_seconds", "nepse"] == 3.25
    assert figures["hulak_tasks_oldest_queued_age_seconds",] == 3.25
    idle = {"tasks": {**STATS["tasks"], "oldest_s": None, "services": {}}}
    assert samples(metrics.text(idle, 0.5, GATEWAY, NO_CLIENTS))["hulak_tasks_oldest_queued_age_seconds",] == 0


def test_each_action_has_histograms_of_its_waits_and_runs():
    figures = samples(metrics.text(STATS, 0.5, GATEWAY, NO_CLIENTS))
    assert figures["hulak_task_wait_seconds_sum", "nepse", "status"] == 0.1
    assert figures["hulak_task_run_seconds_sum", "nepse", "status"] == 2.0
    assert figures["hulak_task_run_seconds_bucket", "2.097152", "nepse", "status"] == 1
    assert figures["hulak_task_run_seconds_bucket", "1.048576", "nepse", "status"] == 0
    assert figures["hulak_task_attempts_failed_total", "nepse", "status"] == 1
    assert figures["hulak_task_wait_seconds_count", "other", "other"] == 1
    assert ("hulak_task_run_seconds_count", "other", "other") not in figures


def test_slow_subscribers_are_counted_by_program():
    figures = samples(metrics.text(STATS, 0.5, GATEWAY, NO_CLIENTS))
    assert (figures["hulak_subscribers_named",], figures["hulak_subscribers_blocked",]) == (4, 1)
    assert figures["hulak_subscriber_blocked_seconds", "board"] == 12.0
    assert figures["hulak_subscriber_blocked_seconds", "other"] == 2.0  # of no program that the broker counts
    assert figures["hulak_subscriber_cut_off_total", "board"] == 3
    assert figures["hulak_subscriber_missed_messages_total", "late"] == 5
    assert figures["hulak_subscriber_lost_messages_total", "late"] == 2


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
    "odd",
    [
        None,
        5,
        [],
        {},
        {"count": 2, "sum_us": 1.0, "le": [1] * 3},
        {**totals(9.0), "le": [5] * len(BOUNDS)},
        {**totals(9.0), "le": [-1] * len(BOUNDS)},
    ],
)
def test_a_malformed_histogram_is_omitted(odd):
    stats = {"processes": [{**row("x", "y", 5), "latency_totals": odd}], "ticks": {"feed_to_broker_totals": odd}}
    figures = samples(metrics.text(stats, 0.1, GATEWAY, NO_CLIENTS))
    assert not [key for key in figures if "latency" in key[0] or "feed_to_broker" in key[0]]

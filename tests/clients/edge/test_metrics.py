"""What Prometheus reads."""

import re

from prometheus_client.parser import text_string_to_metric_families

from clients.edge import metrics

STATS = {
    "broker": {"uptime_s": 5.5, "rss_bytes": 1000, "cpu_s": 2.0},
    "ticks": {"taken": 10, "per_s": 3.5, "feed_to_broker_us": {"p50": 100.0, "p99": 200.0, "max": 300.0, "count": 9}},
    "journal": {"state": "degraded", "bytes": 77, "held": 5, "let_go": 2},
    "store": {"state": "live"},
    "tasks": {
        "queued": 1,
        "waiting": 0,
        "running": 2,
        "done": 8,
        "services": {"nepse": {"queued": 1, "waiting": 0, "running": 2}},
    },
    "workers": [{"service": "nepse", "state": "busy"}, {"service": "nepse", "state": "busy"}, {"service": "x", "state": "ready"}],
    "processes": [
        {"kind": "feed", "name": 'odd"\n', "rss_bytes": 5, "data_age_s": 1.5, "state": "connected", "posted": 3},
        {
            "kind": "display",
            "name": "d",
            "rss_bytes": 6,
            "tick_to_state_us": {"p50": 10.0, "p99": 20.0, "max": 30.0},
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


def samples(text):
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation, family.name
        for one in family.samples:
            key = (one.name, *sorted(one.labels.values()))
            assert key not in found, f"{key} twice"
            found[key] = one.value
    return found


def test_everything_is_told_with_unit_and_type():
    text = metrics.text(STATS, 0.5, GATEWAY)
    found = samples(text)
    assert found["hulak_broker_up",] == 1
    assert found["hulak_ticks_total",] == 10
    assert found["hulak_journal_live",] == 0
    assert (found["hulak_journal_held_ticks",], found["hulak_journal_let_go_total",]) == (5, 2)
    assert found["hulak_store_live",] == 1
    assert found["hulak_tasks", "running"] == 2
    assert found["hulak_service_tasks", "nepse", "queued"] == 1
    assert found["hulak_workers", "busy", "nepse"] == 2
    assert found["hulak_feed_to_broker_seconds", "0.99"] == 0.0002
    assert found["hulak_feed_data_age_seconds", "feed", 'odd"\n'] == 1.5
    assert found["hulak_process_resident_memory_bytes", "d", "display"] == 6
    assert found["hulak_process_latency_seconds", "0.5", "d", "display", "tick_to_state"] == 0.00001
    assert (found["hulak_displays",], found["hulak_displays_assigned",], found["hulak_display_states_fenced_total",]) == (
        12,
        11,
        3,
    )
    assert found["hulak_display_worker_displays", "d", "display"] == 12
    assert found["hulak_display_worker_gaps_total", "d", "display"] == 1
    assert found["hulak_display_worker_stale_seconds", "d", "display"] == 0.5
    assert found["hulak_process_restarts_total", "d", "display"] == 2
    assert found["hulak_process_restarts_total", "feed", 'odd"\n'] == 0
    assert found["hulak_gateway_clients", "/ws"] == 3
    assert found["hulak_gateway_disconnected_total",] == 1
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text.decode(), re.MULTILINE))
    assert kinds["hulak_ticks_total"] == "counter"
    assert kinds["hulak_journal_bytes"] == "gauge"


def test_before_the_broker_is_heard_there_is_no_figure_of_it():
    found = samples(metrics.text({}, None, GATEWAY))
    assert found["hulak_broker_up",] == 0
    assert ("hulak_ticks_total",) not in found
    assert found["hulak_gateway_frames_total",] == 4
    assert samples(metrics.text(STATS, 60.0, GATEWAY))["hulak_broker_up",] == 0

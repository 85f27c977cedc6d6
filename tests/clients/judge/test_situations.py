"""Every situation: its finding, its text, and its places."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from healthy_stats import bridge, feed, recent, report, stats, verdict, with_process

from hulak.clients.cli import cli
from hulak.clients.judge.situations import LIMITS, SITUATIONS, Level

LAG = {"p50": 1.0, "max": 1.0, "count": 1.0}
SILENT, FROZEN = " is silent: no sign of life", ", it is frozen or dead"
UNWELL = [  # situation, level, text, statistics
    (
        "internal_errors",
        Level.WARNING,
        "internal errors: 3 in the last minute, the last beat: KeyError: 5",
        stats(internal={"total": 9, "recent": 3, "last": "beat: KeyError: 5"}),
    ),
    (
        "journal_degraded",
        Level.CRITICAL,
        "journal is degraded: No space left",
        stats(journal={"state": "degraded", "why": "No space left"}),
    ),
    (
        "journal_aside",
        Level.WARNING,
        "journal files set aside at the start: 1.hj, 2.hj",
        stats(journal={"aside": ["1.hj", "2.hj"]}),
    ),
    (
        "journal_damaged",
        Level.WARNING,
        "journal had 40 damaged bytes at the start, see hulak journal verify",
        stats(journal__corrupt_bytes=40),
    ),
    (
        "archive_failed",
        Level.WARNING,
        "journal's archive cannot be written, 3 segments (4.5 MB) wait for it: not mounted",
        stats(journal={"archive": {"why": "not mounted", "waiting": 3, "waiting_bytes": 4_500_000, "kept": True}}),
    ),
    (
        "archive_failed",
        Level.CRITICAL,
        "journal's archive cannot be written, 7 segments were deleted without it: not mounted",
        stats(journal={"archive": {"why": "not mounted", "waiting": 3, "dropped": 7, "kept": False}}),
    ),
    (
        "journal_lost",
        Level.WARNING,
        "1,200 ticks of the last ten minutes were not journalled",
        stats(ticks__recent={"window_s": 500.0, "topics_refused": 0, "lost": 1200}),
    ),
    (
        "disk_space",
        Level.CRITICAL,
        "space in use on the disk of the journal: 99 %, should be below 98 %",
        stats(journal={"free_bytes": 1_000, "disk_bytes": 100_000}),
    ),
    ("store_failed", Level.CRITICAL, "store is failed: no reason reported", stats(store={"state": "failed", "why": ""})),
    (
        "store_aside",
        Level.WARNING,
        "an unreadable store was set aside: tasks.db.aside-1, tasks.db.aside-2",
        stats(store__aside=["tasks.db.aside-1", "tasks.db.aside-2"]),
    ),
    (
        "store_unreadable",
        Level.WARNING,
        "3 rows of the store are unreadable: see hulak task ls --state unreadable",
        stats(store__unreadable=3),
    ),
    (
        "bridge_interrupted",
        Level.WARNING,
        "bridge a out is failing for 12 s: no server",
        bridge(send={"state": "failing", "since_s": 12.0, "why": "no server"}),
    ),
    (
        "bridge_interrupted",
        Level.CRITICAL,
        "bridge a - is connecting for 90 s: NATS is not reached",
        bridge(state="connecting", since_s=90.0, why="NATS is not reached", receive={}),
    ),
    (
        "bridge_behind",
        Level.CRITICAL,
        "bridge b in is 61 s behind, 1,200 wait",
        bridge(receive={"b": {"state": "receiving", "lag": 1200, "lag_s": 61.0}}),
    ),
    (
        "bridge_missing",
        Level.WARNING,
        "bridge a out: 7 ticks are missing, see hulak bridge status",
        bridge(send={"state": "sending", "missing": 7}),
    ),
    (
        "subscriber_slow",
        Level.WARNING,
        (
            "subscribers do not read: board (pid 7) has not read for 12 s, "
            "unnamed (10.0.0.1:9) was disconnected since it did not read"
        ),
        stats(
            subscribers={
                "slow": [
                    {"name": "board", "pid": 7, "blocked_s": 12.2, "cut_off": 1, "age_s": 99.0},
                    {"name": "quotes", "pid": 8, "blocked_s": 9.0},
                    {"name": "late", "pid": 9, "gaps": 5, "missed": 50, "lost": 0, "cut_off": 0, "age_s": 1.0},
                    {"name": "unnamed", "pid": 0, "address": "10.0.0.1:9", "cut_off": 2, "age_s": 9.0},
                ]
            }
        ),
    ),
    ("feeds_missing", Level.CRITICAL, "0 of 1 feeds report", stats(processes=[])),
    ("feed_stale", Level.WARNING, "feed binance is degraded, newest quote 9 s old", feed(state="degraded", data_age_s=8.8)),
    ("feed_stale", Level.WARNING, "feed binance is connected, newest quote 12 s old", feed(state="connected", data_age_s=12.0)),
    ("feed_stale", Level.CRITICAL, "feed binance is connected, newest quote 75 s old", feed(state="connected", data_age_s=75.0)),
    (
        "feed_stale",
        Level.WARNING,
        "feed binance is connected, newest quote 3 min old",
        feed(state="connected", data_age_s=165.0, pause_s=150.0),
    ),
    (
        "feed_stale",
        Level.CRITICAL,
        "feed binance is stale, newest quote 9 s old; no recent tick of A, B",
        feed(state="stale", data_age_s=8.8, stale_symbols=["A", "B"]),
    ),
    (
        "feed_disconnected",
        Level.CRITICAL,
        "feed binance is backoff, no quote for 2 s",
        feed(state="backoff", data_age_s=None, since_s=2.0),
    ),
    (
        "feed_stale",
        Level.WARNING,
        "feed binance is connecting, no quote for 20 s",
        feed(state="connecting", data_age_s=None, since_s=20.0),
    ),
    (
        "symbols_refused",
        Level.WARNING,
        "feed binance: its venue refuses 7 symbols: S0 (NONE), S1 (NONE), S2 (NONE), S3 (NONE), S4 (NONE) and 2 more",
        feed(state="connected", data_age_s=0.1, symbol_errors={f"S{at}": "NONE: no such symbol" for at in range(7)}),
    ),
    (
        "shared_topic",
        Level.WARNING,
        "several feeds publish to one topic: tick.EURUSD (binance, kraken)",
        stats(ticks__shared_topics={"tick.EURUSD": ["binance", "kraken"]}),
    ),
    (
        "topics_full",
        Level.WARNING,
        "85 of 100 topics are in use (setting broker.max_topics)",
        stats(ticks__topics=85),
    ),
    (
        "topics_full",
        Level.CRITICAL,
        "99 of 100 topics are in use, 44 ticks of new topics were refused in ten minutes: tick.A (setting broker.max_topics)",
        stats(
            ticks__topics=99,
            ticks__refused_topics=["tick.A"],
            ticks__recent={"window_s": 500.0, "topics_refused": 44, "lost": 0},
        ),
    ),
    (
        "connections_full",
        Level.WARNING,
        "950 of 1,000 connections are in use, 18 of them at the publisher (bound by descriptors)",
        stats(connections__now=950),
    ),
    (
        "connections_full",
        Level.WARNING,
        "30 of 1,000 connections are in use, 18 of them at the publisher, 70 were refused in ten minutes (bound by descriptors)",
        stats(connections__recent={"window_s": 500.0, "refused": 70}),
    ),
    (
        "connections_full",
        Level.CRITICAL,
        "103 of 100 connections are in use, 70 of them at the publisher, 9 were refused in ten minutes (bound by descriptors)",
        stats(
            connections={
                "now": 103,
                "most": 100,
                "bound_by": "descriptors",
                "recent": {"window_s": 500.0, "refused": 9},
                "sockets": {"frontend": 33, "publisher": 70},
            }
        ),
    ),
    ("workers_missing", Level.CRITICAL, "0 of at least 1 workers of nepse", stats(workers=[])),
    (
        "workers_missing",
        Level.CRITICAL,
        "0 of at least 1 workers of nepse",
        stats(workers=[{"name": "n", "service": "nepse", "state": "retiring", "pid": 3, "age_s": 1.0}]),
    ),
    (
        "tasks_without_worker",
        Level.WARNING,
        "tasks wait for services that have no worker: sums (4)",
        stats(tasks__services={"sums": {"queued": 4, "waiting": 0, "running": 0}}),
    ),
    (
        "tasks_queued",
        Level.WARNING,
        "tasks in the broker, of broker.max_tasks or broker.max_task_bytes: 62 %, should be below 50 %",
        stats(tasks__queued=60),
    ),
    (
        "tasks_queued",
        Level.CRITICAL,
        "tasks in the broker, of broker.max_tasks or broker.max_task_bytes: 92 %, should be below 90 %",
        stats(tasks__bytes=92, tasks__most_bytes=100),
    ),
    (
        "tasks_failing",
        Level.WARNING,
        "20 of 100 tasks failed in the last 10 min",
        stats(tasks__recent=recent(done=80, failed=20)),
    ),
    (
        "tasks_failing",
        Level.CRITICAL,
        "8 of 10 tasks failed in the last 40 s",
        stats(tasks__recent=recent(window_s=40.0, done=2, failed=8)),
    ),
    (
        "dead_letters",
        Level.WARNING,
        "2 new dead letters in the last 10 min, 31 in all: see hulak dead ls",
        stats(tasks__recent=recent(dead_letters=2), store__dead_letters=31),
    ),
    (
        "schedule_late",
        Level.WARNING,
        "schedules are late or without a next run: prices, floor-sheet; see hulak schedule ls",
        stats(schedules={"late": ["prices", "floor-sheet"], "failing": []}),
    ),
    (
        "schedule_failing",
        Level.WARNING,
        "schedules are failing: prices; see hulak schedule ls",
        stats(schedules={"late": [], "failing": ["prices"]}),
    ),
    (
        "displays_unassigned",
        Level.WARNING,
        "3 of 12 displays have no worker",
        stats(displays={"displays": 12, "assigned": 9}),
    ),
    (
        "displays_unassigned",
        Level.CRITICAL,
        "12 of 12 displays have no worker",
        stats(displays={"displays": 12, "assigned": 0}),
    ),
    (
        "tick_latency",
        Level.WARNING,
        "feed to broker, p99: 60 ms, should be below 50 ms",
        stats(ticks__feed_to_broker_us={**LAG, "p99": 60_000.0}),
    ),
    (
        "tick_latency",
        Level.CRITICAL,
        "feed to broker, p99: 121,346 ms, should be below 200 ms",
        stats(ticks__feed_to_broker_us={**LAG, "p99": 121_346_000.0}),
    ),
    (
        "display_latency",
        Level.CRITICAL,
        "feed to a display's state, p99, of the slowest worker: 2,570 ms, should be below 500 ms",
        with_process(latency_us={**LAG, "p99": 2_570_400.0}),
    ),
    (
        "display_latency",
        Level.CRITICAL,
        "feed to a display's state, p99, of the slowest worker: 600 ms, should be below 500 ms",
        with_process(latency_us={**LAG, "p99": 600_000.0}),
    ),
    (
        "display_stale",
        Level.WARNING,
        "time for which displays have been catching up: 12 s, should be below 10 s",
        with_process(catching_up=3, stale_s=12.0, latency_us={**LAG, "p99": 600_000.0}),  # of the past: not judged
    ),
    (
        "display_stale",
        Level.CRITICAL,
        "time for which displays have been catching up: 75 s, should be below 60 s",
        with_process(catching_up=3, stale_s=75.0),
    ),
    (
        "memory_growth",
        Level.WARNING,
        "memory growth of the fastest growing process, in ten minutes: 30 MB, should be below 20 MB",
        with_process(rss_per_min=3_000_000, uptime_s=1000.0),
    ),
    ("data_silent", Level.CRITICAL, f"display{SILENT} for 2 s{FROZEN}", with_process(age_s=0.9, silent_s=1.6)),
    ("data_silent", Level.CRITICAL, f"display{SILENT} for 4 s{FROZEN}", with_process(age_s=4.0)),
    ("process_silent", Level.WARNING, f"bridge a{SILENT} for 2 s{FROZEN}", bridge(silent_s=1.6)),
    ("process_silent", Level.CRITICAL, f"bridge a{SILENT} for 9 s{FROZEN}", bridge(silent_s=9.0)),
    ("loop_late", Level.WARNING, "display is late: its loop stands still for 4 s", with_process(loop_age_s=4.0)),
    ("loop_late", Level.CRITICAL, "display is late: its loop stands still for 30 s", with_process(loop_age_s=30.0)),
    (
        "dead_threads",
        Level.CRITICAL,
        "threads of display have ended: tasks: SystemExit: 1; restart it",
        with_process(dead_threads=["tasks: SystemExit: 1"]),
    ),
    (
        "certificate_ends",
        Level.WARNING,
        "the gateway's certificate ends in 9.5 days; renew gateway.tls_cert and gateway.tls_key",
        stats(processes=[report("feed", "f", 2), report("gateway", "gateway", 8, certificate_left_s=9.5 * 86400)]),
    ),
    (
        "certificate_ends",
        Level.CRITICAL,
        "the gateway's certificate ended 2.0 days ago; renew gateway.tls_cert and gateway.tls_key",
        stats(processes=[report("feed", "f", 2), report("gateway", "gateway", 8, certificate_left_s=-2 * 86400)]),
    ),
    (
        "files_kept",
        Level.WARNING,
        "tokens /h/keys/gateway-tokens.toml cannot be read: x",
        stats(
            processes=[
                report("feed", "f", 2),
                report("gateway", "gateway", 8, file_errors=["tokens /h/keys/gateway-tokens.toml cannot be read: x"]),
            ]
        ),
    ),
    (
        "gateway_late",
        Level.CRITICAL,
        "the gateway's loop was 2.5 s late, at most 2 s are allowed",
        stats(processes=[report("feed", "f", 2), report("gateway", "gateway", 8, lag_s=2.5)]),
    ),
    ("config_behind", Level.WARNING, "config 7 is not applied by display", with_process(config_version=6)),
]


@pytest.mark.parametrize(
    ("what", "level", "text", "statistics"), UNWELL, ids=[f"{situation[0]}-{situation[1].name}" for situation in UNWELL]
)
def test_each_problem_is_a_finding_and_sets_the_level(what, level, text, statistics):
    result = verdict(statistics)
    assert (result.level, [(finding.what, finding.text) for finding in result.findings]) == (level, [(what, text)])
    assert result.line().startswith(f"HULAK {level.name} - {text} | ")
    assert result.headline() == f"{level.name}: {text}"
    assert bool(result.unready()) is (SITUATIONS[what].unready and level is Level.CRITICAL)
    assert result.as_dict()["problems"] == [{"what": what, "severity": level.name.lower(), "text": text}]


def test_every_situation_is_tried():
    elsewhere = {"starting", "broker_silent", "process_failed", "process_stopped", "process_unreported"}
    assert {what for what, _, _, _ in UNWELL} | elsewhere == set(SITUATIONS)


def test_the_page_on_monitoring_lists_all_of_them_as_they_are():
    page = (Path(__file__).parents[3] / "docs" / "howto" / "monitoring.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.*?) \|$", page, re.MULTILINE)
    result = {what: tuple(cells) for what, *cells in rows if what in SITUATIONS}
    wanted = {}
    for what, situation in SITUATIONS.items():
        marks = (
            [f"limit `{situation.limit}`"] * bool(situation.limit)
            + ["`/readyz`"] * situation.unready
            + ["start"] * situation.settles
        )
        wanted[what] = (situation.what, " or ".join(level.name for level in situation.levels), ", ".join(marks))
    assert result == wanted
    assert [what for what, *_ in rows if what in SITUATIONS] == list(SITUATIONS), "in this order, once each"


def test_the_help_of_check_lists_all_limits():
    help_text = CliRunner().invoke(cli, ["check", "--help"]).stdout
    rows = re.findall(r"^ +(\w+) +([\d.]+) +(\d+) ", help_text, re.MULTILINE)
    assert {name: (float(warn), float(critical)) for name, warn, critical in rows} == {
        name: (limit.warn, limit.critical) for name, limit in LIMITS.items()
    }

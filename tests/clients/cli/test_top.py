"""`hulak stats` and `hulak top`: their tables, from statistics alone."""

import io

import pytest
from rich.console import Console

from hulak.bus.core.tasks.action_times import ActionTimes
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.clients.cli import stats_tables
from hulak.clients.cli.status import PROCESS_HEADS, process_cells
from hulak.clients.cli.top_view import SORTS, TopView, render
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.processes import process, processes
from hulak.clients.judge.verdict import judge


def report(kind, name, pid, **values):
    return {"kind": kind, "name": name, "pid": pid, "age_s": 0.3, "rss_bytes": 50_000_000, **values}


def stats(*more, per_s=250.0):
    lag = {"p50": 120.0, "p99": 2100.0, "max": 1.0, "count": 9.0}
    return {
        "broker": {"version": "0.1.0", "pid": 1, "uptime_s": 90.0, "rss_bytes": 60_000_000, "cpu_s": 3.0, "cores": 0.2},
        "journal": {"state": "live", "lost": 0},
        "store": {"state": "live"},
        "scaling": {},
        "ticks": {"taken": 5000, "per_s": per_s, "symbols": 28, "early": 4, "feed_to_broker_us": lag},
        "tasks": {
            "queued": 5,
            "waiting": 1,
            "running": 2,
            "done": 9,
            "failed": 0,
            "per_s": 1.0,
            "services": {"nepse": {"queued": 5, "waiting": 1, "running": 2}},
        },
        "workers": [
            {"name": "sums/4", "service": "sums", "state": "ready", "pid": 4, "age_s": 7.0},
            {"name": "nepse_00/3", "service": "nepse", "state": "busy", "pid": 3},
        ],
        "processes": [
            report("nepse", "nepse_00/3", 3, config_version=7, cores=0.5, restarts=2),
            report("feed", "binance", 2, rss_per_min=250_000, loop_age_s=4.0, dropped=0, refused=3, symbol_errors={}),
            *more,
        ],
        "rejected": {"total": 2},
    }


def drawn(top, width=80, height=24, now=100.0):
    if top.stats is not None:
        top.verdict = judge(Facts(top.stats, stats_age_s=now - top.received))
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None, legacy_windows=False, highlight=False)
    console.print(render(top, now, width, height))
    return out.getvalue().splitlines()


def test_every_process_is_listed_once_the_broker_first():
    rows = processes(stats())
    assert [(process.kind, process.name) for process in rows] == [
        ("broker", "broker"),
        ("feed", "binance"),
        ("nepse", "nepse_00/3"),
        ("sums", "sums/4"),  # it does not report, the roster knows it
    ]
    broker, feed, nepse, _ = rows
    assert (broker.p99_us, broker.cores) == (2100.0, 0.2)
    assert (feed.state, feed.rss_per_min, feed.losses) == ("late", 250_000, (("refused", 3),))
    assert (nepse.config_version, nepse.restarts, nepse.state) == (7, 2, "ok")


def test_a_display_workers_latency_and_losses_show():
    row = report("display", "display/9", 9, latency_us={"p50": 900.0, "p99": 4200.0}, gaps=2, dropped={"a": 1, "b": 2})
    cells = dict(zip(PROCESS_HEADS, process_cells(process(row)), strict=True))
    assert (cells["p50"], cells["p99"], cells["lost"]) == ("900 µs", "4.2 ms", "dropped 3 gaps 2")
    assert (cells["memory"], cells["per 10 min"], cells["cores"]) == ("50 MB", None, None)


@pytest.mark.parametrize("odd", [None, "text", [1], {"p99": "x"}, True])
def test_a_malformed_report_of_any_process_breaks_nothing(odd):
    names = ("rss_bytes", "latency_us", "config_version", "restarts", "cores", "loop_age_s", "dropped", "rss_per_min")
    row = {**report("x", "y", 5), **dict.fromkeys(names, odd)}
    top = TopView()
    top.add(stats(row), 100.0)
    assert any("y" in line for line in drawn(top))


def test_queues_and_losses():
    assert stats_tables.queues(stats()) == [("all", 5, 1, 2, None), ("nepse", 5, 1, 2, None)], "an earlier broker knows no ages"
    values = stats()
    values["tasks"]["oldest_s"] = values["tasks"]["services"]["nepse"]["oldest_s"] = 130.0
    assert stats_tables.queues(values) == [("all", 5, 1, 2, 130.0), ("nepse", 5, 1, 2, 130.0)]
    top = TopView()
    top.add(values, 100.0)
    assert "5 queued, 1 waiting, oldest 2 min" in drawn(top)[2]
    counts = {name: count for name, _, count in stats_tables.losses(stats())}
    assert counts["ticks.early"] == 4
    assert counts["rejected.total"] == 2
    assert counts["tasks.expired"] == 0


def test_one_screen_has_everything_in_80_columns():
    top = TopView()
    assert "waiting for the broker" in drawn(top)[0]
    top.add(stats(), 100.0)
    lines = drawn(top)
    assert lines[0].startswith(" Hulak top  broker 0.1.0 up 90 s  WARNING: feed binance last iterated its")
    assert lines[0].endswith("…"), "a cut line ends with a sign"
    assert "250/s, 5,000 taken, 28 symbols" in lines[1]
    assert "5 queued, 1 waiting" in lines[2]
    assert "ticks.early 4" in lines[3]
    assert lines[4].startswith("kind▼")
    assert all(len(line) <= 80 for line in lines)
    assert lines[4].split() == ["kind▼", "name", "state", "memory", "10", "min", "cores", "conf", "rest", "p99", "lost"]
    assert "late" in next(line for line in lines[5:] if "binance" in line)


def test_a_silent_broker_and_a_degraded_journal_are_shown():
    top = TopView()
    top.add({**stats(), "journal": {"state": "degraded", "why": "no space"}}, 100.0)
    assert "CRITICAL (2 problems): journal is degraded: no space" in drawn(top, width=140)[0]
    top.add(stats(), 101.0)
    lines = drawn(top, now=110.0, width=140)
    assert "CRITICAL: no statistics from the broker for 9 s" in lines[0]
    assert next(line for line in lines if line.startswith("broker")).split()[3:5] == ["hangs", "9"], "its row says so"
    assert next(line for line in lines if line.startswith("nepse")).split()[3] == "unknown", "the state is unknown"


def test_a_frozen_process_stays_in_the_table_marked():
    top = TopView()
    top.add(stats(report("display", "display_00/9", 9) | {"age_s": 41.0}), 100.0)
    lines = drawn(top, width=140)
    assert "CRITICAL (2 problems): display display_00/9 last reported 41 s ago" in lines[0]
    assert next(line for line in lines if "display_00/9" in line and line.startswith("display")).split()[3:6] == [
        "hangs",
        "41",
        "s",
    ]


def test_what_does_not_fit_is_counted():
    top = TopView()
    top.add(stats(*(report("display", f"d{at}", 100 + at) for at in range(40))), 100.0)
    lines = drawn(top, height=20)
    assert len(lines) <= 20
    assert "and 33 more" in lines[-2]
    top.press("end")
    assert "33 above" in drawn(top, height=20)[-2]
    top.press("pageup")
    assert "and 11 more, 22 above" in drawn(top, height=20)[-2]
    top.press("home")
    assert "and 33 more" in drawn(top, height=20)[-2]


def test_a_question_mark_shows_the_keys_and_the_processes_again():
    top = TopView()
    top.add(stats(), 100.0)
    top.press("?")
    text = "\n".join(drawn(top))
    assert "PageUp" in text
    assert "binance" not in text.partition("\n")[2]
    top.press("?")
    assert "binance" in "\n".join(drawn(top)).partition("\n")[2]


def test_keys_sort_turn_stop_and_quit():
    top = TopView()
    top.add(stats(), 100.0)
    top.press("m")
    assert [process.name for process in top.processes()][:1] == ["broker"]
    top.press("m")
    assert (top.reverse, top.processes()[-1].name) == (True, "broker")
    top.press("C")
    assert (top.sort, top.reverse, top.processes()[0].name) == ("c", False, "nepse_00/3")
    top.press(" ")
    top.add(stats(per_s=999.0), 101.0)
    assert "250/s" in drawn(top)[1]
    assert "paused" in drawn(top)[0]
    top.press(" ")
    top.add(stats(per_s=999.0), 102.0)
    assert "999/s" in drawn(top)[1]
    for key in ("x", "other", "up", "\x1b", ""):
        top.press(key)
        assert not top.quits
    top.press("q")
    assert top.quits


@pytest.mark.parametrize("key", SORTS)
def test_every_order_can_be_drawn(key):
    top = TopView(sort=key)
    top.add(stats(), 100.0)
    assert sum("▼" in line for line in drawn(top, width=140)) == 1
    top.press(key)
    assert sum("▲" in line for line in drawn(top, width=140)) == 1
    assert {process.name for process in top.processes()} == {"broker", "binance", "nepse_00/3", "sums/4"}


def test_symbols_that_no_longer_tick_are_counted_apart():
    top = TopView()
    values = stats()
    values["ticks"]["ticking"] = 20
    top.add(values, 100.0)
    assert "5,000 taken, 20 of 28 symbols ticking" in drawn(top, width=100)[1]


def with_actions():
    values, times = stats(), ActionTimes()
    for action, seconds in (("short", 0.001), ("long", 3.0), ("long", 200.0)):
        times.done(100.0 + seconds, CalledTask(b"", b"", "nepse", action, {}, 0, 99.5, 160.0, started=100.0, attempt=1))
    values["tasks"]["actions"] = times.rows()
    return values


def test_actions_have_their_times_those_first_that_took_most():
    rows = stats_tables.actions(with_actions())
    assert [(row.action, row.runs, row.seconds) for row in rows] == [("long", 2, 203.0), ("short", 1, pytest.approx(0.001))]
    assert 2e6 < rows[0].run_us[0] <= 4.2e6
    assert rows[0].run_us[1] > 130e6
    assert 0.26e6 < rows[1].wait_us[0] <= 0.53e6
    assert stats_tables.actions(stats()) == [], "an earlier broker has none"
    odd = stats()
    odd["tasks"]["actions"] = [None, {"service": 1, "run_totals": 5, "wait_totals": {"count": "x", "le": 3}, "failed": "x"}]
    assert [(row.runs, row.run_us, row.wait_us) for row in stats_tables.actions(odd)] == [(0, (None, None), (None, None))]


def test_a_shows_the_actions_and_the_processes_again():
    top = TopView()
    top.add(with_actions(), 100.0)
    top.press("a")
    lines = drawn(top)
    assert lines[4].split() == ["service", "action", "runs", "failed", "wait", "p50", "wait", "p99", "run", "p50", "run", "p99"]
    assert next(line for line in lines if "short" in line).split()[:3] == ["nepse", "short", "1"]
    assert all(len(line) <= 80 for line in lines)
    assert "binance" not in "".join(lines[4:])
    top.press("a")
    assert "binance" in "".join(drawn(top)[4:])
    top.press("a")
    top.add(stats(), 101.0)
    assert "no attempt of a task has ended yet" in drawn(top)[4]


def test_slow_subscribers_are_among_the_faults_by_name():
    values = stats()
    values["subscribers"] = {
        "slow": [
            {"name": "board", "pid": 7, "blocked_s": 12.3, "unread_bytes": 5_200_000},
            {"name": "unnamed", "pid": 0, "address": "10.0.0.1:9", "cut_off": 2, "age_s": 30.0},
            {"name": "late", "pid": 8, "gaps": 1, "missed": 1500, "lost": 2, "cut_off": 0, "age_s": 3.0},
        ]
    }
    assert stats_tables.slow_subscribers(values) == [
        ("board", "pid 7", "has not read for 12 s, 5.2 MB"),
        ("unnamed", "10.0.0.1:9", "disconnected 2 times, 30 s ago"),
        ("late", "pid 8", "missed 1,500 messages, lost 2, 3 s ago"),
    ]
    top = TopView()
    top.add(values, 100.0)
    assert "faults   subscriber board (pid 7) has not read for 12 s" in drawn(top, width=140)[3]
    assert stats_tables.slow_subscribers(stats()) == []

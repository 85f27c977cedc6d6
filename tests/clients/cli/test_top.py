"""`hulak stats` and `hulak top`: their tables, from statistics alone."""

import io

import pytest
from healthy_stats import stats as healthy
from rich.console import Console
from top_data import Message, quote, report, stats, task_row

from hulak.bus.core.tasks.action_times import ActionTimes
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.clients.cli import stats_tables
from hulak.clients.cli.listing import Column, Listing, Order, Row, arranged
from hulak.clients.cli.status import PROCESS_HEADS, process_cells
from hulak.clients.cli.top_source import MessageUpdate, ProblemUpdate, StatsUpdate, TasksUpdate, TaskUpdate, TopicsUpdate
from hulak.clients.cli.top_state import TopState, message
from hulak.clients.cli.top_tabs import TABS, details, process_listing
from hulak.clients.cli.top_view import head, screen
from hulak.clients.cli.topic_board import TopicBoard
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.processes import process, processes
from hulak.clients.judge.situations import SITUATIONS
from hulak.clients.judge.verdict import judge


def with_stats(values, at=100.0):
    state = TopState()
    state.take(StatsUpdate(values, at), at)
    return state


def drawn(state, width=80, now=100.0, order=Order()):  # noqa: B008 - frozen
    state.data.verdict = judge(Facts(state.data.stats, stats_age_s=now - state.data.received))
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, legacy_windows=False, highlight=False)
    console.print(screen(state.data, state.history, order, now, width))
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
    state = with_stats(stats(row))
    assert any("y" in line for line in drawn(state))
    listing = process_listing(state.data, 100.0)
    for column in listing.columns:
        assert len(arranged(listing, Order(column.name))) == 5
    assert ("kind", "x") in details(state.data, "processes", listing.at("x y 5"))


def test_queues_and_losses():
    assert stats_tables.queues(stats()) == [("all", 5, 1, 2, None), ("nepse", 5, 1, 2, None)], "an earlier broker knows no ages"
    values = stats()
    values["tasks"]["oldest_s"] = values["tasks"]["services"]["nepse"]["oldest_s"] = 130.0
    assert stats_tables.queues(values) == [("all", 5, 1, 2, 130.0), ("nepse", 5, 1, 2, 130.0)]
    assert any("5 queued, 1 waiting, oldest 2 min" in text for text in drawn(with_stats(values)))
    counts = {name: count for name, _, count in stats_tables.losses(stats())}
    assert counts["ticks.early"] == 4
    assert counts["rejected.total"] == 2
    assert counts["tasks.expired"] == 0


def test_one_screen_has_everything_in_80_columns():
    assert "waiting for the broker" in head(TopState().data, (), 80)[1].plain
    lines = drawn(with_stats(stats()))
    assert lines[0] == " Hulak top  broker 0.1.0 up 90 s  WARNING, 1 problem"
    assert lines[1] == "WARNING: feed binance is late: its loop stands still for 4 s", "it would be cut in the first line"
    assert "28 symbols, 5,000 taken" in lines[2]
    assert "5 queued, 1 waiting" in lines[3]
    assert "ticks.early 4" in lines[4]
    assert all(len(line) <= 80 for line in lines)
    assert lines[5].split() == ["kind", "name", "state", "memory", "cores", "p99", "lost"]
    assert "late" in next(line for line in lines[6:] if "binance" in line)
    wide = drawn(with_stats(stats()), 160)
    assert wide[0].endswith("up 90 s  WARNING: feed binance is late: its loop stands still for 4 s")
    assert wide[4].split() == [
        *("kind", "name", "pid", "state", "memory", "per", "10", "min", "cores", "config", "restarts", "p50", "p99", "lost")
    ]
    assert head(with_stats(stats()).data, (), 80, context="live")[0].plain.startswith(" Hulak top live  broker")


def test_a_silent_broker_and_a_degraded_journal_are_shown():
    state = with_stats({**stats(), "journal": {"state": "degraded", "why": "no space"}})
    lines = drawn(state, width=140)
    assert lines[0].endswith("CRITICAL, 2 problems")
    assert lines[1:3] == [
        "CRITICAL: journal is degraded: no space",
        "WARNING: feed binance is late: its loop stands still for 4 s",
    ]
    lines = drawn(with_stats(stats()), now=109.0, width=140)
    assert "CRITICAL: no statistics from the broker for 9 s" in lines[0]
    assert next(line for line in lines if line.startswith("broker")).split()[3:5] == ["hangs", "9"], "its row says so"
    assert next(line for line in lines if line.startswith("nepse")).split()[3] == "unknown", "the state is unknown"


def test_a_frozen_process_stays_in_the_table_marked():
    lines = drawn(with_stats(stats(report("display", "display_00/9", 9) | {"age_s": 41.0})), width=140)
    assert lines[1] == "CRITICAL: display_00 is silent: no sign of life for 41 s, it is frozen or dead"
    assert next(line for line in lines if "display_00/9" in line and line.startswith("display")).split()[3:6] == [
        "hangs",
        "41",
        "s",
    ]


def with_problems():
    """Return a state: the journal failed, a display is frozen, a worker was frozen just now, and three processes are late."""
    late = [report("sums", f"late_{number}/{number}", number, loop_age_s=4.0) for number in (20, 21)]
    values = stats(report("display", "display_00/9", 9, age_s=41.0), report("derive", "derive_00/8", 8, silent_s=2.2), *late)
    state = with_stats({**values, "journal": {"state": "degraded", "why": "no space"}})
    state.data.verdict = judge(Facts(state.data.stats))
    return state


DISPLAY = "display_00 is silent: no sign of life for 41 s, it is frozen or dead"
WORKER = "derive_00 is silent: no sign of life for 2 s, it is frozen or dead"


def test_a_process_that_is_frozen_is_among_the_first_problems_on_every_terminal():
    state = with_problems()
    shown = [line.plain for line in head(state.data, (), 80, height=24)]
    assert shown[:4] == [
        " Hulak top  broker 0.1.0 up 90 s  CRITICAL, 6 problems",
        f"CRITICAL: {DISPLAY}",
        f"WARNING: {WORKER}",
        "and 4 more problems",
    ]
    assert len(head(state.data, (), 80, height=40)) == 6 + 4, "a high terminal has a line for each"
    assert [line.plain for line in head(state.data, (), 80, height=12)] == [f" Hulak top CRITICAL (6 problems): {DISPLAY}"]
    assert [line.plain[:19] for line in head(state.data, (), 20, height=5)] == [" Hulak top CRITICAL"]


def test_the_tab_of_problems_lists_all_with_their_meanings():
    state = with_problems()
    listing = next(tab for tab in TABS if tab.name == "problems").listing(state.data, 100.0)
    assert [row.cells[1] for row in listing.rows[:2]] == [DISPLAY, WORKER]
    assert len({row.key for row in listing.rows}) == len(listing.rows) == 6
    assert dict(details(state.data, "problems", listing.rows[1]))["meaning"] == SITUATIONS["process_silent"].what
    assert listing.rows[1].key == "process_silent derive_00", "it has no figures, so that details stay open while they change"
    state.data.verdict = judge(Facts(healthy()))
    listing = next(tab for tab in TABS if tab.name == "problems").listing(state.data, 100.0)
    assert (listing.rows, listing.empty) == ((), "all is well")


def test_an_order_puts_high_numbers_first_texts_from_a_on_and_unknown_values_last():
    columns = (Column("name", is_text=True), Column("size"))
    rows = tuple(Row(name, (name, str(size)), (name, size)) for name, size in (("b", 1), ("a", None), ("c", 3)))
    listing = Listing(columns, rows)

    def keys(order, wanted=""):
        return "".join(row.key for row in arranged(listing, order, wanted))

    assert (keys(Order()), keys(Order(reverse=True))) == ("bac", "cab")
    assert (keys(Order("name")), keys(Order("name").by("name"))) == ("abc", "cba")
    assert (keys(Order("size")), keys(Order("size", reverse=True))) == ("cba", "bca")
    assert keys(Order("gone")) == "bac"
    assert keys(Order(), "C 3") == "c", "all words, in any case, in any cell"
    assert keys(Order(), "3 b") == ""
    assert Order("name").step(columns, 1) == Order("size")
    assert Order("size").step(columns, 1) == Order("name").step(columns, -1) == Order()
    assert Order().step(columns, -1) == Order("size")
    assert (Order("a").mark("a"), Order("a").by("a").mark("a"), Order("a").mark("b")) == ("▼", "▲", "")


def test_every_process_column_sorts_and_the_plain_screen_marks_it():
    state = with_stats(stats())
    for column in process_listing(state.data, 100.0).columns:
        assert sum("▼" in line for line in drawn(state, 200, order=Order(column.name))) == 1
    assert drawn(state, order=Order("memory"))[6].startswith("broker")
    assert drawn(state, order=Order("cores"))[6].startswith("nepse")


def test_topics_have_their_price_change_and_rate():
    state = TopState()
    state.take(TopicsUpdate([quote("EURUSD", 100, 1.08, 1.0802), Message("app.x", 1, {"text": "\x1b[2J"})], 10.0), 10.0)
    state.take(TopicsUpdate([quote("EURUSD", 150, 1.0908, 1.0910), Message("app.x", 1, {"text": "\x1b[2J"})], 12.0), 12.0)
    listing = TABS[2].listing(state.data, 12.0)
    own, euro = listing.rows
    assert own.cells[:4] == ("app.x", "text=\\x1b[2J", "-", "0.0/s")
    assert euro.cells[:4] == ("tick.EURUSD", "1.09080 1.09100", "+1.000 %", "25.0/s")
    assert (euro.cells[5:], euro.styles) == (("150", "sim"), {1: "green"})
    state.take(TopicsUpdate([quote("EURUSD", 150, 1.0908, 1.0910)], 13.0), 13.0)
    assert [row.key for row in TABS[2].listing(state.data, 13.0).rows] == ["tick.EURUSD"], "removed topics go"
    state.take(ProblemUpdate("topics", "not allowed"), 14.0)
    assert state.data.problem == "not allowed"


def test_before_the_list_of_topics_came_none_are_missing():
    state = TopState()
    assert TABS[2].listing(state.data, 1.0).empty == "waiting for the list of topics"
    state.take(TopicsUpdate([], 1.0), 1.0)
    assert TABS[2].listing(state.data, 1.0).empty == "no topic has a message yet"


def test_a_firing_shows_the_value_that_fired():
    body = {"alert": "wide", "symbol": "EURUSD", "value": 3.1, "bid": 1.1, "ask": 1.10031}
    state = TopState()
    state.take(TopicsUpdate([Message("alert.wide.EURUSD", 1, body)], 1.0), 1.0)
    assert TABS[2].listing(state.data, 1.0).rows[0].cells[:2] == ("alert.wide.EURUSD", "3.1")


def test_the_actions_fit_into_80_columns():
    columns = [column for column in TABS[4].listing(TopState().data, 1.0).columns if column.least <= 80]
    widths = {"service": 10, "action": 20}  # of names that are not short
    assert sum(max(len(column.heading) + 1, widths.get(column.name, 0)) + 2 for column in columns) <= 80


def test_a_board_is_bounded_and_a_rate_begins_again_when_numbers_fall():
    board = TopicBoard(most=2)
    for at, (topic, number) in enumerate([("a", 100), ("b", 1), ("c", 1), ("a", 200), ("a", 5), ("a", 7)]):
        board.add(topic, number, at, 1.0, float(at))
    assert (sorted(board.states), board.left_out) == (["a", "b"], 1)
    assert board.states["a"].meter.per_s(6.0) == 1.0
    assert board.states["b"].meter.per_s(1.2) is None, "one message is no rate yet"


def test_the_messages_of_a_topic_are_kept_the_newest_first_within_a_bound():
    state = TopState()
    for number in range(1, 300):
        state.take(MessageUpdate(quote("EURUSD", number, 1.1, 1.2)), 1.0)
    assert len(state.messages) == 200
    number, _, text = message(state.messages[0])
    assert (number, text) == ("299", "1.10000 1.20000")


def test_a_task_has_its_result_or_the_error_of_each_attempt():
    state = TopState()
    assert TABS[3].listing(state.data, 0.0).empty == "waiting for the list of tasks"
    state.take(TasksUpdate([task_row(), task_row(task=b"\2" * 16, state="running", ended_ns=None, trouble="")]), 1.0)
    failed, running = TABS[3].listing(state.data, 0.0).rows
    assert (failed.key, failed.cells[1:5], failed.cells[6:]) == (
        "01" * 16,
        ("sums", "add", "failed", "2"),
        ("2.5 s", "w/1", "no such number"),
    )
    assert running.cells[6] == "-"
    assert ("trouble", "no such number") in details(state.data, "tasks", failed), "the values of the list, until the reply comes"
    error = {"code": "ValueError", "text": "two", "details": {"troubles": ["one", "two"], "attempts": 2}}
    state.take(TaskUpdate(failed.key, task_row(kept=True, error=error, value=None)), 2.0)
    pairs = details(state.data, "tasks", failed, state.task_row(failed.key))
    assert {("attempt 1", "one"), ("attempt 2", "two"), ("code", "ValueError"), ("service", "sums")} <= set(pairs)
    assert state.task_row(running.key) is None
    done = details(state.data, "tasks", failed, task_row(state="done", kept=True, value={"sum": 3}, trouble=""))
    assert ("result", '{"sum":3}') in done


def test_the_details_of_a_process_have_its_problems_its_report_and_its_slot():
    state = with_stats(stats())
    drawn(state)
    state.data.supervised = [{"name": "feed", "pid": 2, "state": "running"}]
    pairs = dict(details(state.data, "processes", process_listing(state.data, 100.0).at("feed binance 2")))
    assert pairs["problem"].startswith("feed binance is late: its loop stands still")
    assert (pairs["state"], pairs["refused"], pairs["supervisord.state"]) == ("late 4 s", "3", "running")
    broker = dict(details(state.data, "processes", process_listing(state.data, 100.0).at("broker broker 1")))
    assert (broker["version"], broker["rss_bytes"]) == ("0.1.0", "60000000 (60.0 MB)")


def test_the_details_of_a_feed_begin_with_what_is_wrong_with_it():
    row = report("feed", "kraken", 8, state="connected", symbol_errors={"XX": "is unknown"}, stale=1, stale_symbols=["A"])
    state = with_stats(stats(row))
    (feed,) = [item for item in TABS[1].listing(state.data, 100.0).rows if item.cells[0] == "kraken"]
    assert details(state.data, "feeds", feed)[:2] == [
        ("note", "kraken: no recent tick of A"),
        ("note", "kraken: XX is unknown"),
    ]


def test_updates_are_dropped_while_the_view_is_paused():
    state = with_stats(stats())
    state.paused = True
    state.take(StatsUpdate(stats(per_s=999.0), 101.0), 101.0)
    assert "250/s" in drawn(state)[2]
    assert "paused" in head(state.data, (), 80, paused=True)[0].plain
    state.paused = False
    state.take(StatsUpdate(stats(per_s=999.0), 101.0), 101.0)
    assert "999/s" in drawn(state)[2]


def test_the_latency_is_whole_in_80_columns_also_with_many_ticks():
    values = stats(per_s=123_456.0)
    values["ticks"] |= {"taken": 12_345_678_901, "symbols": 5_000, "ticking": 4_321}
    values["ticks"]["feed_to_broker_us"]["p99"] = 121_300.0
    line = next(line for line in drawn(with_stats(values)) if line.startswith("ticks "))
    assert "p99 121.3 ms, 4,321 of 5,000 symbols ticking" in line


def test_symbols_that_no_longer_tick_are_counted_apart():
    values = stats()
    values["ticks"]["ticking"] = 20
    assert "20 of 28 symbols ticking, 5,000 taken" in drawn(with_stats(values), width=100)[1]


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


def test_the_tab_of_actions_lists_them_or_shows_that_there_are_none():
    listing = TABS[4].listing(with_stats(with_actions()).data, 100.0)
    assert [column.heading for column in listing.columns][:4] == ["service", "action", "runs", "failed"]
    assert [row.cells[:3] for row in listing.rows] == [("nepse", "long", "2"), ("nepse", "short", "1")]
    empty = TABS[4].listing(with_stats(stats()).data, 100.0)
    assert (empty.rows, empty.empty) == ((), "no attempt of a task has ended yet")


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
    shown = drawn(with_stats(values), width=140)
    assert any(line.startswith("faults   subscriber board (pid 7) has not read for 12 s") for line in shown)
    assert stats_tables.slow_subscribers(stats()) == []

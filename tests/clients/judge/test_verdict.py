"""The judge: each situation, from facts alone."""

import pytest
from healthy_stats import feed, recent, report, stats, verdict, with_process

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import FeedSettings, Settings
from hulak.clients.judge.processes import processes
from hulak.clients.judge.situations import LIMITS, Level, limits_of
from hulak.clients.judge.verdict import failed


def test_all_is_well():
    result = verdict()
    assert (result.level, result.findings) == (Level.OK, ())
    line = result.line()
    assert line.startswith("HULAK OK - broker 0.1.0 up 8 min, feeds 1, symbols 28 at 250 ticks/s, workers 1, tasks queued 1")
    assert line.count("|") == 1
    perf = dict(part.split("=") for part in line.partition("| ")[2].split())
    assert (perf["queue"], perf["feed_age"], perf["latency"]) == ("3%;50;90;0", "0.5s;10;60;0", "3ms;50;200;0")
    assert (perf["ticks"], perf["workers"], perf["broker_rss"]) == ("5000c", "1", "60000000B")


def test_a_new_configuration_has_time_to_be_applied():
    statistics = with_process(config_version=6)
    statistics["config"]["age_s"] = 2.0
    assert verdict(statistics).level is Level.OK


def test_the_growth_of_a_process_that_has_just_started_is_ignored():
    assert verdict(with_process(rss_per_min=30_000_000, uptime_s=400.0)).level is Level.OK


def test_a_dead_or_frozen_process_has_this_finding_only():
    """Its last report is outdated: other workers have its displays."""
    statistics = with_process(age_s=30.0, catching_up=3, stale_s=75.0, config_version=6, latency_us={"p50": 1.0, "p99": 9e6})
    assert [finding.what for finding in verdict(statistics).findings] == ["data_silent"]


def test_a_few_failures_are_no_rate():
    assert verdict(stats(tasks__recent=recent(done=0, failed=4))).level is Level.OK


def starting(**changes):
    statistics = stats(processes=[], displays={"displays": 12, "assigned": 0}, **changes)
    statistics["broker"]["uptime_s"] = 4.0
    return statistics


def test_a_normal_state_of_a_start_is_a_warning_and_starting_is_shown():
    result = verdict(starting())
    assert (result.level, [finding.what for finding in result.findings]) == (
        Level.WARNING,
        ["starting", "feeds_missing", "displays_unassigned"],
    )
    assert result.headline() == "WARNING (3 problems): starting, up 4 s"
    assert len(result.unready()) == 2, "it is not ready all the same"
    worse = verdict(starting(journal={"state": "degraded", "why": "no space"}))
    assert (worse.level, worse.findings[0].what) == (Level.CRITICAL, "journal_degraded")
    well = stats()
    well["broker"]["uptime_s"] = 4.0
    assert verdict(well).findings == ()


@pytest.mark.parametrize(
    ("facts", "level", "what", "text"),
    [
        ({"stats_age_s": 4.0}, Level.WARNING, ["broker_silent"], "no statistics from the broker for 4 s"),
        ({"stats_age_s": 9.0}, Level.CRITICAL, ["broker_silent"], "no statistics from the broker for 9 s"),
        ({"stats": None, "why": "no broker answers"}, Level.CRITICAL, ["broker_silent"], "no broker answers"),
        ({"stats": None, "asked_s": 2.0}, Level.WARNING, ["starting", "broker_silent"], "starting, up 2 s"),
    ],
)
def test_a_silent_broker_is_the_only_finding(facts, level, what, text):
    statistics = {"stats": stats(processes=[]), **facts}  # its last statistics are outdated
    result = verdict(statistics.pop("stats"), **statistics) if statistics["stats"] else verdict(**statistics)
    assert (result.level, [finding.what for finding in result.findings], result.findings[0].text) == (level, what, text)


def slot(name, state, pid, uptime_s=100):
    return {"name": name, "group": name.partition("_")[0], "state": state, "pid": pid, "uptime_s": uptime_s, "started": True}


@pytest.mark.parametrize(
    ("row", "level", "text"),
    [
        (
            slot("nepse_01", "fatal", 0),
            Level.CRITICAL,
            "process nepse_01 is fatal: supervisord gave it up, and no scaler runs to try it again",
        ),
        (
            slot("feed", "backoff", 0),
            Level.CRITICAL,
            "process feed is backoff: it ended during its start, and supervisord tries again",
        ),
        (slot("gateway", "running", 77), Level.WARNING, "process gateway runs and does not report"),
        (slot("gateway", "running", 77, 3), Level.OK, ""),
        (slot("sim-venue", "running", 78), Level.OK, ""),
        (slot("nepse_02", "stopped", 0), Level.OK, ""),
        (slot("feed", "running", 2), Level.OK, ""),
        (slot("gateway", "stopped", 0), Level.WARNING, "process gateway is stopped"),
        (slot("display_00", "exited", 0), Level.WARNING, "process display_00 is exited"),
    ],
)
def test_what_supervisord_keeps_must_run_and_report(row, level, text):
    result = verdict(supervised=[row])
    assert (result.level, "; ".join(finding.text for finding in result.findings)) == (level, text)


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        ({"feed:feed": {"tries": 0, "next_s": 43.0}}, "gave it up, next attempt in 43 s"),
        ({"feed:feed": {"tries": 1, "next_s": 200.0}}, "gave it up, tried again 1 time, next attempt in 3 min"),
        ({"feed:feed": {"tries": 12, "next_s": 0.0}}, "gave it up, tried again 12 times, next attempt is due"),
        ({"feed:feed": {"tries": 12, "next_s": None}}, "gave it up, tried again 12 times, next attempt is due"),
        ({}, "gave it up"),
    ],
)
def test_the_text_about_a_failed_process_has_the_time_of_the_next_attempt(failure, text):
    statistics = stats()
    statistics["processes"].append(report("scaler", "scaler", 8, failed=failure))
    result = verdict(statistics, supervised=[slot("feed", "fatal", 0)])
    assert [finding.text for finding in result.findings] == [f"process feed is fatal: supervisord {text}"]


def test_the_slots_of_a_reported_pool_may_be_stopped_and_its_minimum_is_the_reported_one():
    statistics = stats(scaling={"sums": {"workers": "auto", "queued": 0}})
    statistics["processes"].append(
        report("scaler", "scaler", 8, pools={"sums": {"wanted": 0, "live": 0, "least": 0, "most": 3, "by_hand": False}})
    )
    assert verdict(statistics, supervised=[slot("sums_00", "exited", 0), slot("sums_01", "stopped", 0)]).findings == ()
    statistics["processes"][-1]["pools"]["sums"]["least"] = 2
    assert [finding.text for finding in verdict(statistics).findings] == ["0 of at least 2 workers of sums"]


def test_without_statistics_a_stopped_slot_of_any_group_may_be_unused():
    rows = [slot("sums_01", "exited", 0), slot("gateway", "stopped", 0)]
    result = verdict(stats_age_s=9.0, supervised=rows)
    assert [finding.what for finding in result.findings] == ["broker_silent", "process_stopped"]


def test_the_worst_comes_first_and_decides():
    result = verdict(with_process(loop_age_s=4.0), workers=3)
    assert [finding.level for finding in result.findings] == [Level.CRITICAL, Level.WARNING]
    assert result.line().startswith("HULAK CRITICAL - 1 of at least 3 workers of nepse; display is late: its loop stands still")


def test_what_is_frozen_comes_right_after_the_worst():
    """Else a worker that was frozen just now, a warning, is the last line, behind all that is critical."""
    statistics = with_process(loop_age_s=9.0)
    statistics["processes"].append(report("derive", "derive_00/8", 8, silent_s=1.6))
    result = verdict({**statistics, "store": {"state": "failed", "why": "no space"}}, workers=3)
    assert [finding.what for finding in result.findings] == ["loop_late", "process_silent", "store_failed", "workers_missing"]
    assert result.count() == "CRITICAL, 4 problems"
    lines = result.lines(3)
    assert [text for _, text in lines] == [
        "CRITICAL: display is late: its loop stands still for 9 s",
        "WARNING: derive_00 is silent: no sign of life for 2 s, it is frozen or dead",
        "and 2 more problems",
    ]
    assert [level for level, _ in lines] == [Level.CRITICAL, Level.WARNING, Level.CRITICAL]
    assert len(result.lines(4)) == len(result.lines(9)) == 4
    assert (verdict().count(), verdict().lines(3)) == ("all is well", [])


def test_limits_are_the_operators():
    assert verdict(limits=limits_of(None, {"queue": 2})).level is Level.WARNING
    assert verdict(limits=limits_of(None, {}, {"queue": 3})).level is Level.CRITICAL
    assert verdict(stats(processes=[]), feeds=0).level is Level.OK
    result = limits_of(None, {"feed_age": 100}, {"queue": 20})
    assert (result["feed_age"].warn, result["feed_age"].critical) == (100, 100)
    assert (result["queue"].warn, result["queue"].critical) == (20, 20)
    with pytest.raises(ConfigError, match="is above"):
        limits_of(None, {"queue": 5}, {"queue": 3})


def test_data_is_as_old_as_the_settings_allow():
    limit = limits_of(Settings(feed=FeedSettings(stale_s=300)))["feed_age"]
    assert (limit.warn, limit.critical) == (50, 300)
    assert limits_of(Settings()) == LIMITS


KEPT = {"group": "nepse", "name": "nepse_00", "state": "running", "pid": 3, "uptime_s": 100, "started": True}


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        ({}, []),  # a bus for other tasks needs neither
        ({"expects_feed": True}, ["feeds_missing"]),
        ({"supervised": [slot("feed", "stopped", 0) | {"started": False}]}, []),
        ({"supervised": [slot("feed", "stopped", 0)]}, ["feeds_missing", "process_stopped"]),
        ({"supervised": [KEPT]}, ["workers_missing", "process_unreported"]),
        ({"supervised": [slot("archiver", "running", 100)]}, []),  # it does not serve the bus, and does not report
    ],
)
def test_feeds_and_workers_are_wanted_where_something_keeps_them(facts, result):
    statistics = verdict(stats(processes=[], workers=[]), feeds=None, workers=None, **facts)
    assert sorted(finding.what for finding in statistics.findings) == sorted(result)


def test_a_feed_that_is_frozen_is_no_feed_that_reports():
    statistics = feed(state="connected", data_age_s=0.1, age_s=9.0)
    assert [finding.what for finding in verdict(statistics).findings] == ["data_silent", "feeds_missing"]


def test_the_broker_is_silent_a_second_after_its_last_heartbeat_however_new_its_statistics_are():
    result = verdict(stats_age_s=0.9, broker_silence_s=1.1)
    assert result.headline() == "CRITICAL: broker is silent: no sign of life for 1 s, it is frozen or dead"
    assert (len(result.unready()), result.silent) == (1, ())
    assert verdict(stats_age_s=0.9, broker_silence_s=0.9).findings == ()
    young = stats()
    young["broker"]["uptime_s"] = 4.0
    assert verdict(young, broker_silence_s=1.1).level is Level.CRITICAL, "a start is no reason: it has sent heartbeats before"


def test_a_process_that_sends_no_beats_has_a_second_and_a_half_more_than_one_that_does():
    ages = {"age_s": 2.5}
    assert verdict(with_process(**ages)).findings == ()
    [process] = verdict(with_process(**ages, silent_s=2.5)).silent
    assert (process.title, process.state) == ("display", "hangs")


def test_processes_are_called_by_names_that_outlive_a_restart():
    rows = [report("nepse", f"nepse/{pid}", pid) for pid in (12, 9)]
    named = processes(stats(processes=[*rows, report("display", "display_00/7", 7), report("feed", "oanda", 3)], workers=[]))
    assert [row.title for row in named] == ["broker", "display_00", "feed oanda", "nepse#2", "nepse"]


def test_what_cannot_be_judged_is_one_line_without_data():
    assert failed(Level.UNKNOWN, "a | b\nc").line() == "HULAK UNKNOWN - a / b c"


@pytest.mark.parametrize(
    "report",
    [
        {"state": "connected", "data_age_s": 155.0, "pause_s": 150.0},
        {"state": "closed", "data_age_s": None, "since_s": 60_000.0, "pause_s": 150.0},
    ],
)
def test_a_feed_whose_venue_pauses_or_is_closed_lacks_no_quote(report):
    assert verdict(feed(**report)).findings == ()

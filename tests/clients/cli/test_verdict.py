"""`hulak check`: each verdict, from facts alone."""

import json

import pytest
from click.testing import CliRunner

from bus.errors import ConfigError
from clients.cli import cli
from clients.cli.check import limits_of
from clients.cli.verdict import LIMITS, Facts, Level, failed, judge


def report(kind, name, pid, **values):
    told = {"age_s": 0.2, "rss_bytes": 50_000_000, "cpu_s": 1.0, "loop_age_s": 0.1, "config_version": 7, "uptime_s": 500.0}
    return {"kind": kind, "name": name, "pid": pid, **told, **values}


def stats(**changes):
    """Make statistics of a broker with which all is well; changes are by path, `ticks__per_s=0`."""
    found = {
        "broker": {"version": "0.1.0", "pid": 1, "uptime_s": 500.0, "rss_bytes": 60_000_000, "cpu_s": 3.0},
        "journal": {"state": "live", "lost": 0},
        "store": {"state": "live"},
        "ticks": {
            "taken": 5000,
            "per_s": 250.0,
            "symbols": 28,
            "feed_to_broker_us": {"p50": 200.0, "p99": 3000.0, "max": 1.0, "count": 9.0},
        },
        "tasks": {"queued": 1, "waiting": 2, "running": 0, "done": 9, "failed": 0, "per_s": 0.0, "services": {}},
        "workers": [{"name": "nepse_00/3", "service": "nepse", "state": "ready", "pid": 3, "age_s": 400.0}],
        "scaling": {"nepse": {"workers": "auto", "queued": 0}},
        "processes": [report("feed", "binance", 2, state="connected", data_age_s=0.3), report("nepse", "nepse_00/3", 3)],
        "rejected": {"total": 0},
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place = found
        for name in way:
            place = place[name]
        place[last] = value
    return found


def verdict(told=None, limits=LIMITS, **changes):
    usual = {"supervised": (), "config_version": 7, "config_age_s": 60.0, "max_tasks": 100, "feeds": 1, "workers": 1}
    return judge(Facts(stats=told or stats(), **{**usual, **changes}), limits)


def with_process(**values):
    told = stats()
    told["processes"].append(report("display", "display/9", 9, **values))
    return told


def feed(**values):
    return stats(processes=[report("feed", "binance", 2, **values)])


def test_all_is_well():
    found = verdict()
    assert (found.level, found.findings) == (Level.OK, ())
    line = found.line()
    assert line.startswith("HULAK OK - broker 0.1.0 up 8 min, feeds 1, symbols 28 at 250 ticks/s, workers 1, tasks queued 1")
    assert line.count("|") == 1
    perf = dict(part.split("=") for part in line.partition("| ")[2].split())
    assert (perf["queue"], perf["feed_age"], perf["latency"]) == ("3%;50;90;0", "0.3s;10;60;0", "3ms;50;200;0")
    assert (perf["ticks"], perf["workers"], perf["broker_rss"]) == ("5000c", "1", "60000000B")


UNWELL = [
    (
        Level.WARNING,
        "internal errors: 3 in the last minute, the last beat: KeyError: 5",
        stats(internal={"total": 9, "recent": 3, "last": "beat: KeyError: 5"}),
    ),
    (Level.CRITICAL, "journal is degraded: No space left", stats(journal={"state": "degraded", "why": "No space left"})),
    (Level.WARNING, "journal files set aside at the start: 1.hj, 2.hj", stats(journal={"aside": ["1.hj", "2.hj"]})),
    (
        Level.WARNING,
        "journal had 40 damaged bytes at the start, `hulak journal verify` tells where",
        stats(journal__corrupt_bytes=40),
    ),
    (Level.CRITICAL, "store is failed: no reason told", stats(store={"state": "failed", "why": ""})),
    (
        Level.WARNING,
        "a store that could not be read was set aside: tasks.db.aside-1, tasks.db.aside-2",
        stats(store__aside=["tasks.db.aside-1", "tasks.db.aside-2"]),
    ),
    (
        Level.WARNING,
        "3 rows of the store cannot be read: see hulak task ls --state unreadable",
        stats(store__unreadable=3),
    ),
    (Level.CRITICAL, "0 of 1 feeds report", stats(processes=[])),
    (Level.WARNING, "feed binance is degraded, newest quote 9 s old", feed(state="degraded", data_age_s=9.0)),
    (Level.WARNING, "feed binance is connected, newest quote 12 s old", feed(state="connected", data_age_s=12.0)),
    (Level.CRITICAL, "feed binance is connected, newest quote 75 s old", feed(state="connected", data_age_s=75.0)),
    (Level.CRITICAL, "feed binance is stale, newest quote 9 s old", feed(state="stale", data_age_s=9.0)),
    (Level.CRITICAL, "feed binance is backoff, no quote for 2 s", feed(state="backoff", data_age_s=None, since_s=2.0)),
    (Level.WARNING, "feed binance is connecting, no quote for 20 s", feed(state="connecting", data_age_s=None, since_s=20.0)),
    (Level.CRITICAL, "0 of at least 1 workers of nepse", stats(workers=[])),
    (
        Level.CRITICAL,
        "0 of at least 1 workers of nepse",
        stats(workers=[{"name": "n", "service": "nepse", "state": "retiring", "pid": 3, "age_s": 1.0}]),
    ),
    (Level.WARNING, "tasks in the broker, of broker.max_tasks: 62 %, should be below 50 %", stats(tasks__queued=60)),
    (Level.CRITICAL, "tasks in the broker, of broker.max_tasks: 92 %, should be below 90 %", stats(tasks__running=89)),
    (
        Level.WARNING,
        "feed to broker, p99: 60 ms, should be below 50 ms",
        stats(ticks__feed_to_broker_us={"p50": 1.0, "p99": 60_000.0, "max": 1.0, "count": 1.0}),
    ),
    (
        Level.CRITICAL,
        "feed to a display's state, p99, of the slowest worker: 600 ms, should be below 500 ms",
        with_process(latency_us={"p50": 1.0, "p99": 600_000.0, "max": 1.0, "count": 1.0}),
    ),
    (
        Level.WARNING,
        "how long displays have been catching up: 12 s, should be below 10 s",
        with_process(catching_up=3, stale_s=12.0),
    ),
    (
        Level.CRITICAL,
        "how long displays have been catching up: 75 s, should be below 60 s",
        with_process(catching_up=3, stale_s=75.0),
    ),
    (
        Level.WARNING,
        "memory of the process that grows most, in ten minutes: 30 MB, should be below 20 MB",
        with_process(rss_per_min=3_000_000),
    ),
    (Level.WARNING, "display display/9 last reported 4 s ago", with_process(age_s=4.0)),
    (Level.CRITICAL, "display display/9 last went round its loop 30 s ago", with_process(loop_age_s=30.0)),
    (Level.WARNING, "config 7 is not applied by display/9", with_process(config_version=6)),
]


@pytest.mark.parametrize(("level", "text", "told"), UNWELL, ids=[text[:40] for _, text, _ in UNWELL])
def test_what_is_not_well_is_said_and_sets_the_level(level, text, told):
    found = verdict(told)
    assert (found.level, [finding.text for finding in found.findings]) == (level, [text])
    assert found.line().startswith(f"HULAK {level.name} - {text} | ")


def test_a_new_configuration_has_time_to_be_applied():
    assert verdict(with_process(config_version=6), config_age_s=2.0).level is Level.OK


def slot(name, state, pid, uptime_s=100):
    return {"name": name, "group": name, "state": state, "pid": pid, "uptime_s": uptime_s}


@pytest.mark.parametrize(
    ("row", "level", "text"),
    [
        (slot("nepse_01", "fatal", 0), Level.CRITICAL, "process nepse_01 is fatal"),
        (slot("feed", "backoff", 0), Level.CRITICAL, "process feed is backoff"),
        (slot("gateway", "running", 77), Level.WARNING, "process gateway runs and does not report"),
        (slot("gateway", "running", 77, 3), Level.OK, ""),
        (slot("sim-venue", "running", 78), Level.OK, ""),
        (slot("nepse_02", "stopped", 0), Level.OK, ""),
        (slot("feed", "running", 2), Level.OK, ""),
    ],
)
def test_what_supervisord_keeps_must_run_and_report(row, level, text):
    found = verdict(supervised=[row])
    assert (found.level, "; ".join(finding.text for finding in found.findings)) == (level, text)


def test_the_worst_comes_first_and_decides():
    found = verdict(with_process(age_s=4.0), workers=3)
    assert [finding.level for finding in found.findings] == [Level.CRITICAL, Level.WARNING]
    assert found.line().startswith(
        "HULAK CRITICAL - 1 of at least 3 workers of nepse; display display/9 last reported 4 s ago | "
    )


def test_limits_are_the_operators():
    assert verdict(limits=limits_of({"queue": 2}, {})).level is Level.WARNING
    assert verdict(limits=limits_of({}, {"queue": 3})).level is Level.CRITICAL
    assert verdict(feeds=0, told=stats(processes=[])).level is Level.OK
    found = limits_of({"feed_age": 100}, {"queue": 20})
    assert (found["feed_age"].warn, found["feed_age"].critical) == (100, 100)
    assert (found["queue"].warn, found["queue"].critical) == (20, 20)
    with pytest.raises(ConfigError, match="is above"):
        limits_of({"queue": 5}, {"queue": 3})


def test_what_cannot_be_judged_is_one_line_without_data():
    assert failed(Level.UNKNOWN, "a | b\nc").line() == "HULAK UNKNOWN - a / b c"


@pytest.mark.parametrize(
    ("words", "code", "start"),
    [
        ([], 2, "HULAK CRITICAL - no broker answers at tcp://127.0.0.1:1 "),
        (["--warn", "tics=3"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=much"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=9", "--critical", "queue=3"], 3, "HULAK UNKNOWN - --warn queue=9 is above"),
        (["--nonsense"], 3, "HULAK UNKNOWN - "),
        (["--config", "/is/not/there"], 3, "HULAK UNKNOWN - settings file /is/not/there is not there"),
    ],
)
def test_every_failure_has_an_exit_code_of_monitoring_plugins(tmp_path, words, code, start):
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1"}
    done = CliRunner().invoke(cli, ["check", "--timeout", "0.1", *words], env=variables)
    assert (done.exit_code, len(done.stdout.splitlines())) == (code, 1)
    assert done.stdout.startswith(start)
    as_json = CliRunner().invoke(cli, ["check", "--timeout", "0.1", "--json", *words], env=variables)
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout)

"""Schedules with real processes: many are due within a minute while the broker is killed; a frozen broker; a wrong clock."""

import json
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from faults import DAY_S, Faults
from local_bus import LocalBus
from verdicts import assert_well
from waiting import eventually

from hulak.bus.errors import BusTimeout

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SEED = 20261130
WITHIN_S = 30
TASK = ("sleepy", "sleep")


def start_workers(local_bus, log, count=2):
    return [local_bus.start("-m", "sleepy_worker", PYTHONPATH="tests/support:.", SLEEPY_LOG=log) for _ in range(count)]


def executions(log):
    """Count how often each number was carried out."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return Counter(line["number"] for line in lines if line["what"] == "end")


def ask(local_bus, what, *args, **options):
    """Ask a broker that may be starting; again until it answers."""

    def answered():
        try:
            with local_bus.client() as client:
                return [getattr(client, what)(*args, timeout_s=5, **options)]
        except BusTimeout:
            return []

    return eventually(answered, within_s=WITHIN_S)[0]


def tasks_of(local_bus):
    with local_bus.client() as client:
        return client.list_tasks(service=TASK[0], limit=1000)


def all_ended(local_bus, count):
    rows = tasks_of(local_bus)
    return len(rows) >= count and all(row["ended_ns"] is not None for row in rows)


def test_of_many_schedules_due_in_one_minute_each_runs_once_though_the_broker_is_killed(tmp_path, long, record_figure):
    """Full: 200 schedules in 60 s, 10 kills; short: 40 in 5 s, 2 kills."""
    count, span_s, kills = (200, 60.0, 10) if long else (40, 5.0, 2)
    draw, log = random.Random(SEED), tmp_path / "runs.jsonl"
    with LocalBus() as local_bus:
        local_bus.broker = local_bus.start_broker()
        workers = start_workers(local_bus, log)
        begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
        with local_bus.client() as client:
            for number in range(count):
                at = (begins + timedelta(seconds=int(number * span_s / count))).isoformat()[:19]
                client.schedule(*TASK, {"seconds": 0.01, "number": number}, at=at, name=f"n{number}", retries=20)
        gaps = sorted(draw.uniform(0.0, span_s) for _ in range(kills))
        for gap in gaps:
            time.sleep(max(0.0, (begins + timedelta(seconds=gap) - datetime.now(UTC)).total_seconds()))
            local_bus.broker.kill()
            local_bus.broker.wait()
            local_bus.broker = local_bus.start_broker()
        eventually(lambda: all_ended(local_bus, count), within_s=span_s + WITHIN_S)
        schedules, rows = ask(local_bus, "list_schedules"), tasks_of(local_bus)
        assert_well(local_bus, workers=0)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
            worker.wait(WITHIN_S)
    runs = executions(log)
    delays = [(row["posted_ns"] - due) / 1e9 for row in rows for due in [due_of(schedules, row)]]
    record_figure(
        f"schedule storm: {count} schedules in {span_s:g} s, {kills} kills of the broker: {len(rows)} tasks, "
        f"{sum(runs.values())} executions; posted {max(delays):.1f} s late at most"
    )
    assert Counter(row["state"] for row in rows) == {"done": count}
    assert {(row["state"], row["runs_posted"], row["runs_missed"], row["runs_skipped"]) for row in schedules} == {
        ("ended", 1, 0, 0)
    }
    assert runs == dict.fromkeys(range(count), 1), "workers send the results again that a killed broker may not have stored"


def due_of(schedules, row):
    return next(schedule["last_due_ns"] for schedule in schedules if schedule["last_task"] == row["task"])


def test_after_a_freeze_of_the_broker_missed_runs_follow_the_policy(tmp_path, record_figure):
    log = tmp_path / "runs.jsonl"
    with LocalBus() as local_bus:
        local_bus.broker = local_bus.start_broker()
        start_workers(local_bus, log)
        with local_bus.client() as client:
            for missed in ("once", "all"):
                client.schedule(*TASK, {"seconds": 0.0, "number": missed}, every_s=1, missed=missed, name=missed)
        eventually(lambda: executions(log)["once"] >= 2, within_s=WITHIN_S)
        local_bus.broker.send_signal(signal.SIGSTOP)
        time.sleep(4.0)
        local_bus.broker.send_signal(signal.SIGCONT)

        def caught_up():
            rows = {row["name"]: row for row in ask(local_bus, "list_schedules")}
            is_even = rows["all"]["next_ns"] > time.time_ns()
            return rows if rows["once"]["runs_missed"] and is_even else None

        rows = eventually(caught_up, within_s=WITHIN_S)
        assert len(tasks_of(local_bus)) >= rows["once"]["runs_posted"] + rows["all"]["runs_posted"]
    record_figure(f"freeze of 4 s: once missed {rows['once']['runs_missed']}, all missed {rows['all']['runs_missed']}")
    assert rows["once"]["runs_missed"] >= 2
    assert rows["all"]["runs_missed"] == rows["all"]["runs_skipped"] == 0
    assert rows["all"]["runs_posted"] > rows["once"]["runs_posted"]


def test_a_wrong_clock_repeats_no_run_and_stops_no_schedule(tmp_path, record_figure):
    faults, log = Faults(tmp_path), tmp_path / "runs.jsonl"
    with LocalBus() as local_bus:
        with local_bus.having(faults.variables):
            local_bus.broker = local_bus.start_broker()
        start_workers(local_bus, log)
        with local_bus.client() as client:
            client.schedule(*TASK, {"seconds": 0.0, "number": 1}, every_s=1, overlap=True, name="each")
        counts = []
        for ahead_s in (0, 8 * DAY_S, -DAY_S, 0):
            faults.clock(ahead_s)
            before = ask(local_bus, "show_schedule", "each")["runs_posted"]
            eventually(
                lambda before=before: ask(local_bus, "show_schedule", "each")["runs_posted"] >= before + 3, within_s=WITHIN_S
            )
            local_bus.broker.kill()
            local_bus.broker.wait()
            with local_bus.having(faults.variables):
                local_bus.broker = local_bus.start_broker()
            counts.append(ask(local_bus, "show_schedule", "each")["runs_posted"])
        ask(local_bus, "pause_schedule", "each")
        eventually(lambda: all_ended(local_bus, 1), within_s=WITHIN_S)
        rows, posted = tasks_of(local_bus), ask(local_bus, "show_schedule", "each")["runs_posted"]
    record_figure(f"wrong clock: {posted} runs while the clock was 8 days ahead, a day behind, and right")
    assert len(rows) == posted
    assert executions(log)[1] >= posted

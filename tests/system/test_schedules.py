"""Schedules by the command line, with a real broker and a real worker."""

import json

import pytest
from click.testing import CliRunner
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.cli import cli

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
WITHIN_S = 20


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        local_bus.start("-m", "sleepy_worker", PYTHONPATH="tests/support:.")
        yield local_bus


def run(local_bus, *words):
    """Run a command; return its exit code and its output."""
    done = CliRunner().invoke(cli, words, env=local_bus.variables)
    return done.exit_code, done.stdout + done.stderr


def as_json(local_bus, *words):
    done = CliRunner().invoke(cli, [*words, "--json"], env=local_bus.variables)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_task_is_scheduled_run_shown_paused_and_removed(local_bus):
    code, printed = run(local_bus, "task", "post", "sleepy", "sleep", "--arg", "seconds=0", "--every", "1s", "--name", "each")
    assert code == 0
    assert printed.startswith("schedule each is active, next run 20")

    def ran():
        [row] = as_json(local_bus, "schedule", "ls")
        return row if row["runs_posted"] >= 2 and row["last_state"] == "done" else None

    row = eventually(ran, within_s=WITHIN_S)
    assert as_json(local_bus, "task", "result", row["last_task"]) == "slept 0"
    assert as_json(local_bus, "schedule", "show", "each")["args"] == {"seconds": 0}
    assert as_json(local_bus, "schedule", "pause", "each")["state"] == "paused"
    posted = as_json(local_bus, "schedule", "run", "each")["task"]
    assert as_json(local_bus, "task", "result", posted) == "slept 0"
    table = run(local_bus, "schedule")[1].splitlines()
    assert table[0].split("\t")[:4] == ["schedule", "service", "action", "when"]
    assert table[1].split("\t")[:5] == ["each", "sleepy", "sleep", "every 1 s", "paused"]
    assert run(local_bus, "schedule", "resume", "each")[1].startswith("schedule each is active, next run 20")
    assert run(local_bus, "schedule", "rm", "each") == (0, "removed each\n")
    assert as_json(local_bus, "schedule", "ls") == []


def test_a_wrong_schedule_is_refused_with_a_sentence(local_bus):
    code, printed = run(local_bus, "schedule", "pause", "none")
    assert (code, "there is no schedule 'none'" in printed) == (1, True)
    code, printed = run(local_bus, "task", "post", "sleepy", "sleep", "--cron", "5 25 * * *")
    assert (code, "--cron is '5 25 * * *': Bad hour" in printed) == (1, True)
    code, printed = run(local_bus, "task", "post", "sleepy", "sleep", "--at", "15:05", "--tz", "Asia/Katmandoo")
    assert (code, "'Asia/Katmandoo', which is no time zone" in printed) == (1, True)


def test_the_days_of_another_exchange_are_set_by_the_post_that_needs_them(local_bus):
    pytest.importorskip("exchange_calendars")
    words = ("task", "post", "sleepy", "sleep", "--cron", "5 16 * * *", "--calendar", "XNYS", "--name", "after-close")
    row = as_json(local_bus, *words)
    assert (row["zone"], row["calendar"], row["state"]) == ("America/New_York", "XNYS", "active")
    [calendar] = as_json(local_bus, "schedule", "calendar", "ls")
    assert (calendar["name"], calendar["weekdays"]) == ("XNYS", [1, 2, 3, 4, 5])
    assert run(local_bus, "schedule", "calendar", "rm", "XNYS")[0] == 1
    assert run(local_bus, "schedule", "rm", "after-close")[0] == 0
    assert run(local_bus, "schedule", "calendar", "rm", "XNYS") == (0, "removed XNYS\n")

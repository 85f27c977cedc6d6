"""`hulak check` and `hulak status` of a broker that does not answer: their words, and their time."""

import json
import signal

import pytest
from click.testing import CliRunner
from local_bus import LocalBus

from hulak.bus.errors import BusTimeout
from hulak.clients import supervisord
from hulak.clients.cli import cli, health

SILENT = "broker is silent: no sign of life for 1 s, it is frozen or dead"
BROKER = {"name": "broker", "group": "broker", "state": "running", "pid": 4711, "started": True}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a home without a broker, where supervisord runs the given processes."""
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1", "HULAK_SECURITY__LOOPBACK": "open"}

    def run(*words, supervised=()):
        answers = [[], list(supervised)]  # `hulak up` has just begun: supervisord answers to the second query
        monkeypatch.setattr(supervisord, "processes", lambda _: answers.pop(0) if len(answers) > 1 else answers[0])
        return CliRunner().invoke(cli, [*words, "--timeout", "0.1"], env=variables)

    return run


def test_a_frozen_broker_is_silent_in_the_words_of_the_judge_everywhere():
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        broker.send_signal(signal.SIGSTOP)
        try:
            variables = {"env": local_bus.variables}
            status = CliRunner().invoke(cli, ["status"], **variables)
            as_json = CliRunner().invoke(cli, ["status", "--json"], **variables)
            check = CliRunner().invoke(cli, ["check"], **variables)
        finally:
            broker.send_signal(signal.SIGCONT)
    assert (status.exit_code, status.stderr) == (3, f"hulak: {SILENT}\n")
    assert (as_json.exit_code, check.exit_code) == (3, 2)
    assert check.stdout == f"HULAK CRITICAL - {SILENT}\n"
    value = json.loads(as_json.stdout)
    assert value["error"] == {"code": "BROKER_SILENT", "text": SILENT}
    assert value["health"]["problems"][0]["text"] == SILENT


@pytest.mark.parametrize(
    ("up_s", "text"),
    [
        (3, "starting, up 3 s; the broker does not answer yet"),
        (90, "the broker runs for 90 s as process 4711 and does not answer; see its log"),
    ],
)
def test_a_broker_under_supervisord_that_does_not_answer_is_not_to_be_started(run, up_s, text):
    supervised = [{**BROKER, "uptime_s": up_s}, {**BROKER, "name": "feed", "group": "feed", "pid": 4712, "uptime_s": up_s}]
    status = run("status", supervised=supervised)
    assert (status.exit_code, status.stderr) == (3, f"hulak: {text}\n")
    assert "feed\trunning\t4712\t" in status.stdout
    assert text in run("check", supervised=supervised).stdout
    value = json.loads(run("status", "--json", supervised=supervised).stdout)
    assert (value["error"]["text"], value["supervised"]) == (text, supervised)


def test_without_any_process_status_advises_to_start_one(run):
    status = run("status")
    assert (status.exit_code, status.stdout) == (3, "")
    assert "start one with `hulak up` or `hulak broker`" in status.stderr


class Clock:
    """A monotonic clock that a future moves on, as the waits for it take time."""

    def __init__(self, *waits, answered_after=999.0):
        self.now, self.waits, self.answered_after = 100.0, list(waits), answered_after

    def monotonic(self):
        return self.now

    def done(self):
        return False

    def result(self, timeout_s):
        """Wait as long as asked, or as a wait in which the process did not run; the answer is read when it does run."""
        self.now += self.waits.pop(0) if self.waits else timeout_s
        if self.now - 100.0 >= self.answered_after:
            return "answer"
        raise BusTimeout("no answer")


def test_a_frozen_broker_is_waited_for_no_longer_than_wanted(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(health, "time", clock)
    with pytest.raises(BusTimeout):
        health._answer(clock, health.REPLY_S)
    assert clock.now - 100.0 == pytest.approx(health.REPLY_S)


@pytest.mark.parametrize("waits", [(1.5,), (0.1, 0.1, 2.0), (1.0, 1.0, 1.0)])
def test_while_the_check_itself_is_starved_no_broker_is_silent(monkeypatch, waits):
    clock = Clock(*waits, answered_after=sum(waits) + 0.5)
    monkeypatch.setattr(health, "time", clock)
    assert health._answer(clock, health.REPLY_S) == "answer"

"""`hulak check`: every failure is an exit code of monitoring plugins."""

import json

import pytest
from click.testing import CliRunner

from hulak.bus.errors import BusTimeout
from hulak.clients.cli import check, cli


@pytest.mark.parametrize(
    ("words", "code", "start"),
    [
        ([], 2, "HULAK CRITICAL - no broker answers at tcp://127.0.0.1:1 "),
        (["--warn", "tics=3"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=much"], 3, "HULAK UNKNOWN - "),
        (["--warn", "queue=9", "--critical", "queue=3"], 3, "HULAK UNKNOWN - --warn queue=9 is above"),
        (["--nonsense"], 3, "HULAK UNKNOWN - "),
        (["--config", "/is/not/there"], 3, "HULAK UNKNOWN - settings file /is/not/there not found"),
    ],
)
def test_every_failure_has_an_exit_code_of_monitoring_plugins(tmp_path, words, code, start):
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1", "HULAK_SECURITY__LOOPBACK": "open"}
    done = CliRunner().invoke(cli, ["check", "--timeout", "0.1", *words], env=variables)
    assert (done.exit_code, len(done.stdout.splitlines())) == (code, 1)
    assert done.stdout.startswith(start)
    as_json = CliRunner().invoke(cli, ["check", "--timeout", "0.1", "--json", *words], env=variables)
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout)


def test_a_broker_that_is_gone_is_reported_as_soon_as_one_that_is_frozen(tmp_path):
    variables = {"HULAK_HOME": str(tmp_path), "HULAK_BROKER__FRONTEND": "tcp://127.0.0.1:1", "HULAK_SECURITY__LOOPBACK": "open"}
    done = CliRunner().invoke(cli, ["check"], env=variables)
    assert f"no broker answers at tcp://127.0.0.1:1 within {check.REPLY_S:g} s" in done.stdout


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
    monkeypatch.setattr(check, "time", clock)
    with pytest.raises(BusTimeout):
        check._answer(clock, check.REPLY_S)
    assert clock.now - 100.0 == pytest.approx(check.REPLY_S)


@pytest.mark.parametrize("waits", [(1.5,), (0.1, 0.1, 2.0), (1.0, 1.0, 1.0)])
def test_while_the_check_itself_is_starved_no_broker_is_silent(monkeypatch, waits):
    clock = Clock(*waits, answered_after=sum(waits) + 0.5)
    monkeypatch.setattr(check, "time", clock)
    assert check._answer(clock, check.REPLY_S) == "answer"

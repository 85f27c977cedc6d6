"""Bugs that the broker meets: counted, logged once per kind, and never in the way of a stop."""

import pytest

from hulak.bus.broker import bug_guard
from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.errors import ConfigError


class Log:
    def __init__(self):
        self.lines = []

    def error(self, event, **fields):
        self.lines.append((event, fields))


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bug_guard.time, "monotonic", lambda: now[0])
    return now


def broken(text):
    raise RuntimeError(text)


def test_a_failed_call_returns_its_other_value_and_is_counted(clock):
    kept = BugGuard(Log())
    assert kept.run("here", lambda: 5, otherwise=6) == 5
    assert kept.stats() == {"total": 0, "recent": 0, "last": ""}
    assert kept.run("here", broken, "no", otherwise=6) == 6
    assert kept.stats() == {"total": 1, "recent": 1, "last": "here: RuntimeError: no"}
    clock[0] += 61
    assert kept.stats() == {"total": 1, "recent": 0, "last": "here: RuntimeError: no"}


def test_each_kind_is_logged_once_with_its_traceback_and_then_once_a_minute(clock):
    log = Log()
    kept = BugGuard(log)
    for number in range(5000):
        kept.run("here", broken, f"no {number}", otherwise=None)
    kept.run("there", broken, "no", otherwise=None)
    assert [(event, fields["where"]) for event, fields in log.lines] == [("internal error", "here"), ("internal error", "there")]
    assert all(fields["exc_info"].__traceback__ for _, fields in log.lines)
    clock[0] += 60
    kept.run("here", broken, "no", otherwise=None)
    assert log.lines[2] == ("internal errors continue", {"total": 5002, "last": "here: RuntimeError: no"})
    assert kept.stats()["recent"] == 1000


def test_an_error_that_ends_the_process_on_purpose_is_passed_on():
    def end():
        raise ConfigError("no address")

    with pytest.raises(ConfigError):
        BugGuard(Log()).run("here", end, otherwise=None)


def test_the_answer_to_a_request_names_the_bug_and_not_its_text():
    answer = internal(bytes(16), ValueError("secret"))
    assert (answer.id, answer.code, answer.text) == (bytes(16), "INTERNAL", "a bug of the broker: ValueError; its log says where")

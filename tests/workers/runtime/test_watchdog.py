"""A worker whose task holds the interpreter's lock is ended from outside of Python; other workers never notice the watchdog."""

import subprocess
import sys

import pytest

from hulak.workers.runtime import watchdog
from hulak.workers.runtime.watchdog import KEEP_S, RENEW_S, SLACK_S, Watchdog

HOLDS = """
import ctypes, os, sys, time
from hulak.workers.runtime import watchdog

watchdog.SLACK_S = 0.1
dog = watchdog.Watchdog()
if CLOSED:
    os.closerange(0, 3)
dog.arm(time.monotonic(), 100)

def holds_on():
    ctypes.PyDLL(None).sleep(60)

holds_on()
"""


@pytest.mark.parametrize("closed", [False, True])
def test_a_task_that_holds_the_lock_ends_with_its_process(closed):
    command = [sys.executable, "-c", f"CLOSED = {closed}\n{HOLDS}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in holds_on" in done.stderr, "the log has the place"


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setattr(watchdog.faulthandler, "dump_traceback_later", lambda after_s, **_: calls.append(after_s))
    monkeypatch.setattr(watchdog.faulthandler, "cancel_dump_traceback_later", lambda: calls.append(None))
    return calls


def test_it_is_postponed_once_a_second_and_disarmed_when_no_task_has_begun_for_long(calls):
    dog = Watchdog()
    dog.renew(5.0, used=5.0)
    assert calls == [], "not before the first task"
    dog.arm(10.0, 4000)
    for tenth in range(int(RENEW_S * 10)):
        dog.renew(10.0 + tenth / 10, used=10.0)
    assert calls == [4 + SLACK_S]
    dog.renew(10.0 + RENEW_S, used=10.0)
    assert calls == [4 + SLACK_S] * 2
    dog.renew(10.0 + KEEP_S - 0.1, used=10.0)
    dog.renew(10.0 + KEEP_S + RENEW_S, used=10.0)
    assert (calls[-1], dog.hard_ms) == (None, 0)
    dog.renew(10.0 + KEEP_S + 9 * RENEW_S, used=10.0)
    assert calls.count(None) == 1, "and stays so"


def test_a_system_without_room_for_another_thread_costs_no_task(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("unable to start watchdog thread")

    monkeypatch.setattr(watchdog.faulthandler, "dump_traceback_later", refuse)
    Watchdog().arm(0.0, 4000)

"""The scheduling policy of threads."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from hulak.bus.process import cpu_scheduling

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the system has no such policy")


def in_thread(function):
    """Run it in a separate thread with the default policy, independent of how the tests were started."""

    def go():
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return function()

    with ThreadPoolExecutor(1) as own:
        return own.submit(go).result()


def policies():
    return [os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{os.getpid()}/task").iterdir()]


def test_a_thread_and_those_that_it_starts_later_get_the_batch_policy():
    def go():
        changed = cpu_scheduling.set_batch_policy()
        with ThreadPoolExecutor(1) as started:
            return changed, os.sched_getscheduler(0), started.submit(os.sched_getscheduler, 0).result()

    before = os.sched_getscheduler(0)
    assert in_thread(go) == (True, os.SCHED_BATCH, os.SCHED_BATCH)
    assert os.sched_getscheduler(0) == before


def test_only_threads_that_are_started_inside_are_changed():
    def go():
        before = policies().count(os.SCHED_BATCH)
        with cpu_scheduling.batch_policy():
            context = zmq.Context()
            socket = context.socket(zmq.DEALER)  # the first socket starts the threads
        inside = policies().count(os.SCHED_BATCH) - before
        socket.close()
        context.term()
        return inside, os.sched_getscheduler(0)

    inside, own = in_thread(go)
    assert inside >= 1
    assert own == os.SCHED_OTHER


def test_a_process_that_was_started_with_another_policy_keeps_it():
    def go():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with cpu_scheduling.batch_policy():
            inside = os.sched_getscheduler(0)
        return cpu_scheduling.set_batch_policy(), inside, os.sched_getscheduler(0)

    assert in_thread(go) == (False, os.SCHED_IDLE, os.SCHED_IDLE)


def test_where_it_is_forbidden_nothing_happens(monkeypatch):
    def forbid(*_):
        raise PermissionError("sandbox")

    def go():
        monkeypatch.setattr(os, "sched_setscheduler", forbid)
        with cpu_scheduling.batch_policy():
            inside = os.sched_getscheduler(0)
        return cpu_scheduling.set_batch_policy(), inside

    assert in_thread(go) == (False, os.SCHED_OTHER)

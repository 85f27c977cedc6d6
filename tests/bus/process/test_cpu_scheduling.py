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


def test_a_process_runs_as_batch_at_a_high_rate_only_and_does_not_waver_between_the_bounds():
    rule = cpu_scheduling.LoadRule(100.0)
    assert (rule.update(100.25, 250), rule.batch) == (False, False)  # 1,000 a second
    assert (rule.update(100.5, 250 + 4000), rule.batch) == (False, False)  # 16,000: between the bounds
    assert (rule.update(100.75, 4250 + 5000), rule.batch) == (True, True)  # 20,000
    assert (rule.update(101.0, 9250 + 4000), rule.batch) == (False, True)
    assert (rule.update(101.25, 13250 + 2900), rule.batch) == (True, False)  # 11,600
    assert (rule.update(101.25, 16150), rule.batch) == (False, False)  # no time has passed


def test_all_threads_of_a_process_change_together_and_one_with_another_policy_keeps_it():
    def go():
        with ThreadPoolExecutor(1) as idle, ThreadPoolExecutor(1) as other:
            idle.submit(os.sched_setscheduler, 0, os.SCHED_IDLE, os.sched_param(0)).result()
            other.submit(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0)).result()
            seen = []
            for batch in (True, False):
                cpu_scheduling.set_process_policy(batch=batch)
                seen.append([thread.submit(os.sched_getscheduler, 0).result() for thread in (idle, other)])
            return seen

    assert in_thread(go) == [[os.SCHED_IDLE, os.SCHED_BATCH], [os.SCHED_IDLE, os.SCHED_OTHER]]

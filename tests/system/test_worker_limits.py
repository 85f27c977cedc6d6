"""A worker while a task blocks its process: it sends heartbeats, is interrupted at the soft limit, and ends at the hard one."""

import time
from pathlib import Path

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import TaskFailed
from hulak.workers.runtime.watchdog import SLACK_S

pytestmark = pytest.mark.system
MODULE = """
import ctypes
import threading
import time
from hulak.workers.tasks import task

@task("slow", "yielding")
def yielding():
    for _ in range(1000):
        time.sleep(0.01)

@task("slow", "deaf")
def deaf():
    time.sleep(20)

@task("slow", "haunts")
def haunts():
    thread = ctypes.c_ulong(threading.get_ident())
    late = threading.Timer(0.2, ctypes.pythonapi.PyThreadState_SetAsyncExc, (thread, ctypes.py_object(SystemExit)))
    late.start()

@task("slow", "quick")
def quick(n):
    return n
"""


def test_a_task_that_blocks_is_interrupted_and_one_that_cannot_be_ends_its_worker():
    limits = {"task.soft_s": 4.0, "task.hard_s": 6.0, "task.lease_s": 2.5, "task.retries": 0}
    with LocalBus(**limits) as local_bus, local_bus.client() as client:
        local_bus.start_broker()
        (local_bus.home / "slow.py").write_text(MODULE)
        worker = local_bus.start("-m", "hulak.workers", "slow", "--module", "slow", PYTHONPATH=f"{local_bus.home}:{Path.cwd()}")
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        [before] = local_bus.stats()["workers"]
        with pytest.raises(TaskFailed) as failed:
            client.call("slow", "yielding", timeout_s=30)
        assert failed.value.code == "SOFT_LIMIT"  # and not WORKER_LOST: it beat all the time
        assert client.call("slow", "quick", {"n": 1}) == 1
        [after] = local_bus.stats()["workers"]
        assert (after["pid"], local_bus.stats()["tasks"]["lost_workers"]) == (before["pid"], 0)
        with pytest.raises(TaskFailed) as failed:
            client.call("slow", "deaf", timeout_s=30)
        assert failed.value.code == "WORKER_LOST"
        assert worker.wait(30) in (0, 70)


def test_a_worker_whose_task_thread_has_ended_ends_at_once_and_is_lost():
    with LocalBus(**{"task.soft_s": 20.0, "task.hard_s": 30.0}) as local_bus, local_bus.client() as client:
        local_bus.start_broker()
        (local_bus.home / "slow.py").write_text(MODULE)
        worker = local_bus.start("-m", "hulak.workers", "slow", "--module", "slow", PYTHONPATH=f"{local_bus.home}:{Path.cwd()}")
        client.call("slow", "haunts", timeout_s=20)
        assert worker.wait(30) == 70
        assert "worker broken" in worker.log.read_text()
        eventually(lambda: not local_bus.stats()["workers"], within_s=30)


def test_a_worker_without_a_task_outlives_the_hard_limit_of_its_last_one():
    """The timer that ends a worker whose task holds the interpreter's lock is postponed also while it waits for tasks."""
    with LocalBus(**{"task.soft_s": 1.0, "task.hard_s": 2.0}) as local_bus, local_bus.client() as client:
        local_bus.start_broker()
        (local_bus.home / "slow.py").write_text(MODULE)
        worker = local_bus.start("-m", "hulak.workers", "slow", "--module", "slow", PYTHONPATH=f"{local_bus.home}:{Path.cwd()}")
        assert client.call("slow", "quick", {"n": 1}, timeout_s=20) == 1
        over = time.monotonic() + 2.0 + SLACK_S + 1.0
        eventually(lambda: worker.poll() is not None or time.monotonic() > over, within_s=30)
        assert worker.poll() is None
        assert client.call("slow", "quick", {"n": 2}, timeout_s=20) == 2

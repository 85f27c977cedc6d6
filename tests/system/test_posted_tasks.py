"""Posted tasks with real processes: accepted means safe, and each ends once, after a kill of any process."""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError, TaskFailed

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def local_bus():
    with LocalBus() as local_bus:
        local_bus.broker = local_bus.start_broker()
        yield local_bus


def start_worker(local_bus):
    return local_bus.start("-m", "sleepy_worker", PYTHONPATH="tests/support")


def sleeps(seconds):
    return {"service": "sleepy", "action": "sleep", "args": {"seconds": seconds}}


def test_a_posted_task_is_done_though_its_broker_is_killed_at_once_and_its_worker_comes_later(local_bus):
    with local_bus.client() as client:
        task = client.post(**sleeps(0.01))
        local_bus.broker.kill()
        local_bus.broker.wait()
        local_bus.start_broker()
        start_worker(local_bus)
        assert client.result(task, timeout_s=30) == "slept 0.01"
        row = client.show_task(task)
        assert (row["state"], row["attempt"]) == ("done", 1)


def test_a_task_that_runs_when_the_broker_is_killed_is_left_to_its_worker(local_bus):
    start_worker(local_bus)
    with local_bus.client() as client:
        eventually(lambda: local_bus.stats()["workers"], within_s=60)
        task = client.post(**sleeps(2.5))
        eventually(lambda: local_bus.stats()["tasks"]["running"] == 1, within_s=30)
        local_bus.broker.kill()
        local_bus.broker.wait()
        local_bus.start_broker()
        other = start_worker(local_bus)
        assert client.result(task, timeout_s=30) == "slept 2.5"
        row = client.show_task(task)
        assert row["attempt"] == 1
        assert not row["worker"].endswith(f"/{other.pid}")


def test_a_task_whose_time_ended_while_no_broker_ran_has_expired_and_does_not_prevent_a_start(local_bus):
    with local_bus.client() as client:
        late = client.post(**sleeps(0.01), expires_s=0.5)
        other = client.post(**sleeps(0.01))
        posted = time.monotonic()
        local_bus.broker.kill()
        local_bus.broker.wait()
        eventually(lambda: time.monotonic() > posted + 0.6, within_s=5)
        local_bus.start_broker()
        with pytest.raises(BusError) as refused:
            client.result(late, timeout_s=10)
        assert refused.value.code == "EXPIRED"
        start_worker(local_bus)
        assert client.result(other, timeout_s=30) == "slept 0.01"


def test_an_unreadable_store_is_set_aside_and_reported_and_the_broker_starts(local_bus):
    local_bus.broker.kill()
    local_bus.broker.wait()
    (local_bus.home / "tasks.db").write_bytes(bytes(40_960))
    for end in ("-wal", "-shm"):
        (local_bus.home / f"tasks.db{end}").unlink(missing_ok=True)
    local_bus.start_broker()
    with local_bus.client() as client:
        client.post(**sleeps(0.01))
    assert local_bus.stats()["store"]["aside"] == ["tasks.db.aside-1"]
    assert (local_bus.home / "tasks.db.aside-1").stat().st_size == 40_960
    _, output = run_any(local_bus, "check")
    assert "tasks.db.aside-1" in output


def test_tasks_above_the_bound_of_bytes_are_refused_and_earlier_ones_are_read_when_there_is_room(local_bus):
    with local_bus.client() as client:
        large = {"seconds": 0.01, "data": bytes(60_000)}
        tasks = [client.post("sleepy", "sleep", large) for _ in range(5)]
        local_bus.broker.kill()
        local_bus.broker.wait()
        bounds = {"HULAK_BROKER__MAX_TASK_BYTES": 1 << 17, "HULAK_BROKER__MAX_MESSAGE_BYTES": 1 << 17}
        local_bus.start("-m", "hulak.bus", **bounds)
        eventually(lambda: local_bus.stats()["store"]["behind"], within_s=60)
        assert local_bus.stats()["tasks"]["queued"] == 2
        with pytest.raises(BusError) as refused:
            client.post("sleepy", "sleep", large, timeout_s=20)
        assert refused.value.code == "BUSY"
        start_worker(local_bus)
        assert {client.result(task, timeout_s=30) for task in tasks} == {"slept 0.01"}
        eventually(lambda: not local_bus.stats()["store"]["behind"], within_s=30)
        client.post("sleepy", "sleep", large)


def test_every_posted_task_ends_once_during_repeated_kills(local_bus):
    """100 tasks, 3 workers of which one is killed 6 times, the broker killed 4 times."""
    draw, stop = random.Random(5), threading.Event()
    workers = [start_worker(local_bus) for _ in range(3)]

    def storm():
        for kill in range(10):
            if stop.wait(draw.uniform(0.2, 0.5)):
                return
            if kill % 5 in (1, 3):
                local_bus.broker.kill()
                local_bus.broker.wait()
                local_bus.broker = local_bus.start("-m", "hulak.bus")
            else:
                victim = draw.randrange(3)
                workers[victim].kill()
                workers[victim].wait()
                workers[victim] = start_worker(local_bus)

    with local_bus.client() as client:
        killer = threading.Thread(target=storm)
        killer.start()
        tasks = [client.post(**sleeps(0.03), key=f"storm-{number}", retries=20, timeout_s=30) for number in range(100)]
        assert len(set(tasks)) == 100
        results = [client.result(task, timeout_s=60) for task in tasks]
        stop.set()
        killer.join(30)
        assert set(results) == {"slept 0.03"}
        again = [client.post(**sleeps(0.03), key=f"storm-{number}") for number in range(100)]
        assert again == tasks
        assert {row["state"] for row in client.list_tasks(limit=1000)} == {"done"}
        assert len(client.list_tasks(limit=1000)) == 100


def test_a_task_that_kills_its_workers_ends_among_the_dead_letters(local_bus):
    with local_bus.client() as client:
        task = client.post(**sleeps(60), retries=1)
        for _ in range(2):
            worker = start_worker(local_bus)
            eventually(lambda: local_bus.stats()["tasks"]["running"] == 1, within_s=60)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            eventually(lambda: local_bus.stats()["tasks"]["running"] == 0, within_s=30)
        with pytest.raises(TaskFailed, match="2 workers were lost with it") as failed:
            client.result(task, timeout_s=10)
        assert failed.value.code == "WORKER_LOST"
        [letter] = client.list_tasks(state="failed")
        assert bytes(letter["task"]).hex() == task


def test_a_cancelled_task_is_not_done_and_is_reported_so(local_bus):
    with local_bus.client() as client:
        task = client.post(**sleeps(0.01))
        assert client.cancel(task) == "cancelled"
        start_worker(local_bus)
        after = client.post(**sleeps(0.01))
        assert client.result(after, timeout_s=20) == "slept 0.01"
        assert client.cancel(after) == "done"
        with pytest.raises(BusError) as refused:
            client.result(task)
        assert refused.value.code == "CANCELLED"
        with pytest.raises(BusError) as unknown:
            client.result("00" * 16)
        assert unknown.value.code == "UNKNOWN_TASK"


def run_any(local_bus, *words):
    process = local_bus.hulak(*words, out=subprocess.PIPE)
    out, _ = process.communicate(timeout=30)
    return process, out.decode().strip()


def run(local_bus, *words, code=0):
    process, out = run_any(local_bus, *words)
    assert process.returncode == code, process.log.read_text()
    return out, process.log.read_text()


def test_the_commands_post_follow_and_manage_tasks(local_bus):
    start_worker(local_bus)
    assert run(local_bus, "task", "call", "sleepy", "sleep", "--arg", "seconds=0.01", "--json")[0] == '"slept 0.01"'
    task, _ = run(local_bus, "task", "post", "sleepy", "sleep", "--arg", "seconds=0.01", "--key", "k")
    assert run(local_bus, "task", "post", "sleepy", "sleep", "--arg", "seconds=0.01", "--key", "k")[0] == task
    assert run(local_bus, "task", "result", task, "--json")[0] == '"slept 0.01"'
    failing, _ = run(local_bus, "task", "post", "sleepy", "snore")
    _, error = run(local_bus, "task", "result", failing, code=1)
    assert "snore" in error
    assert json.loads(run(local_bus, "dead", "ls", "--json")[0])[0]["action"] == "snore"
    assert json.loads(run(local_bus, "dead", "show", failing, "--json")[0])["error"]["code"] == "UNKNOWN_ACTION"
    again, _ = run(local_bus, "dead", "retry", failing)
    assert again != failing
    eventually(lambda: len(json.loads(run(local_bus, "dead", "ls", "--json")[0])) == 2, within_s=30)
    assert "was deleted" in run(local_bus, "dead", "drop", failing)[0]
    run(local_bus, "dead", "drop", failing, code=1)
    states = {row["state"] for row in json.loads(run(local_bus, "task", "ls", "--json")[0])}
    assert states == {"done", "failed"}
    assert "is done" in run(local_bus, "task", "cancel", task)[0]
    _, error = run(local_bus, "task", "result", "nonsense", code=1)
    assert "32 hexadecimal digits" in error


def test_functions_of_a_user_are_served_with_parts_and_typed_errors(local_bus):
    (local_bus.home / "my_sums.py").write_text(
        "from hulak.bus.errors import TaskFailed\n"
        "from hulak.workers.tasks import task\n\n\n"
        "@task('sums', 'add')\ndef add(a, b):\n    return a + b\n\n\n"
        "@task('sums', 'count')\ndef count(to):\n    for number in range(1, to + 1):\n        yield number\n    return to\n\n\n"
        "@task('sums', 'never')\ndef never():\n    raise TaskFailed('NEVER', 'it cannot be done')\n"
    )
    local_bus.hulak("worker", "sums", "--module", "my_sums", PYTHONPATH=local_bus.home)
    with local_bus.client() as client:
        assert client.call("sums", "add", {"a": 1, "b": 2}, timeout_s=20) == 3
        parts = []
        assert client.call("sums", "count", {"to": 3}, on_part=parts.append) == 3
        assert parts == [1, 2, 3]
        for action, args, code in (("never", {}, "NEVER"), ("add", {"a": 1}, "BAD_ARGUMENT"), ("sub", {}, "UNKNOWN_ACTION")):
            with pytest.raises(TaskFailed) as failed:
                client.call("sums", action, args)
            assert failed.value.code == code

"""Many calls on one connection, to a real broker and real workers, blocking and in asyncio; also while the broker is killed."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.errors import BusError, BusTimeout, TaskFailed
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.workers.runtime.session import MOST_CREDIT

pytestmark = pytest.mark.system
MODULE = """
import pathlib
import time
from hulak.workers.tasks import task

@task("sums", "double")
def double(n):
    return 2 * n

@task("sums", "parts")
def parts(n):
    for number in range(n):
        yield number
    return n

@task("sums", "broken")
def broken():
    raise ValueError("broken")

@task("sums", "sleep")
def sleep(seconds):
    time.sleep(seconds)
    return seconds

@task("sums", "until")
def until(path):
    while path and not pathlib.Path(path).exists():
        time.sleep(0.01)
    return path
"""


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        (local_bus.home / "sums.py").write_text(MODULE)
        local_bus.start("-m", "hulak.workers", "sums", "--module", "sums", PYTHONPATH=f"{local_bus.home}:{Path.cwd()}")
        yield local_bus


@pytest.fixture
def client(local_bus):
    with local_bus.client() as client:
        yield client


def test_a_thousand_calls_are_under_way_at_a_time_and_each_gets_its_own_answer(client):
    futures = [client.submit("sums", "double", {"n": number}) for number in range(1000)]
    assert [future.result() for future in futures] == [2 * number for number in range(1000)]


def test_map_gives_results_in_order_and_stops_at_the_first_that_failed(client):
    assert list(client.map("sums", "double", ({"n": number} for number in range(500)), window=50)) == list(range(0, 1000, 2))
    results = client.map("sums", "double", [{"n": 1}, {"n": 2}, {"wrong": 1}, {"n": 3}])
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(TaskFailed):
        next(results)
    assert client.call("sums", "double", {"n": 4}) == 8


def test_map_takes_its_arguments_no_further_ahead_than_its_window(client):
    taken = []

    def args():
        for number in range(100):
            taken.append(number)
            yield {"n": number}

    results = client.map("sums", "double", args(), window=10)
    assert next(results) == 0
    assert len(taken) == 10
    results.close()


def test_parts_and_failures_go_to_their_call(client):
    first, second = [], []
    futures = [
        client.submit("sums", "parts", {"n": 3}, on_part=first.append),
        client.submit("sums", "broken"),
        client.submit("sums", "parts", {"n": 2}, on_part=second.append),
    ]
    assert futures[2].result() == 2
    assert (first, second) == ([0, 1, 2], [0, 1])
    assert futures[1].exception().code == "CRASHED"
    assert futures[0].result() == 3


def test_a_call_without_a_worker_expires_and_the_others_do_not_wait_for_it(client):
    late = client.submit("unserved", "at-all", timeout_s=0.2)
    assert client.call("sums", "double", {"n": 1}) == 2
    with pytest.raises(BusTimeout, match="service 'unserved' has no worker: none took the task"):
        late.result()


def test_the_result_of_a_short_task_does_not_wait_for_a_long_one_behind_it(client, tmp_path):
    list(client.map("sums", "double", ({"n": number} for number in range(200))))
    for number in range(2):
        end = tmp_path / str(number)  # the long one ends when it is there
        short, long = client.submit("sums", "double", {"n": number}), client.submit("sums", "until", {"path": str(end)})
        assert short.result() == 2 * number
        assert not long.done()
        end.touch()
        assert long.result() == str(end)
        list(client.map("sums", "until", [{"path": ""}] * 200))  # now it counts as short


def test_a_worker_of_short_tasks_is_soon_offered_many(local_bus, client):
    list(client.map("sums", "double", ({"n": number} for number in range(300))))
    assert eventually(lambda: local_bus.stats()["workers"][0]["credit"] == MOST_CREDIT, within_s=30)


def test_answers_are_received_by_poll(client):
    results = []
    for number in range(10):
        client.submit("sums", "double", {"n": number}).add_done_callback(lambda future: results.append(future.result()))
    ended = 0
    while ended < 10:
        ended += client.poll(5.0)
    assert sorted(results) == list(range(0, 20, 2))


def test_many_tasks_are_posted_and_each_is_done_once(client):
    ids = list(client.post_many("sums", "double", ({"n": number} for number in range(200)), window=50))
    assert len(set(ids)) == 200
    assert [client.result(task) for task in ids] == list(range(0, 400, 2))


def test_asyncio_has_the_same_calls(local_bus):
    async def go():
        results = []
        async with AsyncBusClient(local_bus.settings, local_bus.home) as client:
            assert await client.call("sums", "double", {"n": 21}) == 42
            calls = [client.submit("sums", "double", {"n": number}) for number in range(300)]
            assert await asyncio.gather(*calls) == list(range(0, 600, 2))
            assert [result async for result in client.map("sums", "double", ({"n": n} for n in range(50)), window=7)] == list(
                range(0, 100, 2)
            )
            assert await client.call("sums", "parts", {"n": 2}, on_part=results.append) == 2
            with pytest.raises(TaskFailed):
                await client.call("sums", "broken")
            with pytest.raises(BusTimeout):
                await client.call("nobody", timeout_s=0.1)
            task = await client.post("sums", "double", {"n": 5})
            assert await client.result(task) == 10
            assert await client.cancel(task) == "done"
            assert [result async for result in client.post_many("sums", "double", [{"n": 1}] * 3)]
            dead = await client.post("sums", "broken", retries=0)
            with pytest.raises(TaskFailed):
                await client.result(dead)
            (row,) = await client.list_tasks(state="failed", service="sums")
            assert (row["task"].hex(), row["attempt"]) == (dead, 1)
            assert "CRASHED" in row["trouble"]  # the list tells why, at the first attempt too
            again = await client.retry_task(dead)
            assert (await client.show_task(again, wait_s=5.0))["state"] == "failed"
            assert await client.drop_task(dead)
            assert not await client.drop_task(dead)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.call("sums", "sleep", {"seconds": 0.5}), 0.05)
            unfinished = client.submit("unserved")
        with pytest.raises(BusError) as closed:
            await unfinished
        assert (results, closed.value.code) == ([0, 1], "CLOSED")

    asyncio.run(go())


def test_calls_under_way_when_the_broker_is_killed_are_served_by_the_next_one():
    with LocalBus() as local_bus:
        broker = local_bus.start_broker()
        (local_bus.home / "sums.py").write_text(MODULE)
        local_bus.start("-m", "hulak.workers", "sums", "--module", "sums", PYTHONPATH=f"{local_bus.home}:{Path.cwd()}")

        async def go(wait_ready):
            async with AsyncBusClient(local_bus.settings, local_bus.home) as client:
                calls = [client.submit("sums", "double", {"n": number}) for number in range(50)]
                await asyncio.to_thread(wait_ready)
                return await asyncio.gather(*calls)

        with local_bus.client() as client:
            eventually(lambda: local_bus.stats()["workers"], within_s=60)
            slow = client.submit("sums", "sleep", {"seconds": 1.5})
            futures = [client.submit("sums", "double", {"n": number}) for number in range(50)]
            eventually(lambda: local_bus.stats()["tasks"]["running"], within_s=30)

            def kill():
                os.kill(broker.pid, signal.SIGKILL)
                broker.wait()
                local_bus.start_broker()

            assert asyncio.run(go(kill)) == list(range(0, 100, 2))
            assert [future.result(30) for future in futures] == list(range(0, 100, 2))
            assert slow.result(30) == 1.5

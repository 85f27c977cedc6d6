"""The times of tasks by service and action, and the age of the oldest queued task."""

import pytest
from dispatcher_fixture import RETRYABLE, A, B, DispatcherFixture

from hulak.bus.core.tasks import task_counts
from hulak.bus.core.tasks.action_times import LONGEST_NAME, MOST_ACTIONS, ActionTimes
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.histogram import TASK_BOUNDS
from hulak.bus.wire.messages import Ready, Request, Result

MANY = Policy(heartbeat_s=0.25, lease_s=1.5, soft_s=10.0, hard_s=20.0, timeout_s=60.0, max_timeout_s=600.0, retries=3)


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def row(times, action="do", service="nepse"):
    (only,) = [item for item in times.rows() if (item["service"], item["action"]) == (service, action)]
    return only


def ended(action, service="nepse", wait_s=0.0, **more):
    return CalledTask(A, b"c", service, action, {}, 0, 100.0 - wait_s, 160.0, started=100.0, attempt=1, **more)


def test_wait_and_run_are_counted_when_an_attempt_ends(dispatcher):
    dispatcher.request()
    dispatcher.now += 2.0
    dispatcher.ready()
    dispatcher.now += 0.5
    dispatcher.result()
    item = row(dispatcher.core.lifecycle.times)
    assert (item["wait_totals"]["count"], item["wait_totals"]["sum_us"]) == (1, 2e6)
    assert (item["run_totals"]["count"], item["run_totals"]["sum_us"]) == (1, 5e5)
    assert item["failed"] == 0
    assert next(bound for bound, below in zip(TASK_BOUNDS, item["wait_totals"]["le"], strict=True) if below) == 2.0**21
    assert next(bound for bound, below in zip(TASK_BOUNDS, item["run_totals"]["le"], strict=True) if below) == 2.0**19


def test_each_attempt_has_a_run_and_only_the_first_a_wait(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    dispatcher.result(value=RETRYABLE, done=False)
    dispatcher.pass_time(1.0, (b"w1", ()))
    dispatcher.result(attempt=2)
    item = row(dispatcher.core.lifecycle.times)
    assert (item["run_totals"]["count"], item["wait_totals"]["count"], item["failed"]) == (2, 1, 1)


def test_a_task_that_no_worker_took_has_waited_until_it_expired(dispatcher):
    dispatcher.request(timeout_ms=3000)
    dispatcher.pass_time(4.0)
    rows = dispatcher.core.lifecycle.times.rows()
    assert [(item["service"], item["wait_totals"]["sum_us"]) for item in rows] == [("other", 3e6)]


def test_bursts_are_counted_as_their_tasks_one_by_one():
    counts = []
    for together in (True, False):
        dispatcher = DispatcherFixture(MANY)
        core, ids = dispatcher.core, [number.to_bytes(16, "big") for number in range(6)]
        core.ready(100.0, b"w1", Ready("nepse", "w1", 6))
        for number, task_id in enumerate(ids):
            core.request(100.0 + number // 2, b"c", Request(task_id, "nepse", "ab"[number // 4], {}))
        results = [Result(task_id, 1, True, None) for task_id in ids]
        for burst in [results] if together else [[result] for result in results]:
            core.results(110.0, b"w1", burst)
        counts.append(core.lifecycle.times.rows())
    assert counts[0] == counts[1]
    assert [(item["action"], item["run_totals"]["count"], item["run_totals"]["sum_us"]) for item in counts[0]] == [
        ("a", 4, 38e6),
        ("b", 2, 16e6),
    ]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (127e-6, 0), (130e-6, 1), (2147.0, 24), (2148.0, None), (1e9, None)])
def test_a_time_counts_in_the_first_bucket_that_reaches_it(seconds, bucket):
    times = ActionTimes()
    times.done(100.0 + seconds, ended("a"))
    totals = row(times, "a")["run_totals"]
    assert totals["count"] == 1
    assert totals["le"] == [int(bucket is not None and at >= bucket) for at in range(len(TASK_BOUNDS))]


def test_actions_above_the_bound_are_counted_together():
    times = ActionTimes()
    for number in range(MOST_ACTIONS + 3):
        times.done(101.0, ended(f"a{number}"))
    times.done(101.0, ended("a1"))
    assert len(times.rows()) == MOST_ACTIONS + 1
    assert row(times, "a1")["run_totals"]["count"] == 2
    assert row(times, "other", "other")["run_totals"]["count"] == 3


@pytest.mark.parametrize(("action", "failure"), [("typo", "UNKNOWN_ACTION"), ("a" * (LONGEST_NAME + 1), None)])
def test_names_that_clients_invent_get_no_row(action, failure):
    """A client that asks for random actions would take all rows."""
    times = ActionTimes()
    (times.failed(101.0, ended(action), failure) if failure else times.done(101.0, ended(action)))
    assert [item["service"] for item in times.rows()] == ["other"]


def oldest(dispatcher):
    return task_counts.oldest(dispatcher.core.lifecycle, dispatcher.now)


def test_the_oldest_queued_task_of_each_service(dispatcher):
    assert oldest(dispatcher) == {}
    dispatcher.request(A)
    dispatcher.now += 3.0
    dispatcher.request(B, priority=0)
    dispatcher.now += 2.0
    assert oldest(dispatcher) == {"nepse": 5.0}
    dispatcher.ready()
    assert dispatcher.state(A).value == "queued"  # the urgent one went first
    assert oldest(dispatcher) == {"nepse": 5.0}
    dispatcher.result(B)
    assert oldest(dispatcher) == {}


def test_a_task_to_be_retried_and_a_suspect_count_from_their_acceptance(dispatcher):
    dispatcher.ready()
    dispatcher.request(A)
    dispatcher.now += 1.0
    dispatcher.lost()
    dispatcher.now += 1.0
    assert oldest(dispatcher) == {"nepse": 2.0}

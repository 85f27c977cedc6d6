"""A task's life, and its queue."""

import itertools

import pytest

from hulak.bus.core.tasks.task_queue import NEXT, CalledTask, TaskQueue, TaskState
from hulak.bus.wire.messages import Request


def task(number, service="nepse"):
    request = Request(number.to_bytes(16, "big"), service, "do", {"n": number})
    return CalledTask.of(b"client", request, now=100.0, timeout_s=5.0, retries=3)


def test_a_task_takes_over_its_request_and_the_time_its_caller_waits():
    made = task(7)
    assert (made.id, made.client, made.service, made.action, made.args) == (bytes(15) + b"\7", b"client", "nepse", "do", {"n": 7})
    assert (made.state, made.attempt, made.since, made.deadline, made.retries) == (TaskState.QUEUED, 0, 100.0, 105.0, 3)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(TaskState, TaskState)))
def test_a_task_goes_only_where_the_table_lets_it(before, after):
    made = task(1)
    made.state = before
    if after in NEXT[before]:
        made.become(after)
        assert made.state is after
    else:
        with pytest.raises(AssertionError, match=f"cannot go from {before.value} to {after.value}"):
            made.become(after)
        assert made.state is before


def test_nothing_leads_out_of_an_end_and_every_state_is_in_the_table():
    assert set(NEXT) == set(TaskState)
    assert [NEXT[end] for end in (TaskState.DONE, TaskState.FAILED, TaskState.EXPIRED)] == [set(), set(), set()]


def test_an_error_has_the_attempts_and_the_last_five_troubles_for_any_names_in_its_details():
    made = task(1)
    made.attempt, made.troubles = 7, [f"t{number}" for number in range(7)]
    error = made.error("NO", "it failed", {"code": 429, "attempts": "mine", "task": 1})
    assert (error.id, error.code, error.text) == (made.id, "NO", "it failed")
    assert error.details == {"code": 429, "task": 1, "attempts": 7, "troubles": ["t2", "t3", "t4", "t5", "t6"]}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (TaskState.QUEUED, "service 'nepse' has 2 workers, which were busy: none took the task within 5 s"),
        (TaskState.RUNNING, "not done within 5 s: worker w/1 is at attempt 2"),
        (TaskState.WAITING, "not done within 5 s, after 2 attempts: w/1: NO: it failed"),
    ],
)
def test_the_error_of_an_expired_task_describes_its_state(state, text):
    made = task(1)
    made.state, made.attempt, made.worker, made.troubles = state, 2, "w/1", ["w/1: NO: it failed"]
    assert made.why_expired(2) == text


# The queue


def filled(*tasks):
    queue = TaskQueue()
    for task in tasks:
        queue.add(task)
    return queue


def test_first_in_first_out_within_a_service():
    queue = filled(task(1), task(2, "other"), task(3))
    assert [queue.take("nepse").args["n"] for _ in range(2)] == [1, 3]
    assert queue.take("nepse") is None
    assert queue.services() == ["other"]


def test_a_task_to_be_tried_again_goes_first():
    queue = filled(task(1), task(2))
    queue.add(task(3), first=True)
    assert [queue.take("nepse").args["n"] for _ in range(3)] == [3, 1, 2]


def test_what_ends_while_it_waits_is_taken_out_and_leaves_nothing_behind():
    first, two = task(1), task(2)
    queue = filled(first, two)
    queue.remove(first)
    queue.remove(first)
    assert (len(queue), queue.take("nepse")) == (1, two)
    assert (len(queue), queue.services(), queue.by_service) == (0, [], {})


def test_a_task_waits_in_one_place_only():
    first, two = task(1), task(2)
    queue = filled(first, two)
    queue.add(first)
    assert [queue.take("nepse") for _ in range(3)] == [two, first, None]


def test_a_service_without_waiting_tasks_takes_no_memory():
    queue = filled()
    assert queue.take("nepse") is None
    queue.remove(task(1))
    assert len(queue) == 0


def test_urgent_tasks_go_before_others_that_came_up_to_ten_seconds_earlier_and_no_task_waits_without_end():
    came = []
    for number, (since, priority) in enumerate([(100.0, 2), (104.0, 1), (109.0, 0), (111.0, 0), (121.0, 0)]):
        item = task(number)
        item.since, item.priority = since, priority
        came.append(item)
    queue = filled(*came)
    retried = task(9)
    queue.add(retried, first=True)
    order = [queue.take("nepse").args["n"] for _ in range(6)]
    assert order == [9, 2, 3, 1, 0, 4]
    assert len(queue) == 0

"""Assignment of tasks, and answers to their callers; with plain numbers for time."""

import pytest
from dispatcher_fixture import RETRYABLE, A, B, DispatcherFixture, task

from hulak.bus.core.effects import ToWorker
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import BrokerHeartbeat, Error, HeldTask, Part, Ready, Reply, Retire, TaskPart


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


# Giving


def test_a_request_goes_to_a_ready_worker_at_once_and_its_answer_back(dispatcher):
    dispatcher.ready()
    assert dispatcher.request() == ([], [(b"w1", task(1))], [])
    assert dispatcher.result(value=5) == ([(b"c", Reply(A, 5))], [], [])
    assert (dispatcher.core.tasks, dispatcher.core.counters["done"], len(dispatcher.core.timers)) == ({}, 1, 1)


def test_a_request_waits_for_a_worker_of_its_service(dispatcher):
    assert dispatcher.request() == ([], [], [])
    assert dispatcher.ready(b"w2", service="other")[1] == []
    assert dispatcher.ready()[1] == [(b"w1", task(1))]


def test_a_registration_is_answered_before_anything_is_given(dispatcher):
    dispatcher.request()
    effects = dispatcher.core.ready(dispatcher.now, b"w1", Ready("nepse", "w1", 1))
    assert [effect.message for effect in effects if isinstance(effect, ToWorker)] == [BrokerHeartbeat(7, known=True), task(1)]


def test_a_worker_gets_no_more_than_it_offered_and_the_next_when_one_ends(dispatcher):
    dispatcher.ready()
    dispatcher.request(A)
    assert dispatcher.request(B)[1] == []
    assert dispatcher.result(A)[1] == [(b"w1", task(1, B))]


def test_a_heartbeat_never_makes_a_worker_ready(dispatcher):
    dispatcher.ready(credit=0)
    dispatcher.request()
    assert dispatcher.beat() == ([], [], [])
    assert dispatcher.ready(credit=1)[1] == [(b"w1", task(1))]


def test_parts_reach_the_caller_until_its_task_ends_or_expires(dispatcher):
    dispatcher.ready()
    dispatcher.request(timeout_ms=1000)
    part = TaskPart(A, 1, 1, "some")
    assert dispatcher.sort(dispatcher.core.part(dispatcher.now, b"w1", part))[0] == [(b"c", Part(A, 1, "some"))]
    assert dispatcher.core.part(dispatcher.now, b"w1", TaskPart(A, 2, 1, "another attempt's")) == []
    assert dispatcher.core.part(dispatcher.now, b"w9", part) == []
    dispatcher.pass_time(1.0, (b"w1", (HeldTask(A, 1),)))
    assert (dispatcher.state(), dispatcher.core.part(dispatcher.now, b"w1", part)) == (TaskState.EXPIRED, [])


# Callers


def test_a_repeated_id_joins_and_the_newest_caller_gets_the_answer(dispatcher):
    dispatcher.ready()
    dispatcher.request(client=b"old")
    assert dispatcher.request(client=b"new") == ([], [], [])
    assert dispatcher.result()[0] == [(b"new", Reply(A, None))]
    assert dispatcher.core.counters["accepted"] == 1


def test_a_full_queue_refuses_but_a_repeated_id_is_none_more(dispatcher):
    for number in range(3):
        dispatcher.request(bytes(15) + bytes([number]))
    with pytest.raises(ProtocolError, match="3 tasks wait or run") as caught:
        dispatcher.request(A)
    assert caught.value.code == "BUSY"
    assert dispatcher.request(bytes(16)) == ([], [], [])


def test_a_task_without_a_worker_expires_with_the_reason_and_leaves_the_queue(dispatcher):
    dispatcher.request(timeout_ms=2000)
    ((client, error),), _, _ = dispatcher.pass_time(2.0)
    assert (client, error.id, error.code) == (b"c", A, "EXPIRED")
    assert error.text == "service 'nepse' has no worker: none took the task within 2 s; see `hulak workers`"
    assert (dispatcher.core.tasks, len(dispatcher.core.queue), len(dispatcher.core.timers)) == ({}, 0, 1)


def test_a_running_task_that_expires_is_kept_until_its_worker_is_rid_of_it(dispatcher):
    dispatcher.ready()
    dispatcher.request(timeout_ms=2000)
    ((_, error),), _, _ = dispatcher.pass_time(2.0, (b"w1", (HeldTask(A, 1),)))
    assert error.text == "not done within 2 s: worker w1 is at attempt 1"
    assert dispatcher.request(B)[1] == []
    assert dispatcher.request(A)[0][0][1].code == "EXPIRED"
    assert dispatcher.result(A, value="too late")[:2] == ([], [(b"w1", task(1, B))])
    assert set(dispatcher.core.tasks) == {B}


# Failing


def test_a_retryable_failure_waits_and_is_tried_again_first(dispatcher):
    dispatcher.ready()
    dispatcher.request(A)
    dispatcher.request(B)
    assert dispatcher.result(A, done=False, value=RETRYABLE) == ([], [(b"w1", task(1, B))], ["task retried"])
    assert dispatcher.state(A) is TaskState.WAITING
    dispatcher.pass_time(0.25, (b"w1", (HeldTask(B, 1),)))
    assert dispatcher.result(B)[1] == [(b"w1", task(2, A))]


def test_a_failure_that_asks_for_a_wait_gets_it(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    dispatcher.result(done=False, value={**RETRYABLE, "retry_after_ms": 3000})
    assert dispatcher.pass_time(2.75, (b"w1", ()))[1] == []
    assert dispatcher.pass_time(0.25, (b"w1", ()))[1] == [(b"w1", task(2))]


def test_a_final_failure_ends_the_task_with_the_workers_error(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    failure = {"code": "UNAUTHORIZED", "text": "no token", "details": {"code": 401, "text": "x", "task": 1, 5: 6}}
    ((_, error),), _, _ = dispatcher.result(done=False, value=failure)
    assert (error.code, error.text) == ("UNAUTHORIZED", "no token")
    troubles = ["w1: UNAUTHORIZED: no token"]
    assert error.details == {"code": 401, "text": "x", "task": 1, "attempts": 1, "troubles": troubles}
    assert (dispatcher.core.tasks, dispatcher.core.counters["failed"]) == ({}, 1)


def test_the_last_retryable_failure_ends_the_task(dispatcher):
    dispatcher.ready()
    dispatcher.request(retries=1)
    dispatcher.result(done=False, value=RETRYABLE)
    dispatcher.pass_time(0.5, (b"w1", ()))
    ((_, error),), _, _ = dispatcher.result(attempt=2, done=False, value=RETRYABLE)
    assert (error.code, error.details["attempts"]) == ("BLOCKED", 2)


# Retiring


def test_a_retiring_worker_gets_nothing_more_and_ends_what_it_holds(dispatcher):
    dispatcher.ready()
    dispatcher.request(A)
    effects = dispatcher.core.retire("w1", "an operator asked for it")
    assert dispatcher.sort(effects) == ([], [(b"w1", Retire("an operator asked for it"))], ["worker retired"])
    dispatcher.request(B)
    assert dispatcher.result(A) == ([(b"c", Reply(A, None))], [], [])
    assert dispatcher.state(B) is TaskState.QUEUED
    assert dispatcher.core.retire("unknown", "") == []


def test_a_worker_that_missed_its_retirement_is_asked_again_when_it_comes_back(dispatcher):
    dispatcher.ready()
    dispatcher.core.retire("w1", "an operator asked for it")
    assert [type(message) for _, message in dispatcher.ready(b"new", name="w1")[1]] == [Retire]
    assert dispatcher.ready(b"new", name="w1", credit=0)[1] == []


# Books


def test_expired_requests_for_a_service_without_workers_leave_no_state(dispatcher):
    for number in range(1000):
        dispatcher.request(number.to_bytes(16, "big"), service=f"s{number}", timeout_ms=100)
        dispatcher.pass_time(0.25)
    assert (dispatcher.core.tasks, dispatcher.core.queue.by_service, len(dispatcher.core.timers)) == ({}, {}, 1)
    assert len(dispatcher.core.timers._heap) <= 66


def test_every_worker_gets_the_brokers_epoch_in_each_heartbeat(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.ready(b"w2")
    dispatcher.now += 0.25
    beats = dispatcher.core.advance(dispatcher.now)
    assert beats == [ToWorker(name, BrokerHeartbeat(7, known=True)) for name in (b"w1", b"w2")]
    assert dispatcher.core.timers.next() == dispatcher.now + 0.25


def test_an_error_of_a_dispatcher_can_always_be_sent(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    ((_, error),), _, _ = dispatcher.result(done=False, value={"code": b"\xff", "text": None, "details": {b"k": 1}})
    assert (type(error), error.code, error.text) == (Error, "b'\\xff'", "the worker gave no reason")

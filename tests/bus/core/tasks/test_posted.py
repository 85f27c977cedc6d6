"""Arguments of posts, and posted tasks in the dispatcher; with plain numbers for time."""

import math

import pytest
from dispatcher_fixture import POLICY, DispatcherFixture
from request_arguments import arguments

from hulak.bus.core.effects import Begun, Delayed, Ended, Run, ToWorker
from hulak.bus.core.tasks.posted import Posting, posting_of
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.wire.messages import Error, HeldTask, Ready, Reply, Result, WorkerHeartbeat

ID = bytes(range(16))
RETRYABLE = {"code": "RATE_LIMITED", "text": "429", "retryable": True}


def posting(**changed):
    fields = {"id": ID, "key": None, "service": "nepse", "action": "x", "args": b"\x80", "retries": 1, "expires_s": math.inf}
    return Posting(**{**fields, **changed})


def stored(effects):
    return [effect for effect in effects if isinstance(effect, Begun | Delayed | Ended)]


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


def ready(dispatcher, name=b"w", held=()):
    return dispatcher.core.ready(dispatcher.now, name, Ready("nepse", name.decode(), 1, held))


def test_a_posting_is_made_with_its_defaults():
    made = posting_of(ID, arguments("hulak.post", service="nepse"), POLICY)
    assert made == Posting(ID, None, "nepse", "", b"\x80", POLICY.retries, math.inf)


def test_a_posting_is_made_as_it_was_asked_for():
    sent = {"key": "k", "retries": 0, "expires_s": 5, "priority": 2}
    made = posting_of(ID, arguments("hulak.post", service="s", action="a", args={"n": 1}, **sent), POLICY)
    assert made == Posting(ID, "k", "s", "a", b"\x81\xa1n\x01", 0, 5.0, 2)


def test_a_posted_task_stores_its_start_and_its_end_instead_of_answering_a_client(dispatcher):
    ready(dispatcher)
    given, begun = dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    assert isinstance(given, ToWorker)
    assert begun == Begun(ID, 1, "w")
    effects = dispatcher.core.result(dispatcher.now, b"w", Result(ID, 1, True, 5))
    assert effects == [Ended(ID, "done", 1, Reply(ID, 5), "w", (Run(1, "w", 0.0, 0.0),))]
    assert dispatcher.core.tasks == {}


def test_a_posted_task_never_expires_without_a_limit(dispatcher):
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    dispatcher.core.accept(dispatcher.now, [posting(id=bytes(16), expires_s=5.0).task(dispatcher.now)])
    effects = dispatcher.core.advance(dispatcher.now + 1e6)
    assert [(effect.task, effect.state) for effect in stored(effects)] == [(bytes(16), "expired")]
    assert list(dispatcher.core.tasks) == [ID]


def test_its_retries_are_noted_with_their_delay_and_its_last_failure_as_the_end(dispatcher):
    ready(dispatcher)
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    effects = dispatcher.core.result(dispatcher.now, b"w", Result(ID, 1, False, RETRYABLE))
    [noted] = stored(effects)
    assert (noted.task, noted.attempt, noted.in_s) == (ID, 1, 0.25)
    dispatcher.now += 1.0
    effects = dispatcher.core.advance(dispatcher.now)
    assert stored(effects) == [Begun(ID, 2, "w")]
    [end] = stored(dispatcher.core.result(dispatcher.now, b"w", Result(ID, 2, False, RETRYABLE)))
    assert (end.state, end.attempt, end.message.code) == ("failed", 2, "RATE_LIMITED")


def test_a_lost_worker_is_noted_as_a_retry_and_the_last_one_as_the_end(dispatcher):
    ready(dispatcher, b"a")
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    assert [type(effect) for effect in stored(dispatcher.core.lost(dispatcher.now, b"a", "gone"))] == [Delayed]
    ready(dispatcher, b"b")
    [end] = stored(dispatcher.core.lost(dispatcher.now, b"b", "gone"))
    assert (end.state, end.message.code) == ("failed", "WORKER_LOST")


@pytest.mark.parametrize("given", [False, True])
def test_a_cancelled_task_ends_once_and_a_worker_that_is_at_it_brings_a_late_result(dispatcher, given):
    if given:
        ready(dispatcher)
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    [end] = dispatcher.core.cancel(ID)
    assert (end.state, end.message.code) == ("cancelled", "CANCELLED")
    assert dispatcher.core.cancel(ID) == []
    if given:
        assert stored(dispatcher.core.result(dispatcher.now, b"w", Result(ID, 1, True, 5))) == []
    assert dispatcher.core.tasks == {}


def test_a_restored_task_stays_with_the_worker_that_still_runs_it(dispatcher):
    task = posting().task(dispatcher.now)
    task.attempt = 1
    dispatcher.core.restore(dispatcher.now, task, in_s=1.5)
    ready(dispatcher, b"other")
    assert dispatcher.core.tasks[ID].state is TaskState.WAITING
    effects = ready(dispatcher, b"w", held=(HeldTask(ID, 1),))
    assert stored(effects) == [Begun(ID, 1, "w")]
    assert [type(effect.message).__name__ for effect in effects if isinstance(effect, ToWorker)] == ["BrokerHeartbeat"]
    [end] = stored(dispatcher.core.result(dispatcher.now, b"w", Result(ID, 1, True, 5)))
    assert end.state == "done"


def test_a_restored_task_that_no_worker_names_goes_to_another_with_its_next_attempt(dispatcher):
    task = posting().task(dispatcher.now)
    task.attempt = 1
    dispatcher.core.restore(dispatcher.now, task, in_s=1.5)
    ready(dispatcher, b"other")
    assert stored(dispatcher.core.advance(dispatcher.now + 1.4)) == []
    dispatcher.core.heartbeat(dispatcher.now + 1.4, b"other", WorkerHeartbeat())
    assert stored(dispatcher.core.advance(dispatcher.now + 1.6)) == [Begun(ID, 2, "other")]


def test_an_error_is_not_made_for_a_client_that_is_none(dispatcher):
    dispatcher.core.accept(dispatcher.now, [posting(expires_s=1.0).task(dispatcher.now)])
    effects = dispatcher.core.advance(dispatcher.now + 2.0)
    [end] = stored(effects)
    assert isinstance(end.message, Error)
    assert not any(type(effect).__name__ == "ToClient" for effect in effects)


def test_tasks_that_are_accepted_together_have_the_effects_of_one_after_the_other(dispatcher):
    dispatcher.core.ready(dispatcher.now, b"w", Ready("nepse", "w", 3))
    ids = [bytes([number]) * 16 for number in range(1, 6)]
    known = posting(id=ids[0])
    dispatcher.core.accept(dispatcher.now, [known.task(dispatcher.now)])
    tasks = [posting(id=task).task(dispatcher.now) for task in ids]
    effects = dispatcher.core.accept(dispatcher.now, tasks)
    assert [(effect.task, effect.state, effect.message.code) for effect in effects if isinstance(effect, Ended)] == [
        (ids[0], "failed", "BAD_ID")
    ]
    [given] = [effect for effect in effects if isinstance(effect, ToWorker)]
    assert [task.id for task in given.message] == ids[1:3]
    assert [effect for effect in effects if isinstance(effect, Begun)] == [Begun(task, 1, "w") for task in ids[1:3]]
    assert [task.id for task in dispatcher.core.queue] == ids[3:]

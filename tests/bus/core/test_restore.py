"""Tasks of a previous run of the broker: each continues or ends, from any state; and the bound on all tasks' arguments."""

import math
from collections import Counter

import msgspec
import pytest
from dispatcher_fixture import POLICY, DispatcherFixture
from msgspec.structs import replace
from walk_events import check_books, check_census

from hulak.bus.core.effects import Begun, Ended, ToClient, ToWorker
from hulak.bus.core.tasks import task_counts
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, mdp
from hulak.bus.wire.codec import decode_to_worker, encode, pack
from hulak.bus.wire.fast_encode import encode_own
from hulak.bus.wire.messages import Error, HeldTask, Ready, Request, Result, Task, TaskPart

RETRYABLE = {"code": "X", "text": "x", "retryable": True}


def posting(number=1, **changed):
    fields = {"key": None, "service": "nepse", "action": "x", "args": {"n": number}, "retries": 1, "expires_s": math.inf}
    fields |= changed
    return Posting(number.to_bytes(16), **{**fields, "args": pack(fields["args"])})


def left(dispatcher, number=1, attempt=0, troubles=(), **how):
    task = posting(number, **how).task(dispatcher.now)
    task.attempt, task.troubles = attempt, list(troubles)
    return task


@pytest.fixture
def dispatcher():
    return DispatcherFixture(replace(POLICY, max_tasks=1000, max_task_bytes=10_000))


def ready(dispatcher, name=b"w", held=(), credit=1):
    return dispatcher.core.ready(dispatcher.now, name, Ready("nepse", name.decode(), credit, held))


def ends(effects):
    return [(int.from_bytes(effect.task), effect.state) for effect in effects if isinstance(effect, Ended)]


@pytest.mark.parametrize("straying", [False, True])
@pytest.mark.parametrize("in_s", [0.0, 1.5, 86_400.0])
@pytest.mark.parametrize("troubles", [(), ("w: X: x",)])
@pytest.mark.parametrize("attempt", [0, 1, 2, 30])
@pytest.mark.parametrize("expires_s", [-1e9, -5.0, 0.0, 1.0, math.inf])
def test_whatever_a_task_was_in_it_is_restored_and_comes_to_its_end_once(
    dispatcher, expires_s, attempt, troubles, in_s, straying
):
    if straying:
        ready(dispatcher, b"s", (HeldTask(bytes(16), 7),))
    effects = dispatcher.core.restore(
        dispatcher.now, left(dispatcher, attempt=attempt, troubles=troubles, expires_s=expires_s), in_s
    )
    assert (ends(effects) == [(1, "expired")]) == (expires_s <= 0)
    for passed_s in (0.0, 0.5, 2.0, 90_000.0):
        dispatcher.now += passed_s
        effects += dispatcher.core.advance(dispatcher.now)
        states = Counter(task.state for task in dispatcher.core.tasks.values())
        assert task_counts.totals(dispatcher.core.lifecycle, dispatcher.core.roster) == {
            state.value: states[state] for state in (TaskState.QUEUED, TaskState.WAITING, TaskState.RUNNING)
        }
        effects += ready(dispatcher, b"%d" % passed_s)
        for worker in list(dispatcher.core.roster):
            for task, number in list(worker.held.items()):
                effects += dispatcher.core.result(dispatcher.now, worker.identity, Result(task, number, True, 5))
    assert ends(effects) in ([(1, "expired")], [(1, "done")])
    assert (dispatcher.core.tasks, dispatcher.core.size, dispatcher.core.lifecycle.waiting, len(dispatcher.core.queue)) == (
        {},
        0,
        {},
        0,
    )


@pytest.mark.parametrize(
    ("attempt", "troubles", "text"),
    [
        (0, (), "service 'nepse' has no worker: none took the task within 0 s"),
        (2, (), "after 2 attempts: the last one has no result"),
        (2, ("w: X: x",), "after 2 attempts: w: X: x"),
    ],
)
def test_the_error_of_an_expired_task_names_the_reason(dispatcher, attempt, troubles, text):
    [end] = dispatcher.core.restore(dispatcher.now, left(dispatcher, attempt=attempt, troubles=troubles, expires_s=-1.0), 0.0)
    assert text in end.message.text


def test_tasks_that_were_never_begun_keep_their_order_and_priority_over_a_restart(dispatcher):
    for number, priority in ((1, 2), (2, 1), (3, 1), (4, 0)):
        dispatcher.core.restore(dispatcher.now, left(dispatcher, number, priority=priority), 0.0)
    assert [
        effect
        for effect in ready(dispatcher, credit=4)
        if isinstance(effect, ToWorker) and isinstance(effect.message, Task | list)
    ] == []
    dispatcher.now = dispatcher.core.settled_at
    given = [
        message
        for effect in dispatcher.core.advance(dispatcher.now)
        if isinstance(effect, ToWorker) and isinstance(effect.message, list)
        for message in effect.message
    ]
    assert [int.from_bytes(task.id) for task in given] == [4, 2, 3, 1]


def test_a_task_that_comes_late_is_left_to_the_worker_that_is_at_it(dispatcher):
    ready(dispatcher, b"w", (HeldTask((1).to_bytes(16), 2),))
    effects = dispatcher.core.restore(dispatcher.now, left(dispatcher, attempt=2), 1.5)
    assert effects == [Begun((1).to_bytes(16), 2, "w")]
    assert ends(dispatcher.core.result(dispatcher.now, b"w", Result((1).to_bytes(16), 2, True, 5))) == [(1, "done")]


def test_a_queued_task_is_left_to_the_worker_that_has_begun_it(dispatcher):
    dispatcher.core.restore(dispatcher.now, left(dispatcher), 0.0)
    given = ready(dispatcher, b"idle")
    assert not [effect for effect in given if isinstance(effect, ToWorker) and isinstance(effect.message, Task)]
    adopted = ready(dispatcher, b"w", (HeldTask((1).to_bytes(16), 1),))
    assert Begun((1).to_bytes(16), 1, "w") in adopted
    assert ends(dispatcher.core.result(dispatcher.now, b"w", Result((1).to_bytes(16), 1, True, 5))) == [(1, "done")]
    check_census(dispatcher.core)


def test_a_worker_of_another_service_does_not_get_a_task_by_naming_it(dispatcher):
    dispatcher.core.restore(dispatcher.now, left(dispatcher, service="fx"), 0.0)
    ready(dispatcher, b"w", (HeldTask((1).to_bytes(16), 1),))
    assert dispatcher.core.tasks[(1).to_bytes(16)].state is TaskState.QUEUED
    check_books(dispatcher.core)
    check_census(dispatcher.core)


def test_parts_of_a_posted_task_are_dropped(dispatcher):
    ready(dispatcher)
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    assert dispatcher.core.part(dispatcher.now, b"w", TaskPart((1).to_bytes(16), 1, 1, "some")) == []


def test_an_id_cannot_be_that_of_a_call_and_of_a_posted_task(dispatcher):
    dispatcher.core.accept(dispatcher.now, [posting(1).task(dispatcher.now)])
    with pytest.raises(ProtocolError, match="posted task") as refused:
        dispatcher.core.request(dispatcher.now, b"c", Request((1).to_bytes(16), "nepse", "x"))
    assert refused.value.code == "BAD_ID"
    dispatcher.core.request(dispatcher.now, b"c", Request((2).to_bytes(16), "nepse", "x"))
    [end] = dispatcher.core.accept(dispatcher.now, [posting(2).task(dispatcher.now)])
    assert (end.state, end.message.code, dispatcher.core.tasks[(2).to_bytes(16)].posted) == ("failed", "BAD_ID", False)
    assert dispatcher.core.restore(dispatcher.now, posting(2).task(dispatcher.now), 0.0) == []


def test_a_worker_may_put_a_retry_off_by_a_day_and_no_longer(dispatcher):
    ready(dispatcher)
    dispatcher.core.accept(dispatcher.now, [posting().task(dispatcher.now)])
    failure = {**RETRYABLE, "retry_after_ms": 10**16}
    effects = dispatcher.core.result(dispatcher.now, b"w", Result((1).to_bytes(16), 1, False, failure))
    assert [effect.in_s for effect in effects if hasattr(effect, "in_s")] == [86_400.0]


# Bytes


def large(dispatcher, number, size, client=b"c", **options):
    """A call that came in a frame of `size` bytes."""
    request = Request(number.to_bytes(16), "nepse", "x", {"n": number}, options)
    return [
        effect.message
        for effect in dispatcher.core.requests(dispatcher.now, client, [request], size)
        if isinstance(effect, ToClient)
    ]


def test_calls_in_large_frames_and_posted_tasks_share_the_room_there_is(dispatcher):
    assert large(dispatcher, 1, 6000) == []
    dispatcher.core.accept(dispatcher.now, [posting(2, args={"data": bytes(3000)}).task(dispatcher.now)])
    [refused] = large(dispatcher, 3, 5000)
    assert (refused.code, refused.details) == ("BUSY", {"retry_after_ms": 1000})
    assert "max_task_bytes" in refused.text
    assert large(dispatcher, 1, 6000) == []  # repeated, it is there already
    small = [Request((4).to_bytes(16), "nepse", "x", {}, {})]
    assert dispatcher.core.requests(dispatcher.now, b"c", small) == []
    check_books(dispatcher.core)
    check_census(dispatcher.core)
    ready(dispatcher, credit=4)
    for number in (1, 2, 4):
        dispatcher.core.result(dispatcher.now, b"w", Result(number.to_bytes(16), 1, True, 5))
    assert (dispatcher.core.size, dispatcher.core.tasks) == (0, {})
    assert large(dispatcher, 3, 5000) == []


def test_of_several_in_one_large_frame_each_counts_for_its_share(dispatcher):
    requests = [Request(number.to_bytes(16), "nepse", "x") for number in range(1, 4)]
    effects = dispatcher.core.requests(dispatcher.now, b"c", requests, 18_000)
    assert [effect.message.code for effect in effects if isinstance(effect, ToClient)] == ["BUSY", "BUSY"]
    assert (dispatcher.core.size, dispatcher.core.refused) == (6000, 2)


def test_a_large_call_gives_its_room_back_however_it_ends(dispatcher):
    ready(dispatcher)
    large(dispatcher, 1, 4000, timeout_ms=1000)
    assert dispatcher.core.results(dispatcher.now, b"w", [Result((1).to_bytes(16), 1, True, 5)])
    assert dispatcher.core.size == 0
    large(dispatcher, 2, 4000, timeout_ms=1000)
    dispatcher.pass_time(1.25, (b"w", (HeldTask((2).to_bytes(16), 1),)))
    task = dispatcher.core.tasks[(2).to_bytes(16)]
    assert (task.state, task.args, dispatcher.core.size) == (TaskState.EXPIRED, {}, 0)  # its worker is still at it
    assert task_counts.totals(dispatcher.core.lifecycle, dispatcher.core.roster) == {"queued": 0, "waiting": 0, "running": 0}
    dispatcher.core.result(dispatcher.now, b"w", Result((2).to_bytes(16), 1, True, 5))
    check_books(dispatcher.core)
    check_census(dispatcher.core)
    assert dispatcher.core.tasks == {}


# Packed arguments reach workers of both dialects, however they are encoded


def test_packed_arguments_are_written_as_they_are():
    args = {"a": [1, 2.5, "x", b"y", None]}
    plain, packed = (Task(bytes(16), 1, "do", arguments, 1, 2) for arguments in (args, msgspec.Raw(pack(args))))
    assert encode_own(packed) == encode(packed) == encode_own(plain)
    assert batch_frames.encode([packed, packed]) == batch_frames.encode([plain, plain])
    assert decode_to_worker(encode(packed)) == plain
    assert mdp.write_task("do", packed.args) == mdp.write_task("do", args)
    assert mdp.write_task("", msgspec.Raw(pack({"body": [b"1"]}))) == [b"1"]
    with pytest.raises(TypeError, match="object cannot be packed"):
        encode(Error(None, "X", "x", {"a": object()}))

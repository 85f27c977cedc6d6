"""Tasks whose worker dies, falls silent, exceeds its limit or comes back; with plain numbers for time."""

import pytest
from dispatcher_fixture import A, B, DispatcherFixture, task

from hulak.bus.core.effects import ToWorker
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.wire.messages import BrokerHeartbeat, Goodbye, HeldTask, Ready, Reply, Result, Retire, TaskPart, WorkerHeartbeat


@pytest.fixture
def dispatcher():
    return DispatcherFixture()


# Losing


def test_a_lost_workers_task_goes_to_another_at_once(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    assert dispatcher.lost(b"w1") == ([], [(b"w2", task(2))], ["worker lost", "task requeued"])
    assert dispatcher.lost(b"w1") == ([], [], [])
    assert dispatcher.core.counters["lost_workers"] == 1


def test_a_task_that_kills_its_workers_ends_after_its_last_attempt(dispatcher):
    dispatcher.request(retries=1)
    dispatcher.ready(b"w1")
    dispatcher.lost(b"w1")
    dispatcher.ready(b"w2")
    ((_, error),), _, _ = dispatcher.lost(b"w2")
    assert (error.code, error.details["attempts"]) == ("WORKER_LOST", 2)
    assert error.text.startswith("2 workers were lost with it, the last one (w2)")


def test_a_goodbye_returns_the_held_tasks_and_is_no_loss(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    effects = dispatcher.core.goodbye(dispatcher.now, b"w1", Goodbye("stopped"))
    assert dispatcher.sort(effects)[1] == [(b"w2", task(2))]
    assert dispatcher.core.counters["lost_workers"] == 0


def test_a_silent_worker_is_lost_when_its_lease_is_over_and_not_before(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    assert dispatcher.pass_time(1.5)[2] == []
    assert dispatcher.pass_time(0.25)[2] == ["worker lost", "task requeued"]
    assert len(dispatcher.core.roster) == 0


def test_a_worker_may_register_with_a_separate_lease_which_every_message_renews(dispatcher):
    dispatcher.core.ready(dispatcher.now, b"slow", Ready("nepse", "slow", 1), 7.5)
    assert dispatcher.pass_time(7.5)[2] == []
    dispatcher.beat(b"slow")
    assert dispatcher.pass_time(7.5)[2] == []
    assert dispatcher.pass_time(0.25)[2] == ["worker lost"]


@pytest.mark.parametrize("sign", ["heartbeat", "result", "part"])
def test_any_message_renews_a_lease(dispatcher, sign):
    dispatcher.ready()
    dispatcher.request()
    dispatcher.pass_time(1.5)
    if sign == "heartbeat":
        dispatcher.beat(b"w1", HeldTask(A, 1))
    elif sign == "result":
        dispatcher.result()
    else:
        dispatcher.core.part(dispatcher.now, b"w1", TaskPart(A, 1, 1, None))
    assert dispatcher.pass_time(1.5)[2] == []


def test_at_the_hard_limit_the_attempt_is_given_up_and_its_worker_is_retired(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    _, workers, notes = dispatcher.pass_time(20.0, (b"w1", (HeldTask(A, 1),)))
    assert [(identity, type(message)) for identity, message in workers] == [(b"w1", Retire)]
    assert (notes, dispatcher.state()) == (["worker lost", "task requeued"], TaskState.QUEUED)


def test_the_hard_limit_of_one_attempt_does_not_hit_the_next(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    dispatcher.now += 19.9
    dispatcher.beat(b"w2")
    dispatcher.now += 0.1  # a broker that was frozen: the lease of w1 and the hard limit come at once
    clients, workers, _ = dispatcher.sort(dispatcher.core.advance(dispatcher.now))
    assert (clients, workers, dispatcher.core.roster.named("w2").held) == ([], [(b"w2", task(2))], {A: 2})


def test_each_task_that_a_worker_holds_has_a_separate_hard_limit(dispatcher):
    dispatcher.ready(credit=2)
    dispatcher.request(A)
    dispatcher.pass_time(10.0, (b"w1", (HeldTask(A, 1),)))
    dispatcher.request(B)
    dispatcher.result(A)
    both = (b"w1", (HeldTask(B, 1),))
    assert dispatcher.pass_time(19.75, both)[2] == []
    assert dispatcher.pass_time(0.25, both)[2] == ["worker lost", "task requeued"]
    dispatcher.ready(b"w2")
    dispatcher.result(B, 2, identity=b"w2")
    assert len(dispatcher.core.timers) == 1


def test_a_task_that_never_reached_its_worker_is_given_again(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    assert dispatcher.pass_time(1.75, (b"w1", ()))[1] == []
    assert dispatcher.pass_time(0.25, (b"w1", ()))[1] == [(b"w1", task(2))]
    assert dispatcher.pass_time(1.75, (b"w1", ()))[1] == []


def test_heartbeats_from_before_a_broker_froze_prove_nothing(dispatcher):
    dispatcher.ready()
    dispatcher.request()
    dispatcher.now += 10.0
    assert [dispatcher.beat(b"w1") for _ in range(40)] == [([], [], [])] * 40
    assert dispatcher.core.roster.named("w1").held == {A: 1}


# Coming back


def test_an_unknown_worker_is_asked_to_register(dispatcher):
    wanted = [ToWorker(b"w1", BrokerHeartbeat(7, known=False))]
    assert dispatcher.core.heartbeat(dispatcher.now, b"w1", WorkerHeartbeat()) == wanted
    assert dispatcher.core.result(dispatcher.now, b"w1", Result(A, 1, True, None)) == wanted


def test_a_worker_that_comes_back_goes_on_with_what_it_holds(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    assert dispatcher.ready(b"new", name="w1", held=(HeldTask(A, 1),)) == ([], [], [])
    assert (len(dispatcher.core.roster), dispatcher.core.roster.named("w1").identity) == (1, b"new")
    assert dispatcher.result(A, 1, 5, b"new")[0] == [(b"c", Reply(A, 5))]


def test_a_worker_that_comes_back_without_its_task_over_another_connection_has_lost_it(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    assert dispatcher.ready(b"new", name="w1")[1] == [(b"new", task(2))]


def test_a_task_on_its_way_is_not_lost_because_a_registration_was_sent_twice(dispatcher):
    dispatcher.ready()
    dispatcher.request(retries=0)
    assert dispatcher.ready() == ([], [], [])
    assert dispatcher.result(value=5)[0] == [(b"c", Reply(A, 5))]


def test_a_leaving_workers_unbegun_tasks_go_to_others_at_once(dispatcher):
    dispatcher.ready(b"w1", credit=2)
    dispatcher.request(A)
    dispatcher.request(B)
    dispatcher.ready(b"w2")
    assert dispatcher.ready(b"w1", credit=0, held=(HeldTask(A, 1),))[1] == [(b"w2", task(1, B))]


def test_after_a_restart_a_repeated_request_joins_the_attempt_that_still_runs(dispatcher):
    dispatcher.request()
    assert dispatcher.ready(held=(HeldTask(A, 3),)) == ([], [], ["worker registered"])
    assert (dispatcher.state(), dispatcher.core.tasks[A].attempt, len(dispatcher.core.queue)) == (TaskState.RUNNING, 3, 0)
    assert dispatcher.result(A, 3, "done")[0] == [(b"c", Reply(A, "done"))]


def test_what_was_given_up_uses_a_workers_credit_until_it_is_rid_of_it(dispatcher):
    dispatcher.request()
    dispatcher.ready(held=(HeldTask(B, 1),))
    assert dispatcher.state() is TaskState.QUEUED
    assert dispatcher.beat(b"w1", HeldTask(B, 1)) == ([], [], [])
    assert dispatcher.result(B, 1, "unasked") == ([], [(b"w1", task(1))], [])
    assert dispatcher.core.counters["late"] == 1


def test_the_late_result_of_an_attempt_that_was_given_up_is_dropped(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    dispatcher.ready(b"w2")
    dispatcher.lost(b"w1")
    dispatcher.ready(b"w1", held=(HeldTask(A, 1),))
    assert dispatcher.result(A, 1, "late", b"w1")[0] == []
    assert dispatcher.result(A, 2, "in time", b"w2")[0] == [(b"c", Reply(A, "in time"))]
    assert dispatcher.result(A, 2, "again", b"w2")[0] == []


def test_a_worker_that_comes_for_another_service_or_under_anothers_identity_replaces_it(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.request()
    assert dispatcher.ready(b"w1", service="other")[2] == ["worker lost", "task requeued", "worker registered"]
    assert dispatcher.ready(b"w1", name="stranger")[2] == ["worker lost", "worker registered"]
    assert [worker.name for worker in dispatcher.core.roster] == ["stranger"]


def test_a_task_that_a_worker_was_at_before_the_broker_was_restarted_is_joined_when_its_caller_repeats_it(dispatcher):
    dispatcher.ready(b"w1", held=(HeldTask(A, 2),))
    assert dispatcher.request() == ([], [], [])
    assert dispatcher.result(attempt=2, value=5)[0] == [(b"c", Reply(A, 5))]


# Cooling down


def test_a_service_that_cools_down_gets_no_task_even_if_workers_are_free(dispatcher):
    dispatcher.ready(b"w1")
    dispatcher.ready(b"w2")
    dispatcher.request(A, retries=0)
    failure = {"code": "RATE_LIMITED", "text": "429", "retryable": False, "cool_down_ms": 3000}
    assert "service cools down" in dispatcher.result(A, value=failure, done=False)[2]
    assert dispatcher.request(B)[1] == []
    beating = ((b"w1", ()), (b"w2", ()))
    assert dispatcher.pass_time(2.75, *beating)[1] == []
    assert [message for _, message in dispatcher.pass_time(0.5, *beating)[1]] == [task(1, B)]


def test_a_cool_down_is_not_shortened_by_a_later_one_and_is_bounded(dispatcher):
    dispatcher.ready(b"w1", credit=2)
    dispatcher.request(A, retries=0)
    dispatcher.request(B, retries=0)
    dispatcher.result(A, value={"code": "BLOCKED", "text": "403", "cool_down_ms": 60_000}, done=False)
    dispatcher.result(B, value={"code": "RATE_LIMITED", "text": "429", "cool_down_ms": 1_000}, done=False)
    assert dispatcher.core.assignment.paused["nepse"] == dispatcher.now + 60.0

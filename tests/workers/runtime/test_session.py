"""The worker's side of the task protocol, with plain numbers for time."""

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import (
    BrokerHeartbeat,
    Error,
    Goodbye,
    HeldTask,
    Ready,
    Result,
    Retire,
    Task,
    TaskContext,
    TaskPart,
    WorkerHeartbeat,
)
from hulak.workers.runtime.session import MOST_CONTEXTS, MOST_CREDIT, Exit, Interrupt, Run, Send, Session

A, B, C = (bytes(15) + letter for letter in (b"a", b"b", b"c"))
KNOWN, UNKNOWN = BrokerHeartbeat(7, known=True), BrokerHeartbeat(7, known=False)


def session(credit=1, *, registered=True):
    made = Session("nepse", "w/1", credit, 0.25, {"pid": 5})
    made.advance(100.0)
    if registered:
        made.received(100.0, KNOWN)
    return made


def task(identity=A, attempt=1):
    return Task(identity, attempt, "do", {}, 2000, 3000)


def ready(credit=1, *held):
    return Send(Ready("nepse", "w/1", credit, held, {"pid": 5}))


def finish(worker, now, *, done, value):
    """End the running task."""
    return worker.finished(now, [Send(Result(worker.running.id, worker.running.attempt, done, value))])


# Registering


def test_it_registers_at_once_and_again_at_each_heartbeat_until_it_is_answered():
    worker = Session("nepse", "w/1", 1, 0.25, {"pid": 5})
    assert worker.advance(100.0) == [ready()]
    assert (worker.next_due(), worker.advance(100.1)) == (100.25, [])
    assert worker.advance(100.25) == [ready()]
    assert worker.received(100.3, KNOWN) == []
    assert worker.advance(100.5) == [Send(WorkerHeartbeat())]


def test_a_heartbeat_names_what_is_held_and_carries_the_report():
    worker = session(2)
    worker.received(100.0, task(A))
    worker.received(100.0, task(B))
    assert worker.advance(100.25, {"rss_bytes": 9}) == [Send(WorkerHeartbeat((HeldTask(A, 1), HeldTask(B, 1)), {"rss_bytes": 9}))]


@pytest.mark.parametrize("message", [UNKNOWN, BrokerHeartbeat(8, known=True), BrokerHeartbeat(8, known=False)])
def test_a_broker_that_does_not_know_the_worker_or_was_restarted_gets_its_held_tasks(message):
    worker = session()
    worker.received(100.0, task())
    assert worker.received(100.1, message) == [ready(1, HeldTask(A, 1))]
    assert worker.received(100.2, BrokerHeartbeat(8, known=True)) == []
    assert worker.advance(100.25) == [Send(WorkerHeartbeat((HeldTask(A, 1),)))]


def test_it_does_not_register_twice_for_answers_that_crossed_its_registration():
    worker = session()
    assert worker.received(100.0, UNKNOWN) == [ready()]
    assert worker.received(100.0, UNKNOWN) == []
    assert worker.advance(100.25) == [ready()]


# Tasks


def test_one_task_runs_and_the_next_waits_for_it():
    worker = session(2)
    assert worker.received(100.0, task(A)) == [Run(task(A))]
    assert worker.received(100.0, task(B)) == []
    assert finish(worker, 100.5, done=True, value=5) == [Send(Result(A, 1, True, 5)), Run(task(B))]
    assert finish(worker, 100.6, done=False, value={}) == [Send(Result(B, 1, False, {}))]
    assert worker.held() == ()


def test_an_attempt_that_comes_twice_runs_once_but_another_attempt_is_another_one():
    worker = session(2)
    worker.received(100.0, task(A, 1))
    assert worker.received(100.0, task(A, 1)) == []
    worker.received(100.0, task(A, 2))
    assert worker.held() == (HeldTask(A, 1), HeldTask(A, 2))


def test_parts_are_of_the_running_task_and_only_for_a_broker_that_knows_it():
    worker = session()
    assert worker.part(TaskPart(A, 1, 1, "x")) == []
    worker.received(100.0, task())
    assert worker.part(TaskPart(A, 1, 1, "x")) == [Send(TaskPart(A, 1, 1, "x"))]
    worker.unsent(Send(WorkerHeartbeat()))
    assert worker.part(TaskPart(A, 1, 2, "y")) == []


def ended(worker, letter=A):
    """Run a task and send its result."""
    worker.received(100.0, task(letter))
    sent = finish(worker, 100.1, done=True, value=5)
    worker.sent.add(sent)
    return sent


@pytest.mark.parametrize("message", [UNKNOWN, BrokerHeartbeat(8, known=True), BrokerHeartbeat(8, known=False)])
def test_the_last_results_are_sent_again_after_another_registration_for_the_broker_may_have_lost_them(message):
    worker = session()
    sent = ended(worker)
    assert worker.received(100.2, message) == [ready(1, HeldTask(A, 1))]
    assert worker.advance(100.25) == [ready(1, HeldTask(A, 1))]
    assert worker.received(100.3, BrokerHeartbeat(8, known=True)) == sent
    assert worker.held() == ()
    assert worker.received(100.4, UNKNOWN) == [ready()]


def test_the_last_results_are_sent_again_before_one_that_could_not_be_sent():
    worker = session()
    first = ended(worker, A)
    worker.received(100.1, task(B))
    (second,) = finish(worker, 100.2, done=True, value=6)
    worker.unsent(second)
    assert worker.advance(100.25) == [ready(1, HeldTask(A, 1), HeldTask(B, 1))]
    assert worker.received(100.3, KNOWN) == [*first, second]


def test_a_result_is_forgotten_after_two_heartbeats_of_its_broker():
    worker = session()
    ended(worker, A)
    worker.received(100.2, KNOWN)
    sent = ended(worker, B)
    worker.received(100.4, KNOWN)
    assert worker.received(100.5, UNKNOWN) == [ready(1, HeldTask(B, 1))]
    assert worker.received(100.5, KNOWN) == sent


def test_an_unsent_result_is_sent_after_registering_again():
    worker = session()
    worker.received(100.0, task())
    (sent,) = finish(worker, 100.5, done=True, value=5)
    worker.unsent(sent)
    assert worker.held() == (HeldTask(A, 1),)
    assert worker.advance(100.75) == [ready(1, HeldTask(A, 1))]
    assert worker.received(100.8, BrokerHeartbeat(8, known=True)) == [Send(Result(A, 1, True, 5))]
    assert worker.held() == ()


def test_a_result_without_a_broker_is_kept_and_the_next_task_runs():
    worker = session(2)
    worker.received(100.0, task(A))
    worker.received(100.0, task(B))
    worker.unsent(Send(WorkerHeartbeat()))
    assert finish(worker, 100.5, done=True, value=5) == [Run(task(B))]
    assert worker.held() == (HeldTask(B, 1), HeldTask(A, 1))


# Limits


def test_past_the_soft_limit_a_task_is_interrupted_once_and_past_the_hard_one_the_process_ends():
    worker = session()
    worker.received(100.0, task())
    worker.next_beat = 999.0
    assert (worker.next_due(), worker.advance(101.9)) == (102.0, [])
    assert worker.advance(102.0) == [Interrupt(task())]
    assert (worker.next_due(), worker.advance(102.5)) == (103.0, [])
    (end,) = worker.advance(103.0)
    assert (type(end), end.code) == (Exit, 70)


def test_the_next_task_has_its_own_limits():
    worker = session(2)
    worker.received(100.0, task(A))
    worker.received(100.0, task(B))
    worker.next_beat = 999.0
    worker.advance(102.0)
    finish(worker, 102.1, done=False, value={})
    assert (worker.next_due(), worker.advance(103.0)) == (104.1, [])


# Leaving


def test_an_idle_worker_leaves_at_once():
    worker = session()
    assert worker.leave(100.5, "stopped", 5.0) == [Send(Goodbye("stopped")), Exit(0, "stopped")]
    assert worker.leave(100.6, "again", 5.0) == []


def test_a_busy_worker_ends_what_runs_gives_back_what_waits_and_takes_nothing_more():
    worker = session(2)
    worker.received(100.0, task(A))
    worker.received(100.0, task(B))
    assert worker.received(100.1, Retire("too many")) == [ready(0, HeldTask(A, 1))]
    assert worker.received(100.2, task(C)) == []
    why = "retired: too many"
    assert finish(worker, 100.5, done=True, value=1) == [Send(Result(A, 1, True, 1)), Send(Goodbye(why)), Exit(0, why)]


def test_a_leaving_worker_goes_on_beating_and_registers_without_credit():
    worker = session()
    worker.received(100.0, task())
    worker.leave(100.0, "stopped", 5.0)
    assert worker.advance(100.25) == [Send(WorkerHeartbeat((HeldTask(A, 1),)))]
    assert worker.received(100.3, UNKNOWN) == [ready(0, HeldTask(A, 1))]


def test_when_the_time_to_leave_is_over_it_sends_goodbye_and_ends():
    worker = session()
    worker.received(100.0, task())
    worker.leave(100.0, "stopped", 1.0)
    worker.next_beat = 999.0
    assert worker.next_due() == 101.0
    goodbye, end = worker.advance(101.0)
    assert (type(goodbye.message), end.code) == (Goodbye, 75)


def test_a_retirement_sets_no_time_and_a_signal_after_it_does():
    worker = session()
    worker.received(100.0, task())
    worker.received(100.0, Retire("too many"))
    assert worker.leave_by is None
    assert worker.leave(100.5, "stopped", 1.0) == []
    assert (worker.leave_by, worker.why) == (101.5, "retired: too many")


# Credit that adapts


def adaptive():
    session = Session("sums", "w", 1, 0.25, adapts=True)
    session.advance(100.0)
    session.received(100.0, BrokerHeartbeat(7, known=True))
    return session


def carry_out(session, now, took_s):
    session.received(now, Task(bytes(16), 1, "add", {}, 60_000, 75_000))
    done = finish(session, now + took_s, done=True, value=None)
    return [result.message.credit for result in done if isinstance(result, Send) and isinstance(result.message, Ready)]


def test_short_tasks_raise_the_credit_to_twenty_ms_of_work_and_long_ones_bring_it_down_again():
    session = adaptive()
    assert carry_out(session, 101.0, 0.001) == [20]
    assert carry_out(session, 102.0, 0.001) == []
    offered = [credit for second in range(60) for credit in carry_out(session, 110.0 + second, 0.0001)]
    assert offered[-1] == MOST_CREDIT
    offered = [credit for second in range(60) for credit in carry_out(session, 200.0 + second, 0.5)]
    assert offered[-1] == 1
    assert offered == sorted(offered, reverse=True)


def test_a_credit_that_does_not_adapt_stays_as_it_is():
    session = Session("nepse", "w", 1, 0.25)
    session.received(100.0, BrokerHeartbeat(7, known=True))
    assert carry_out(session, 101.0, 0.0001) == []
    assert session.credit == 1


def test_a_refused_registration_raises_the_reason():
    with pytest.raises(ProtocolError, match="refused to register this worker: a field is 7") as caught:
        session().received(100.0, Error(None, "BAD_BODY", "a field is 7"))
    assert caught.value.code == "BAD_BODY"


def test_trace_contexts_are_kept_for_their_attempts_and_bounded():
    session = Session("s", "w", 1, 0.25)
    for number in range(MOST_CONTEXTS + 2):
        context = TaskContext(number.to_bytes(16, "big"), 1, {"traceparent": "p"}, 5)
        assert session.received(7.0, context) == []
    assert len(session.contexts) == MOST_CONTEXTS
    assert session.contexts[(MOST_CONTEXTS + 1).to_bytes(16, "big"), 1] == (context, 7.0)
    assert session.held() == (), "a context is no task"

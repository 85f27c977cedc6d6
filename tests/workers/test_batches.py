"""Short tasks that a worker begins and ends in one go."""

from hulak.bus.wire.messages import BrokerHeartbeat, Goodbye, HeldTask, Ready, Result, Task, WorkerHeartbeat
from hulak.workers.runtime.session import Exit, Interrupt, Run, Send, Session

A, B, C, D = (bytes(15) + letter for letter in (b"a", b"b", b"c", b"d"))


def session(credit):
    """A worker that is registered."""
    made = Session("nepse", "w/1", credit, 0.25, {"pid": 5})
    made.advance(100.0)
    made.received(100.0, BrokerHeartbeat(7, known=True))
    return made


def task(identity):
    return Task(identity, 1, "do", {}, 2000, 3000)


def batch(*names, actions=("do",), most=8):
    """A session that was given tasks of these ids, and what it begins of them."""
    worker = session(16)
    assert worker.given(100.0, [task(name) for name in names])[:1] == [Run(task(names[0]))]
    return worker, worker.begin(actions, most)


def ended(*names):
    return [Send(Result(name, 1, True, None)) for name in names]


def test_tasks_of_short_actions_are_begun_together_and_are_held_until_their_results_are_sent():
    worker, begun = batch(A, B, C)
    assert begun == [task(A), task(B), task(C)]
    assert worker.held() == (HeldTask(A, 1), HeldTask(B, 1), HeldTask(C, 1))
    assert worker.finished(100.1, ended(A, B, C)) == ended(A, B, C)
    assert worker.held() == ()
    assert worker.given(100.2, [task(A)]) == [Run(task(A))]  # forgotten: it may come again


def test_as_many_are_begun_as_may_be_and_none_of_another_action():
    worker, begun = batch(A, B, C, most=2)
    assert begun == [task(A), task(B)]
    assert worker.finished(100.1, ended(A, B)) == [*ended(A, B), Run(task(C))]
    assert batch(A, B, actions=())[1] == [task(A)]


def test_what_was_not_begun_after_all_comes_first_again():
    worker, _ = batch(A, B, C)
    worker.given(100.0, [task(D)])
    assert worker.finished(100.1, ended(A), [task(B), task(C)]) == [*ended(A), Run(task(B))]
    assert worker.held() == (HeldTask(B, 1), HeldTask(C, 1), HeldTask(D, 1))


def test_results_are_sent_while_other_tasks_of_the_batch_run():
    worker, _ = batch(A, B, C)
    assert worker.ended(ended(A)) == ended(A)
    assert worker.held() == (HeldTask(B, 1), HeldTask(C, 1))
    assert worker.finished(100.1, ended(B), [task(C)]) == [*ended(B), Run(task(C))]
    assert worker.ended([]) == []


def test_all_results_of_a_batch_may_be_sent_before_it_is_finished():
    worker, _ = batch(A, B)
    worker.ended(ended(A, B))
    assert worker.finished(100.1, []) == []
    assert (worker.running, worker.held()) == (None, ())


def test_without_a_broker_what_ended_is_kept_and_named_as_held():
    worker, _ = batch(A, B)
    worker.unsent(Send(WorkerHeartbeat()))
    assert worker.ended(ended(A)) == []
    assert worker.held() == (HeldTask(B, 1), HeldTask(A, 1))


def test_one_that_leaves_ends_what_was_begun_and_no_more():
    worker, _ = batch(A, B, C)
    worker.given(100.0, [task(D)])
    assert worker.leave(100.1, "stopped", None) == [
        Send(Ready("nepse", "w/1", 0, (HeldTask(A, 1), HeldTask(B, 1), HeldTask(C, 1)), {"pid": 5}))
    ]
    assert worker.finished(100.2, ended(A, B), [task(C)]) == [*ended(A, B), Send(Goodbye("stopped")), Exit(0, "stopped")]


def test_a_task_that_came_twice_among_several_is_begun_once():
    worker = session(16)
    worker.given(100.0, [task(A), task(A), task(B)])
    assert worker.begin(("do",), 8) == [task(A), task(B)]
    worker.finished(100.1, [], [task(A), task(B)])
    worker.leave(100.2, "stopped", None)
    assert worker.given(100.3, [task(C)]) == []


def test_the_running_task_is_interrupted_and_not_one_whose_result_was_sent():
    worker, begun = batch(A, B)
    worker.next_beat = 999.0
    worker.running = begun[1]
    assert worker.advance(102.0) == [Interrupt(task(B))]
    worker, begun = batch(A, B)
    worker.next_beat = 999.0
    worker.running = begun[1]
    worker.ended(ended(A, B))
    assert worker.advance(103.0) == []

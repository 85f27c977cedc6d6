"""The bridge as a worker: the tasks that it holds for another site. PROTOCOL.md sections 5 and 15.4."""

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
    WorkerHeartbeat,
)
from hulak.clients.bridge.held_tasks import HeldTasks

ID, OTHER = bytes(range(16)), bytes(range(16, 32))
KNOWN, UNKNOWN = BrokerHeartbeat(7, True), BrokerHeartbeat(8, False)


def task(attempt=1, task_id=ID):
    return Task(task_id, attempt, "make", {"day": 3}, 60_000, 75_000)


def done(attempt=1, task_id=ID):
    return Result(task_id, attempt, True, 42)


@pytest.fixture
def held():
    """Return a registration that the broker has accepted at time 0."""
    held = HeldTasks("report", "bridge-a-report/1", 8, 0.25)
    assert held.due(0.0) == [Ready("report", "bridge-a-report/1", 8)]
    assert held.received(0.0, KNOWN) == ([], [])
    return held


def test_a_task_goes_to_the_other_site_once_and_is_named_until_its_row_has_ended(held):
    assert held.received(1.0, task()) == ([], [task()])
    assert held.received(1.1, task()) == ([], [])
    assert held.due(1.2) == [WorkerHeartbeat((HeldTask(ID, 1),), None)]
    assert held.result(done()) == [done()]
    assert held.due(1.5) == [WorkerHeartbeat((HeldTask(ID, 1),), None)]
    held.ended(ID, "done")
    assert held.due(2.0) == [WorkerHeartbeat((), None)]


def test_the_result_of_an_earlier_attempt_answers_the_present_one(held):
    held.received(1.0, task(1))
    assert held.received(2.0, task(2)) == ([], [task(2)])
    assert held.result(done(1)) == [done(2)]


def test_an_attempt_that_comes_when_the_result_is_here_is_answered_at_once(held):
    held.received(1.0, task(1))
    held.result(done(1))
    assert held.received(2.0, task(2)) == ([done(2)], [])


def test_after_a_restart_of_the_broker_the_tasks_are_named_and_their_results_sent_again(held):
    held.received(1.0, task())
    held.received(1.0, task(1, OTHER))
    held.result(done())
    [ready] = held.received(2.0, UNKNOWN)[0]
    assert ready.held == (HeldTask(ID, 1), HeldTask(OTHER, 1))
    assert held.received(2.1, BrokerHeartbeat(8, True)) == ([done()], [])


def test_a_result_that_comes_without_a_broker_is_sent_when_it_is_there(held):
    held.received(1.0, task())
    held.received(2.0, UNKNOWN)
    assert held.result(done()) == []
    assert held.received(2.1, BrokerHeartbeat(8, True)) == ([done()], [])


def test_a_called_task_is_over_with_its_result_whichever_comes_first(held):
    for task_id in (ID, OTHER):
        held.received(1.0, task(1, task_id))
    assert held.no_row(ID) == []
    assert held.result(done()) == [done()]
    held.result(done(1, OTHER))
    assert held.no_row(OTHER) == [done(1, OTHER)]
    assert held.rows == {}


def test_after_the_soft_limit_the_attempt_fails_and_may_be_retried(held):
    held.received(1.0, task())
    held.due(60.9)
    assert held.rows
    failed = held.due(61.0)[0]
    assert (failed.task, failed.done, failed.value["code"], failed.value["retryable"]) == (ID, False, "SITE_SILENT", True)
    assert held.received(62.0, task(2)) == ([], [task(2)])


def test_without_a_broker_no_attempt_fails(held):
    held.received(1.0, task())
    held.received(2.0, UNKNOWN)
    assert [type(message) for message in held.due(90.0)] == [Ready]


def test_a_task_that_was_cancelled_at_home_is_cancelled_at_the_other_site_and_gives_its_credit_back(held):
    held.received(1.0, task())
    [failed], cancel = held.ended(ID, "cancelled")
    assert (failed.value["code"], failed.value["retryable"], cancel) == ("CANCELLED", False, True)
    assert held.ended(ID, "cancelled") == ([], False)


def test_a_task_that_ended_by_its_result_is_not_cancelled_at_the_other_site(held):
    held.received(1.0, task())
    held.result(done())
    assert held.ended(ID, "done")[1] is False


def test_a_result_of_a_task_that_is_not_held_is_of_no_use(held):
    assert held.result(done()) == []


def test_a_bridge_that_ends_gives_all_tasks_back(held):
    held.received(1.0, task())
    ready, goodbye = held.leave()
    assert (ready.credit, ready.held, type(goodbye)) == (0, (), Goodbye)


def test_a_retirement_is_noted_and_a_refusal_raised(held):
    held.received(1.0, Retire("an operator asked for it"))
    assert held.retired
    with pytest.raises(ProtocolError, match="refused the bridge as worker of report: no"):
        held.received(1.0, Error(None, "FORBIDDEN", "no", {}))

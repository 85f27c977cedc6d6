"""Live workers and free ones."""

import pytest

from hulak.bus.core.tasks.worker_roster import MOST_SERVICES, Worker, WorkerRoster


def worker(name, *, credit=1, service="nepse", held=0, strays=0, retiring=False):
    made = Worker(name.encode(), name, service, credit, 0.0, 0.0, retiring=retiring)
    made.held = {bytes([number]): 1 for number in range(held)}
    made.strays = {(bytes([number]), 1) for number in range(strays)}
    return made


def roster(*workers):
    made = WorkerRoster()
    for worker in workers:
        made.add(worker)
    return made


@pytest.mark.parametrize(
    ("worker", "state", "free"),
    [
        (worker("w"), "ready", 1),
        (worker("w", credit=0), "idle", 0),
        (worker("w", held=1), "busy", 0),
        (worker("w", credit=4, held=1, strays=1), "busy", 2),
        (worker("w", strays=1), "busy", 0),
        (worker("w", retiring=True), "retiring", 0),
        (worker("w", held=1, retiring=True), "retiring", 0),
    ],
)
def test_a_worker_is_as_free_as_what_it_offered_less_all_that_it_is_still_at(worker, state, free):
    assert (worker.state, worker.free) == (state, free)


def first(some, service):
    """Return the names of the workers that get a service's next task."""
    return [worker.name for worker, _ in some.deal(100.0, service, ["task"])]


def test_the_next_task_goes_to_the_worker_that_holds_fewest():
    some = roster(worker("a", credit=8, held=3), worker("b", credit=8, held=1), worker("c", credit=8, held=2))
    assert first(some, "nepse") == ["b"]


def test_a_worker_without_credit_or_of_another_service_is_not_chosen():
    some = roster(worker("a", held=1), worker("b", credit=0), worker("c", service="other"), worker("d", retiring=True))
    assert first(some, "nepse") == []
    assert first(some, "other") == ["c"]
    assert first(some, "unknown") == []


def test_a_worker_is_found_by_identity_and_by_name_until_it_is_removed():
    member = worker("w")
    some = roster(member)
    assert some.at(b"w") is some.named("w") is member
    some.move(member, b"elsewhere")
    assert (some.at(b"w"), some.at(b"elsewhere"), some.named("w"), member.identity) == (None, member, member, b"elsewhere")
    some.remove(member)
    assert (len(some), list(some), some.at(b"elsewhere"), some.named("w")) == (0, [], None, None)


def test_what_a_service_has_done_does_not_fall_when_a_worker_leaves():
    first, second = worker("a"), worker("b")
    some = roster(first, second, worker("c", service="display"))
    first.done, first.failed, second.done = 7, 2, 1
    some.remove(first)
    assert some.attempts() == {"nepse": {"done": 8, "failed": 2}, "display": {"done": 0, "failed": 0}}
    some.remove(second)
    assert some.attempts()["nepse"] == {"done": 8, "failed": 2}


def test_the_past_of_a_bounded_number_of_services_is_remembered():
    some = WorkerRoster()
    for number in range(MOST_SERVICES + 1):
        member = worker(f"w{number}", service=f"s{number}")
        some.add(member)
        some.remove(member)
    assert len(some.attempts()) == MOST_SERVICES

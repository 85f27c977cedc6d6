"""Workers that have to leave when another one registers, with plain numbers for time."""

import pytest

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import ToWorker
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.surplus_workers import to_leave
from hulak.bus.core.tasks.worker_roster import Worker
from hulak.bus.wire.messages import Goodbye, HeldTask, Ready, Request, Retire


def worker(name, *, slot="", since=0.0, started=None, retiring=False, service="nepse", host="here"):
    info = {"slot": slot, "host": host} | ({} if started is None else {"started_ns": started})
    return Worker(name.encode(), name, service, 1, 10.0, since, info=info, retiring=retiring)


def names(workers, newcomer, most=5):
    return [name for name, _ in to_leave(workers, newcomer, most)]


def test_of_two_workers_of_one_slot_the_one_whose_process_is_older_has_to_leave_whichever_comes_last():
    old, new = worker("old", slot="nepse_00", since=2.0, started=100), worker("new", slot="nepse_00", since=1.0, started=200)
    assert names([old, new], old) == ["old"]
    assert names([old, new], new) == ["old"]


def test_without_start_times_the_first_to_register_has_to_leave():
    first, second = worker("first", slot="a", since=1.0), worker("second", slot="a", since=2.0)
    assert names([first, second], second) == ["first"]


@pytest.mark.parametrize(
    "other",
    [
        worker("x", slot="nepse_01"),
        worker("x", slot="nepse_00", host="elsewhere"),
        worker("x", slot="nepse_00", service="chess"),
        worker("x", slot="nepse_00", retiring=True),
    ],
)
def test_another_slot_host_or_service_is_no_double_and_a_leaving_worker_is_not_asked_again(other):
    by_hand = worker("mine", slot="nepse_00", since=5.0)
    assert names([other, by_hand], by_hand) == []


def test_workers_by_hand_share_no_slot():
    ours = [worker("a"), worker("b")]
    assert names(ours, ours[1]) == []


def test_no_more_are_taken_than_the_most_and_those_by_hand_leave_first():
    slots = [worker(f"s{at}", slot=f"nepse_0{at}", since=float(at)) for at in range(4)]
    by_hand = [worker("h1", since=0.0), worker("h2", since=9.0)]
    assert names([*slots, *by_hand], by_hand[1]) == ["h2"]
    fifth = worker("s4", slot="nepse_04", since=20.0)
    assert names([*slots, by_hand[0], fifth], fifth) == ["h1"]
    sixth = worker("s5", slot="nepse_05", since=30.0)
    assert names([*slots, fifth, sixth], sixth) == ["s5"]
    assert names([*slots, fifth, sixth], sixth, most=None) == []


@pytest.fixture
def dispatcher():
    return Dispatcher(7, Policy(), Backoff(0.5, 60.0, lambda: 0.5), 0.0, {"nepse": 2})


def ready(dispatcher, name, slot="", held=()):
    return dispatcher.ready(1.0, name.encode(), Ready("nepse", name, 1, tuple(held), {"slot": slot}))


def retired(effects):
    return [effect.identity for effect in effects if isinstance(effect, ToWorker) and isinstance(effect.message, Retire)]


def test_a_surplus_worker_is_retired_and_gets_no_task(dispatcher):
    assert retired(ready(dispatcher, "a", "nepse_00")) == retired(ready(dispatcher, "b", "nepse_01")) == []
    assert retired(ready(dispatcher, "c")) == [b"c"]
    for number in range(3):
        dispatcher.request(1.0, b"client", Request(bytes([number]) * 16, "nepse", "x"))
    assert [len(worker.held) for worker in dispatcher.roster] == [1, 1, 0]


def test_a_worker_that_a_killed_supervisord_left_behind_ends_its_task_and_gets_no_other(dispatcher):
    ready(dispatcher, "old", "nepse_00")
    dispatcher.request(1.0, b"client", Request(b"1" * 16, "nepse", "x"))
    assert retired(ready(dispatcher, "new", "nepse_00")) == [b"old"]
    dispatcher.request(1.0, b"client", Request(b"2" * 16, "nepse", "x"))
    assert {worker.name: list(worker.held) for worker in dispatcher.roster} == {"old": [b"1" * 16], "new": [b"2" * 16]}


def test_a_worker_that_was_sent_away_and_is_gone_is_no_loss_but_one_with_a_task_is(dispatcher):
    for name in ("a", "b"):
        ready(dispatcher, name)
        dispatcher.retire(name, "fewer are wanted")
    dispatcher.lost(1.0, b"a", "its connection is gone")
    assert dispatcher.counters["lost_workers"] == 0
    dispatcher.goodbye(1.0, b"b", Goodbye("retired"))
    assert dispatcher.counters["lost_workers"] == 0
    dispatcher.ready(1.0, b"d", Ready("nepse", "d", 0))  # it leaves by itself: no credit any more
    dispatcher.lost(1.0, b"d", "its connection is gone")
    assert dispatcher.counters["lost_workers"] == 0
    ready(dispatcher, "c")
    dispatcher.request(1.0, b"client", Request(b"1" * 16, "nepse", "x"))
    dispatcher.retire("c", "fewer are wanted")
    dispatcher.lost(1.0, b"c", "its connection is gone")
    assert dispatcher.counters["lost_workers"] == 1


def test_what_comes_back_after_a_restart_of_the_broker_keeps_its_place(dispatcher):
    held = [HeldTask(b"1" * 16, 1)]
    assert (
        retired(
            ready(dispatcher, "a", "nepse_00", held) + ready(dispatcher, "b", "nepse_01") + ready(dispatcher, "a", "nepse_00")
        )
        == []
    )

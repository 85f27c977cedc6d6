"""Attempts of lost workers: only surely begun ones are charged; suspects are assigned one by one."""

from collections import Counter

import pytest
from dispatcher_fixture import POLICY, DispatcherFixture
from msgspec.structs import replace
from walk_events import check_books, check_census

from hulak.bus.core.effects import Begun, Delayed, Ended, ToClient, ToWorker
from hulak.bus.core.tasks.lost_workers import MOST_SPARED
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import BrokerHeartbeat, Error, HeldTask, Ready, Reply, Request, Result, Task, WorkerHeartbeat


def name(number):
    return number.to_bytes(16)


class Pool(DispatcherFixture):
    """A dispatcher with room, whose tasks are numbers, and that records each worker's attempts."""

    def __init__(self):
        super().__init__(replace(POLICY, max_tasks=20_000))
        self.ended, self.given, self.noted = {}, {}, []

    def see(self, effects):
        """Take note of effects; returns the numbers and attempts that were given, in order."""
        attempts = []
        for effect in effects:
            match effect:
                case ToWorker(identity, BrokerHeartbeat()):
                    del identity
                case ToWorker(identity, Task() as task):
                    attempts.append((identity, int.from_bytes(task.id), task.attempt))
                case ToWorker(identity, list() as tasks):
                    attempts += [(identity, int.from_bytes(task.id), task.attempt) for task in tasks]
                case ToClient(_, list() as replies):
                    self.ended |= {int.from_bytes(reply.id): reply for reply in replies}
                case ToClient(_, Reply() | Error() as message):
                    self.ended[int.from_bytes(message.id)] = message
                case Ended(task, _, attempt, message):
                    self.ended[int.from_bytes(task)] = message
                    self.noted.append((int.from_bytes(task), attempt))
        for identity, number, attempt in attempts:
            self.given.setdefault(identity, []).append((number, attempt))
        return attempts

    def comes(self, identity, credit=8, held=()):
        return self.see(self.core.ready(self.now, identity, Ready("nepse", identity.decode(), credit, held)))

    def calls(self, *numbers, **options):
        effects = [
            effect
            for number in numbers
            for effect in self.core.request(self.now, b"c", Request(name(number), "nepse", "do", {}, options))
        ]
        return self.see(effects)

    def posts(self, *numbers, retries=3):
        attempts = []
        for number in numbers:
            posting = Posting(name(number), None, "nepse", "do", pack({}), retries, float("inf"))
            attempts += self.see(self.core.accept(self.now, [posting.task(self.now)]))
        return attempts

    def dies(self, identity):
        self.given.pop(identity, None)
        return self.see(self.core.lost(self.now, identity, "its connection is gone"))

    def does(self, identity, number, attempt=1):
        return self.see(self.core.results(self.now, identity, [Result(name(number), attempt, True, number)]))


@pytest.fixture
def pool():
    return Pool()


@pytest.mark.parametrize("how", ["calls", "posts"])
def test_of_several_that_a_lost_worker_held_none_is_charged_and_each_goes_out_alone(pool, how):
    pool.comes(b"w1")
    getattr(pool, how)(1, 2, 3)
    assert pool.dies(b"w1") == []
    assert pool.comes(b"w2") == [(b"w2", 1, 1)]
    assert pool.calls(4) == []  # it is not put beside a suspect
    assert pool.does(b"w2", 1) == [(b"w2", 2, 1)]
    assert pool.does(b"w2", 2) == [(b"w2", 3, 1)]
    assert pool.does(b"w2", 3) == [(b"w2", 4, 1)]
    check_books(pool.core)


def test_what_a_lost_worker_held_alone_is_charged_until_its_attempts_are_used_up(pool):
    pool.calls(1, retries=1)
    pool.comes(b"w1")
    pool.dies(b"w1")
    assert pool.comes(b"w2") == [(b"w2", 1, 2)]
    pool.dies(b"w2")
    assert (pool.ended[1].code, pool.ended[1].details["attempts"]) == ("WORKER_LOST", 2)


def test_a_suspect_that_kills_is_charged_from_its_second_loss_on_and_the_others_never(pool):
    pool.comes(b"w0")
    pool.posts(1, 2, 3, retries=1)
    pool.dies(b"w0")
    for turn in (1, 2):
        assert pool.comes(b"w%d" % turn) == [(b"w%d" % turn, 1 if turn == 1 else 2, 1)]
        if turn == 1:
            assert pool.dies(b"w1") == []  # it has one attempt left, and is behind the others now
    assert pool.does(b"w2", 2) == [(b"w2", 3, 1)]
    assert pool.does(b"w2", 3) == [(b"w2", 1, 2)]
    pool.dies(b"w2")
    assert pool.ended[1].code == "WORKER_LOST"
    assert pool.noted == [(2, 1), (3, 1), (1, 2)]
    assert (pool.core.tasks, len(pool.core.queue)) == ({}, 0)


def test_while_suspects_wait_one_worker_becomes_free_for_them_and_the_others_go_on(pool):
    for identity in (b"w1", b"w2", b"w3"):
        pool.comes(identity, credit=2)
    pool.calls(*range(1, 11))
    assert pool.given == {b"w1": [(1, 1), (4, 1)], b"w2": [(2, 1), (5, 1)], b"w3": [(3, 1), (6, 1)]}
    assert pool.dies(b"w1") == []
    assert pool.does(b"w2", 2) == []  # it is to become free
    assert pool.does(b"w3", 3) == [(b"w3", 7, 1)]
    assert pool.does(b"w2", 5) == [(b"w2", 1, 1)]
    assert pool.does(b"w3", 6) == [(b"w3", 8, 1)]
    assert pool.does(b"w2", 1) == [(b"w2", 4, 1)]
    assert pool.does(b"w2", 4) == [(b"w2", 9, 1), (b"w2", 10, 1)]
    check_books(pool.core)
    check_census(pool.core)


def test_the_task_that_passed_its_hard_limit_is_charged_and_what_waited_behind_it_is_not(pool):
    pool.comes(b"w1")
    pool.calls(1, 2, 3)
    held = tuple(HeldTask(name(number), 1) for number in (1, 2, 3))
    pool.pass_time(20.0, (b"w1", held))
    pool.comes(b"w2")
    pool.comes(b"w3")
    pool.comes(b"w4")
    assert {attempt for given in pool.given.values() for attempt in given[-1:]} == {(1, 2), (2, 1), (3, 1)}


def test_a_task_that_a_leaving_worker_hands_back_is_not_charged_and_no_suspect_up_to_a_limit(pool):
    pool.calls(1, 2)
    for turn in range(MOST_SPARED + 1):
        assert pool.comes(b"w%d" % turn) == [(b"w%d" % turn, 1, 1), (b"w%d" % turn, 2, 1)]
        pool.comes(b"w%d" % turn, credit=0)
    assert pool.comes(b"last") == [(b"last", 1, 2), (b"last", 2, 2)]


def test_a_worker_that_comes_under_a_known_name_without_what_it_held_may_have_died_of_it(pool):
    pool.comes(b"w1")
    pool.calls(1, 2)
    given = pool.see(pool.core.ready(pool.now, b"new", Ready("nepse", "w1", 8)))
    assert given == [(b"new", 1, 1)]
    assert pool.does(b"new", 1) == [(b"new", 2, 1)]


def test_a_paused_worker_that_resumes_keeps_tasks_that_no_other_worker_has_begun(pool):
    pool.comes(b"w1")
    pool.calls(1, 2, 3)
    pool.dies(b"w1")
    pool.comes(b"w2")
    held = tuple(HeldTask(name(number), 1) for number in (1, 2, 3))
    assert pool.comes(b"w1", held=held) == []
    assert {name: len(pool.core.roster.named(name).held) for name in ("w1", "w2")} == {"w1": 2, "w2": 1}
    pool.does(b"w1", 1)  # too late: w2 is at it
    assert pool.core.counters["late"] == 1
    for number, identity in ((2, b"w1"), (3, b"w1"), (1, b"w2")):
        pool.does(identity, number)
    assert [message.value for _, message in sorted(pool.ended.items())] == [1, 2, 3]
    check_books(pool.core)


def test_a_suspect_that_is_cancelled_or_over_keeps_no_worker_from_the_others(pool):
    pool.comes(b"w1")
    pool.calls(1, 2, timeout_ms=1000)
    pool.dies(b"w1")
    pool.comes(b"w2")
    clients, _, _ = pool.pass_time(1.25, (b"w2", (HeldTask(name(1), 1),)))
    assert [message.code for _, message in clients] == ["EXPIRED", "EXPIRED"]
    assert pool.does(b"w2", 1) == []
    assert pool.calls(3, 4) == [(b"w2", 3, 1), (b"w2", 4, 1)]
    check_books(pool.core)


def test_a_task_that_was_in_doubt_at_a_restart_goes_out_alone(pool):
    for number in (1, 2):
        task = Posting(name(number), None, "nepse", "do", pack({}), 3, float("inf")).task(pool.now)
        task.suspect, task.spared, task.troubles = True, 1, ["the broker was restarted"]
        assert pool.core.restore(pool.now, task, 1.5) == []
    pool.comes(b"w1")
    pool.now += 1.5
    pool.core.heartbeat(pool.now, b"w1", WorkerHeartbeat())
    effects = pool.core.advance(pool.now)
    assert [effect.attempt for effect in effects if isinstance(effect, Delayed)] == [0, 0]
    assert [(effect.task, effect.attempt) for effect in effects if isinstance(effect, Begun)] == [(name(1), 1)]
    assert pool.core.tasks[name(2)].state is TaskState.QUEUED


def test_many_good_tasks_among_some_that_kill_their_workers_all_end_in_bounded_time(pool):
    """2,000 posted tasks, 10 of them kill; three workers of credit 128 that come back: 5 losses for each that kills."""
    killers = set(range(7, 2000, 200))
    pool.posts(*range(2000))
    comers = iter(range(10_000))
    charged, losses, turns = Counter(), 0, 0
    for _ in range(3):
        pool.comes(b"w%d" % next(comers), credit=128)
    while pool.core.tasks:
        turns += 1
        for worker in list(pool.core.roster):
            for task_id, attempt in list(worker.held.items()):
                number = int.from_bytes(task_id)
                if number in killers:
                    charged[number] += len(worker.held) == 1
                    losses += 1
                    pool.dies(worker.identity)
                    pool.comes(b"w%d" % next(comers), credit=128)
                    break
                pool.does(worker.identity, number, attempt)
        if turns % 50 == 0:
            check_books(pool.core)
            check_census(pool.core)
        assert turns < 10_000
    attempts = dict(pool.noted)
    assert {number: attempts[number] for number in range(2000) if attempts[number] != 1} == dict.fromkeys(killers, 4)
    assert {number for number, message in pool.ended.items() if isinstance(message, Error)} == killers
    assert set(charged.values()) == {4}
    assert losses <= 5 * len(killers)

"""The store in a folder: what is accepted is there again, an end is written once, and a full disk accepts nothing."""

import select
import sqlite3
import time
from functools import partial

import pytest

from bus import ledger
from bus.core.posted import Posting
from bus.errors import ConfigError
from bus.messages import Error, Reply
from bus.store import Store

NOW_NS = 10**18
WITHIN_S = 10.0


class Office:
    """A store, with what its jobs gave."""

    def __init__(self, folder):
        self.store = Store(folder)
        self.found, self.keys = self.store.open(partial(ledger.unfinished, now=100.0, now_ns=NOW_NS, grace_s=1.5))
        self.given = []

    def do(self, *jobs):
        """Put jobs in together, and wait until all have finished; returns (value, why) of each."""
        self.given.clear()
        for job in jobs:
            self.store.put(job, lambda value, why: self.given.append((value, why)))
        deadline = time.monotonic() + WITHIN_S
        while len(self.given) < len(jobs):
            assert time.monotonic() < deadline
            select.select([self.store.reader], [], [], 0.1)
            self.store.finished()
        return list(self.given)


@pytest.fixture
def open_store(tmp_path):
    made = []

    def make():
        made.append(Office(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def posting(number, key=None, expires_s=float("inf"), retries=3):
    return Posting(number.to_bytes(16, "big"), key, "nepse", "x", {"n": number}, retries, expires_s)


def insert(number, now_ns=NOW_NS, **how):
    return partial(ledger.insert, posting=posting(number, **how), now_ns=now_ns)


def task(number):
    return number.to_bytes(16, "big")


def test_what_was_accepted_is_there_again_in_order_with_what_is_known_of_it(open_store):
    office = open_store()
    office.do(insert(1, NOW_NS - 3), insert(2, NOW_NS - 2, key="k", expires_s=60.0), insert(3, NOW_NS - 1), insert(4, NOW_NS))
    office.do(
        partial(ledger.begun, task=task(2), attempt=1, worker="w"),
        partial(ledger.delayed, task=task(3), attempt=2, due_ns=NOW_NS + 5 * 10**9, why="w: 429"),
        partial(ledger.ended, task=task(4), state="done", attempt=1, message=Reply(task(4), 5), now_ns=NOW_NS),
    )
    office.store.close()
    again = open_store()
    found = [(one.task.id, one.task.attempt, one.in_s, one.task.args, one.task.posted) for one in again.found]
    assert found == [
        (task(1), 0, 0.0, {"n": 1}, True),
        (task(2), 1, 1.5, {"n": 2}, True),
        (task(3), 2, 5.0, {"n": 3}, True),
    ]
    assert again.found[1].task.deadline == pytest.approx(160.0)
    assert again.found[2].task.troubles == ["w: 429"]
    assert [(key, one) for key, one, _ in again.keys] == [("k", task(2))]


def test_an_end_is_written_once(open_store):
    office = open_store()
    end = partial(ledger.ended, task=task(1), attempt=1, now_ns=NOW_NS)
    results = office.do(
        insert(1),
        lambda connection: end(connection, state="done", message=Reply(task(1), {"a": b"1"})),
        lambda connection: end(connection, state="failed", message=Error(task(1), "X", "y", {})),
    )
    assert results == [(True, ""), (True, ""), (False, "")]
    [(told, _)] = office.do(partial(ledger.read, task=task(1)))
    assert (told["state"], told["value"], told["kept"]) == ("done", {"a": b"1"}, True)


def test_a_task_that_is_posted_twice_is_there_once(open_store):
    assert open_store().do(insert(1), insert(1)) == [(True, ""), (False, "")]


def test_a_key_that_is_taken_costs_the_others_of_the_same_commit_nothing(open_store):
    office = open_store()
    first, second, third = office.do(insert(1, key="k"), insert(2, key="k"), insert(3))
    assert (first, third) == ((True, ""), (True, ""))
    assert second[0] is None
    assert "UNIQUE" in second[1]
    assert office.do(partial(ledger.read, task=task(2))) == [(None, "")]


def test_many_jobs_are_one_commit(open_store):
    office = open_store()
    before = office.store.commits
    office.do(*[insert(number) for number in range(1, 301)])
    assert office.store.commits - before <= 30


def test_failed_tasks_are_dead_letters_that_can_be_read_dropped_and_posted_anew(open_store):
    office = open_store()
    error = Error(task(1), "BLOCKED", "403", {"attempts": 4})
    office.do(insert(1), partial(ledger.ended, task=task(1), state="failed", attempt=4, message=error, now_ns=NOW_NS), insert(2))
    [(rows, _), (again, _), (none, _)] = office.do(
        partial(ledger.rows, state="failed", service=None, most=10),
        partial(ledger.posting, task=task(1)),
        partial(ledger.posting, task=task(2)),
    )
    assert [row["task"] for row in rows] == [task(1)]
    assert again == ("nepse", "x", {"n": 1}, 3)
    assert none is None
    assert office.do(partial(ledger.drop, task=task(1)), partial(ledger.drop, task=task(2))) == [(True, ""), (False, "")]


def test_a_row_tells_why_its_task_ended_whichever_attempt_that_was(open_store):
    office = open_store()
    failed = Error(task(1), "CRASHED", "it broke", {"attempts": 1, "troubles": ["w: CRASHED: it broke"]})
    late = Error(task(2), "EXPIRED", "not done within 1 s", {"attempts": 0, "troubles": []})
    ends = [(1, "failed", failed), (2, "expired", late), (3, "done", Reply(task(3), 5))]
    office.do(insert(1), insert(2), insert(3))
    office.do(partial(ledger.delayed, task=task(3), attempt=1, due_ns=NOW_NS, why="w: 429"))
    office.do(
        *(
            partial(ledger.ended, task=task(number), state=state, attempt=1, message=end, now_ns=NOW_NS)
            for number, state, end in ends
        )
    )
    [(rows, _)] = office.do(partial(ledger.rows, state=None, service=None, most=10))
    assert {row["state"]: row["trouble"] for row in rows} == {
        "failed": "w: CRASHED: it broke",
        "expired": "EXPIRED: not done within 1 s",
        "done": "w: 429",  # of an attempt before
    }


def test_results_keys_and_rows_go_when_their_time_is_over_and_dead_letters_later(open_store):
    office = open_store()
    office.do(insert(1, key="k"), insert(2))
    office.do(
        partial(ledger.ended, task=task(1), state="done", attempt=1, message=Reply(task(1), 5), now_ns=NOW_NS + 10),
        partial(ledger.ended, task=task(2), state="failed", attempt=1, message=Error(task(2), "X", "y", {}), now_ns=NOW_NS + 10),
    )
    read = [partial(ledger.read, task=task(number)) for number in (1, 2)]
    office.do(partial(ledger.clean, results_ns=NOW_NS + 11, keys_ns=NOW_NS, dead_ns=NOW_NS))
    (one, _), (two, _) = office.do(*read)
    assert (one["kept"], one["value"], one["key"], two["kept"]) == (False, None, "k", True)
    office.do(partial(ledger.clean, results_ns=NOW_NS + 11, keys_ns=NOW_NS + 11, dead_ns=NOW_NS))
    (one, _), (two, _) = office.do(*read)
    assert one is None
    assert two["state"] == "failed"
    office.do(partial(ledger.clean, results_ns=NOW_NS + 11, keys_ns=NOW_NS + 11, dead_ns=NOW_NS + 11))
    assert office.do(read[1]) == [(None, "")]


def test_what_cannot_be_committed_is_told_to_each_and_is_not_there(open_store):
    office = open_store()

    def full(connection):
        raise sqlite3.OperationalError("database or disk is full")

    results = office.do(insert(1), full, insert(2))
    assert all(value is None and "disk is full" in why for value, why in results)
    assert "disk is full" in office.store.failed
    assert office.do(partial(ledger.read, task=task(1)), insert(3)) == [(None, ""), (True, "")]
    assert office.store.failed == ""


def test_a_file_that_is_no_store_is_refused_with_its_path(tmp_path):
    (tmp_path / "tasks.db").write_bytes(b"this is no database, and never was one" * 40)
    with pytest.raises(ConfigError, match=r"tasks\.db"):
        Store(tmp_path).open(lambda connection: None)

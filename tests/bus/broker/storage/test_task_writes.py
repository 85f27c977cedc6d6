"""Writes of many tasks with few statements have the result of the writes one by one; a beginning waits for other writes."""

import sqlite3
from contextlib import closing

import pytest
from database_fixture import DAY_S, insert, moment, posting, row, task
from waiting import eventually

from hulak.bus.broker.storage import database_schema, task_rows
from hulak.bus.broker.storage.database import LAZY_S, NotTogether
from hulak.bus.broker.storage.task_writes import BeginWrite, EndWrite, PostWrite
from hulak.bus.wire.messages import Error, Reply

COUNTS = (1, 3, 4, 5, 84, 101)  # one by one, and in statements of 4, 16 and 64 rows


def post(number, **how):
    return PostWrite(posting(number, **how), moment(), DAY_S)


def end(number, *, wanted=True, attempt=1):
    done = number % 3 > 0
    message = Reply(task(number), [number]) if done else Error(task(number), "BLOCKED", "403", {"troubles": ["w: 403"]})
    return EndWrite(task(number), "done" if done else "failed", attempt, message, moment(1.0), wanted, "w9")


def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    database_schema.prepare(connection)
    return closing(connection)


def together(connection, jobs):
    return type(jobs[0]).together(connection, jobs)


def one_by_one(connection, jobs):
    return [job(connection) for job in jobs]


@pytest.mark.parametrize("count", COUNTS)
def test_many_writes_together_have_the_values_and_rows_of_the_writes_one_by_one(count):
    numbers = range(1, count + 1)
    steps = (
        [post(number, expires_s=60.0 + number) for number in numbers],
        [BeginWrite(task(number), 1 + number % 2, f"w{number // 10}") for number in numbers],
        [end(number, wanted=number % 5 > 0) for number in numbers],
        [end(number, attempt=7) for number in numbers],  # they have ended: nothing changes
        [BeginWrite(task(number), 8, "w8") for number in numbers],  # likewise
    )
    with database() as singly, database() as jointly:
        for jobs in steps:
            assert together(jointly, jobs) == one_by_one(singly, jobs)
            assert list(jointly.iterdump()) == list(singly.iterdump())
        assert not jointly.execute("SELECT * FROM tasks WHERE state = 'running'").fetchall()


def test_posts_of_known_tasks_or_with_keys_run_one_by_one(open_store):
    fixture = open_store()
    fixture.do(insert(2))
    posts = [post(number) for number in (1, 2, 3, 4)]
    with database() as connection:
        one_by_one(connection, [post(2)])
        with pytest.raises(NotTogether):
            together(connection, posts)
    outcomes = [value.new for value, _ in fixture.do(*posts)]
    assert outcomes == [True, False, True, True]
    keyed = [post(number, key="k") for number in (5, 6)]
    assert [(value.task, value.new) for value, _ in fixture.do(*keyed)] == [(task(5), True), (task(5), False)]


def test_posts_without_room_are_not_written():
    full = [PostWrite(posting(number), moment(), DAY_S, room=False) for number in (1, 2)]
    with database() as connection:
        assert together(connection, full) == [None, None]
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_two_ends_of_one_task_in_a_transaction_leave_the_first():
    ends = [end(1), EndWrite(task(1), "cancelled", None, Error(task(1), "CANCELLED", "x", {}), moment(), wanted=True)]
    with database() as connection:
        one_by_one(connection, [post(1)])
        first, second = together(connection, ends)
        assert (first["state"], second["state"]) == ("done", "done")


def test_an_answer_that_cannot_be_read_leaves_the_others():
    with database() as connection:
        one_by_one(connection, [post(number) for number in (1, 2)])
        one_by_one(connection, [end(number) for number in (1, 2)])
        connection.execute("UPDATE tasks SET answer = x'c1' WHERE id = ?", (task(1),))
        assert list(task_rows.read_many(connection, [task(1), task(2), task(3)])) == [task(2)]


def test_the_end_of_a_task_in_the_same_transaction_makes_its_beginning_superfluous(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in (1, 2)])
    results = fixture.do(BeginWrite(task(1), 3, "w"), BeginWrite(task(2), 2, "w"), end(1, attempt=3), row(1), row(2))
    assert [value for value, _ in results[:2]] == [None, None]
    rows = [value for value, _ in results[3:]]
    assert [(kept["state"], kept["attempt"], kept["worker"]) for kept in rows] == [("done", 3, "w9"), ("running", 2, "w")]


def test_a_beginning_waits_for_another_write_but_not_for_long(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in (1, 2)])
    commits = fixture.database.commits
    fixture.do(BeginWrite(task(1), 1, "w"), insert(3))
    assert fixture.database.commits == commits + 1
    fixture.do(BeginWrite(task(2), 1, "w"))  # alone: after `LAZY_S`
    assert fixture.do(row(2))[0][0]["state"] == "running"
    assert 0 < LAZY_S < 0.1


def test_a_store_that_is_closed_writes_a_beginning_that_waits(open_store):
    fixture = open_store()
    fixture.do(insert(1))
    fixture.database.put(BeginWrite(task(1), 4, "w"), lambda *_: None)
    fixture.database.close()
    assert [entry.task.attempt for entry in open_store().found.tasks] == [4]


def test_a_full_disk_fails_all_writes_of_a_statement(open_store, monkeypatch):
    fixture = open_store()

    def full(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(PostWrite, "together", staticmethod(full))
    monkeypatch.setattr(task_rows, "post", full)
    whys = [why for _, why in fixture.do(*[post(number) for number in (1, 2, 3, 4)])]
    assert whys == ["database or disk is full"] * 4
    monkeypatch.undo()
    eventually(lambda: [why for _, why in fixture.do(post(1))] == [""], within_s=5)

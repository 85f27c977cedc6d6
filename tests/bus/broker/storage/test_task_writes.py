"""Writes of many tasks with few statements have the result of the writes one by one; a beginning waits for other writes."""

import sqlite3
import threading
from contextlib import closing

import pytest
from database_fixture import DAY_S, insert, moment, posting, row, task
from waiting import eventually

from hulak.bus.broker.storage import database_schema, task_rows
from hulak.bus.broker.storage.database import LAZY_S, MOST, Database, NotTogether
from hulak.bus.broker.storage.task_writes import BeginWrite, EndWrite, PostWrite, RowsRead
from hulak.bus.core.effects import Begun, Ended
from hulak.bus.wire.messages import Error, Reply

COUNTS = (1, 3, 31, 32, 33, 101)  # in statements of up to 32 rows


def post(number, **how):
    return PostWrite([posting(number, **how)], moment(), DAY_S)


def begin(number, attempt=1, worker="w"):
    return BeginWrite([Begun(task(number), attempt, worker)])


def end(number, *, wanted=True, attempt=1):
    done = number % 3 > 0
    message = Reply(task(number), [number]) if done else Error(task(number), "BLOCKED", "403", {"troubles": ["w: 403"]})
    ended = Ended(task(number), "done" if done else "failed", attempt, message, "w9")
    return EndWrite([ended], moment(1.0), lambda _: wanted)


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
        [begin(number, 1 + number % 2, f"w{number // 10}") for number in numbers],
        [end(number, wanted=number % 5 > 0) for number in numbers],
        [end(number, attempt=7) for number in numbers],  # they have ended: nothing changes
        [begin(number, 8, "w8") for number in numbers],  # likewise
    )
    with database() as singly, database() as jointly:
        for jobs in steps:
            assert together(jointly, jobs) == one_by_one(singly, jobs)
            assert list(jointly.iterdump()) == list(singly.iterdump())
        assert not jointly.execute("SELECT * FROM tasks WHERE state = 'running'").fetchall()


@pytest.mark.parametrize("count", COUNTS)
def test_a_write_of_many_tasks_has_the_values_and_rows_of_a_write_for_each(count):
    numbers = range(1, count + 1)
    message = Reply(b"", [5])
    ends = [Ended(task(number), "done", 1, message, "w9") for number in numbers]
    wanted = {task(number) for number in numbers if number % 5}
    steps = (
        PostWrite([posting(number) for number in numbers], moment(), DAY_S),
        BeginWrite([Begun(task(number), 1 + number % 2, "w") for number in numbers]),
        EndWrite(ends, moment(1.0), wanted.__contains__),
    )
    with database() as singly, database() as jointly:
        for write in steps:
            ((values,), alone) = together(jointly, [write]), write(singly)
            assert values == alone
            assert write.size == count
            assert list(jointly.iterdump()) == list(singly.iterdump())


def test_a_transaction_has_about_500_writes_however_many_jobs_they_are(open_store, monkeypatch):
    fixture = open_store()
    sizes = []
    commit = Database._commit
    monkeypatch.setattr(Database, "_commit", lambda store, *args: sizes.append(len(args[1])) or commit(store, *args))
    posts = [PostWrite([posting(100 * job + number) for number in range(1, 101)], moment(), DAY_S) for job in range(12)]
    held = threading.Event()
    fixture.database.put(lambda _: held.wait(30), lambda *_: None)  # the others are queued meanwhile
    done = []
    for write in posts:
        fixture.database.put(write, lambda value, why: done.append((len(value), why)))
    held.set()
    eventually(lambda: fixture.database.finished() or len(done) == 12, within_s=30)
    assert set(done) == {(100, "")}
    assert max(sizes) <= MOST // 100 + 1  # with the first one


def test_posts_of_known_tasks_or_with_keys_run_one_by_one(open_store):
    fixture = open_store()
    fixture.do(insert(2))
    posts = [post(number) for number in (1, 2, 3, 4)]
    with database() as connection:
        one_by_one(connection, [post(2)])
        with pytest.raises(NotTogether):
            together(connection, posts)
    outcomes = [value[0].new for value, _ in fixture.do(*posts)]
    assert outcomes == [True, False, True, True]
    keyed = [post(number, key="k") for number in (5, 6)]
    assert [(value[0].task, value[0].new) for value, _ in fixture.do(*keyed)] == [(task(5), True), (task(5), False)]


def test_posts_without_room_are_not_written():
    full = [PostWrite([posting(number)], moment(), DAY_S, room=False) for number in (1, 2)]
    with database() as connection:
        assert together(connection, full) == [[None], [None]]
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_two_ends_of_one_task_in_a_transaction_leave_the_first():
    cancelled = Ended(task(1), "cancelled", 0, Error(task(1), "CANCELLED", "x", {}))
    ends = [end(1), EndWrite([cancelled], moment(), lambda _: True, held=False)]
    with database() as connection:
        one_by_one(connection, [post(1)])
        (first,), (second,) = together(connection, ends)
        assert (first["state"], second["state"]) == ("done", "done")


@pytest.mark.parametrize("count", COUNTS)
def test_rows_that_are_read_together_are_those_read_one_by_one(count):
    numbers = range(1, count + 1)
    with database() as connection:
        one_by_one(connection, [post(number) for number in numbers if number % 4])  # the others are unknown
        one_by_one(connection, [end(number) for number in numbers if number % 3])
        jobs = [RowsRead([task(number)]) for number in numbers] + [RowsRead([task(number) for number in numbers])]
        rows = one_by_one(connection, jobs)
        assert together(connection, jobs) == rows
        assert [kept is None for kept in rows[-1]] == [number % 4 == 0 for number in numbers]


def test_a_read_of_a_row_that_cannot_be_read_fails(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in (1, 2)])
    fixture.do(*[end(number) for number in (1, 2)])
    fixture.do(lambda connection: connection.execute("UPDATE tasks SET answer = x'c1' WHERE id = ?", (task(1),)) and None)
    (unread, why), (read, fine) = fixture.do(RowsRead([task(1)]), RowsRead([task(2)]))
    assert (unread, "not one msgpack value" in why, read[0]["state"], fine) == (None, True, "done", "")


def test_an_answer_that_cannot_be_read_leaves_the_others():
    with database() as connection:
        one_by_one(connection, [post(number) for number in (1, 2)])
        one_by_one(connection, [end(number) for number in (1, 2)])
        connection.execute("UPDATE tasks SET answer = x'c1' WHERE id = ?", (task(1),))
        assert list(task_rows.read_many(connection, [task(1), task(2), task(3)])) == [task(2)]


def test_the_end_of_a_task_in_the_same_transaction_makes_its_beginning_superfluous(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in (1, 2)])
    both = BeginWrite([Begun(task(number), 4 - number, "w") for number in (1, 2)])
    results = fixture.do(both, end(1, attempt=3), row(1), row(2))
    assert results[0] == (None, "")
    rows = [value for value, _ in results[2:]]
    assert [(kept["state"], kept["attempt"], kept["worker"]) for kept in rows] == [("done", 3, "w9"), ("running", 2, "w")]


def test_a_beginning_waits_for_another_write_but_not_for_long(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in (1, 2)])
    commits = fixture.database.commits
    fixture.do(begin(1), insert(3))
    assert fixture.database.commits == commits + 1
    fixture.do(begin(2))  # alone: after `LAZY_S`
    assert fixture.do(row(2))[0][0]["state"] == "running"
    assert 0 < LAZY_S < 0.1


def test_a_store_that_is_closed_writes_a_beginning_that_waits(open_store):
    fixture = open_store()
    fixture.do(insert(1))
    fixture.database.put(begin(1, 4), lambda *_: None)
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

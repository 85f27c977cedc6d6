"""The store in a folder: accepted tasks survive, an end is written once, and a full disk accepts nothing."""

import math
from functools import partial

import pytest
from database_fixture import DAY_S, NOW_NS, end, failed, insert, moment, new, posting, row, task

from hulak.bus.broker.storage import dead_letters, row_retention, task_rows, unfinished_tasks
from hulak.bus.broker.storage.row_retention import RowRetention
from hulak.bus.broker.storage.unfinished_tasks import MemoryRoom
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.wire.codec import unpack
from hulak.bus.wire.messages import Error, Reply


def test_accepted_tasks_are_restored_in_order_with_all_that_is_known_of_them(open_store):
    fixture = open_store()
    fixture.do(insert(1), insert(2, key="k", expires_s=60.0), insert(3), insert(4))
    fixture.do(
        partial(task_rows.begun, task=task(2), attempt=1, worker="w"),
        partial(task_rows.delayed, task=task(3), attempt=2, in_s=5.0, why="w: 429", moment=moment()),
        end(4),
    )
    fixture.database.close()
    again = open_store()
    restored = [
        (entry.task.id, entry.task.attempt, entry.in_s, unpack(bytes(entry.task.args)), entry.task.posted)
        for entry in again.found.tasks
    ]
    assert restored == [
        (task(1), 0, 0.0, {"n": 1}, True),
        (task(2), 1, 1.5, {"n": 2}, True),
        (task(3), 2, 5.0, {"n": 3}, True),
    ]
    assert again.found.tasks[1].task.deadline == pytest.approx(160.0)
    assert again.found.tasks[2].task.troubles == ["w: 429"]
    assert (again.found.more, again.found.bad) == (False, [])


def test_of_tasks_that_ran_with_others_on_one_worker_the_attempt_does_not_count(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in range(1, 5)])
    held = ((1, 1, "w1"), (2, 3, "w1"), (3, 2, "w2"))
    fixture.do(*[partial(task_rows.begun, task=task(number), attempt=attempt, worker=worker) for number, attempt, worker in held])
    fixture.database.close()
    restored = {int.from_bytes(entry.task.id): entry.task for entry in open_store().found.tasks}
    assert {
        number: (restored_task.attempt, restored_task.spared, restored_task.suspect) for number, restored_task in restored.items()
    } == {
        1: (0, 1, True),
        2: (2, 1, True),
        3: (2, 0, True),
        4: (0, 0, False),
    }
    assert "while w1 held it and others" in restored[1].troubles[-1]
    assert restored[3].troubles == []


def test_as_many_tasks_are_read_as_there_is_room_for_and_the_rest_later(open_store):
    fixture = open_store()
    fixture.do(*[insert(number) for number in range(1, 10)])
    size = len(posting(1).args)

    def read(after, room):
        [(batch, why)] = fixture.do(partial(unfinished_tasks.read, after=after, room=room, moment=moment(), grace_s=1.5))
        assert not why
        return [int.from_bytes(entry.task.id, "big") for entry in batch.tasks], batch.more, batch.after

    assert read(0, MemoryRoom(4, 1 << 20)) == ([1, 2, 3, 4], True, 4)
    assert read(4, MemoryRoom(100, 3 * size)) == ([5, 6, 7], True, 7)
    assert read(7, MemoryRoom(100, 0)) == ([], True, 7)
    assert read(7, MemoryRoom(100, 0, alone=True)) == ([8], True, 8)
    assert read(8, MemoryRoom(100, 1 << 20)) == ([9], False, 9)


@pytest.mark.parametrize(("boot", "left_s"), [("a", 50.0), ("b", 59.0), ("", 59.0)])
def test_on_the_same_boot_a_time_limit_is_measured_by_its_clock_else_by_the_wall_clock(open_store, boot, left_s):
    open_store().do(insert(1, at=moment(boot="a"), expires_s=60.0))
    later = Moment(500.0, NOW_NS + 10**9, 60.0, boot, 1010.0)  # ten seconds later; the wall clock says one
    [restored] = open_store(later).found.tasks
    assert restored.task.deadline - 500.0 == pytest.approx(left_s)


def test_a_delay_is_never_longer_than_a_day_though_the_wall_clock_was_set_back(open_store):
    fixture = open_store()
    fixture.do(insert(1), partial(task_rows.delayed, task=task(1), attempt=1, in_s=5.0, why="w", moment=moment()))
    [restored] = open_store(Moment(500.0, 0, 60.0)).found.tasks
    assert restored.in_s == DAY_S


@pytest.mark.parametrize("expires_s", [1e10, 1e300, 7.4e9])
def test_a_time_limit_beyond_all_bounds_is_stored_as_the_greatest_possible(open_store, expires_s):
    fixture = open_store()
    assert fixture.do(insert(1, expires_s=expires_s)) == [new(1)]
    assert fixture.do(row(1))[0][0]["expires_ns"] > NOW_NS


def test_an_end_is_written_once(open_store):
    fixture = open_store()
    value = Reply(task(1), {"a": b"1"})
    assert fixture.do(insert(1), end(1, message=value), failed(1)) == [new(1), (True, ""), (False, "")]
    [(row_, _)] = fixture.do(row(1))
    assert (row_["state"], row_["value"], row_["kept"]) == ("done", {"a": b"1"}, True)


def test_a_task_that_is_posted_twice_is_stored_once(open_store):
    again = (task_rows.PostingOutcome(task(1), "queued", new=False), "")
    assert open_store().do(insert(1), insert(1)) == [new(1), again]


def test_a_key_means_the_task_that_has_it_also_within_one_commit(open_store):
    fixture = open_store()
    first, second, third = fixture.do(insert(1, key="k"), insert(2, key="k"), insert(3))
    assert (first, third) == (new(1), new(3))
    assert second == (task_rows.PostingOutcome(task(1), "queued", new=False), "")
    assert fixture.do(row(2)) == [(None, "")]


def test_a_key_is_free_when_its_task_was_not_written_was_dropped_or_is_too_old(open_store):
    fixture = open_store()

    def fails(connection):
        insert(1, key="k")(connection)
        raise ValueError("no")

    assert fixture.do(fails, insert(2, key="k"))[1] == new(2)
    assert fixture.do(failed(2), partial(task_rows.drop, task=task(2)), insert(3, key="k"))[2] == new(3)
    assert fixture.do(insert(4, DAY_S - 1, key="k"))[0][0].task == task(3)
    assert fixture.do(insert(5, DAY_S, key="k")) == [new(5)]
    assert fixture.do(row(3))[0][0]["key"] is None


def test_without_room_only_known_tasks_are_returned(open_store):
    fixture = open_store()
    full = partial(task_rows.post, moment=moment(), keep_s=DAY_S, room=False)
    fixture.do(insert(1, key="k"))
    outcomes = fixture.do(
        *[
            partial(full, posting=known_posting)
            for known_posting in (posting(1), posting(2, key="k"), posting(3), posting(4, key="j"))
        ]
    )
    known = (task_rows.PostingOutcome(task(1), "queued", new=False), "")
    assert outcomes == [known, known, (None, ""), (None, "")]
    assert fixture.do(row(3)) == [(None, "")]


def test_many_jobs_are_one_commit(open_store):
    fixture = open_store()
    before = fixture.database.commits
    fixture.do(*[insert(number) for number in range(1, 301)])
    assert fixture.database.commits - before <= 30


def test_dead_letters_are_counted(open_store):
    fixture = open_store()
    fixture.do(insert(1), failed(1), insert(2), end(2), insert(3))
    assert fixture.do(dead_letters.count) == [(1, "")]


def test_failed_tasks_are_dead_letters_that_can_be_read_dropped_and_posted_again(open_store):
    fixture = open_store()
    fixture.do(insert(1), failed(1), insert(2))
    letter = partial(dead_letters.read, new_id=task(9))
    [(rows, _), (again, _), (none, _)] = fixture.do(
        partial(task_rows.rows, state="failed", service=None, most=10),
        partial(letter, task=task(1)),
        partial(letter, task=task(2)),
    )
    assert [listed["task"] for listed in rows] == [task(1)]
    assert (again.id, again.key, again.service, again.action, unpack(again.args)) == (
        task(9),
        None,
        "nepse",
        "x",
        {"n": 1},
    )
    assert (again.retries, again.expires_s, again.priority, none) == (3, math.inf, 1, None)
    assert fixture.do(partial(task_rows.drop, task=task(1)), partial(task_rows.drop, task=task(2))) == [(True, ""), (False, "")]


def test_a_row_has_the_reason_of_the_end_for_every_attempt(open_store):
    fixture = open_store()
    failure = Error(task(1), "CRASHED", "it broke", {"attempts": 1, "troubles": ["w: CRASHED: it broke"]})
    late = Error(task(2), "EXPIRED", "not done within 1 s", {"attempts": 0, "troubles": []})
    fixture.do(insert(1), insert(2), insert(3))
    fixture.do(partial(task_rows.delayed, task=task(3), attempt=1, in_s=0.0, why="w: 429", moment=moment()))
    fixture.do(end(1, "failed", failure), end(2, "expired", late), end(3))
    [(rows, _)] = fixture.do(partial(task_rows.rows, state=None, service=None, most=10))
    assert {listed["state"]: listed["trouble"] for listed in rows} == {
        "failed": "w: CRASHED: it broke",
        "expired": "EXPIRED: not done within 1 s",
        "done": "w: 429",  # of an attempt before
    }


def test_tasks_are_listed_the_newest_first_of_a_state_a_service_or_both(open_store):
    fixture = open_store()
    fixture.do(*[insert(number, -number) for number in range(1, 9)])  # the wall clock ran backwards
    fixture.do(*[lambda connection: connection.execute("UPDATE tasks SET service = 'fx' WHERE rowid % 2")])
    fixture.do(failed(2), failed(3), end(5))

    def listed(state, service, most=10):
        [(rows, why)] = fixture.do(partial(task_rows.rows, state=state, service=service, most=most))
        assert not why
        return [int.from_bytes(listed_row["task"], "big") for listed_row in rows]

    assert listed(None, None) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert listed(None, None, 2) == [8, 7]
    assert listed("failed", None) == [3, 2]
    assert listed(None, "fx") == [7, 5, 3, 1]
    assert listed(None, "fx", 3) == [7, 5, 3]
    assert listed("failed", "fx") == [3]
    assert listed("done", "nepse") == []


def test_retention_uses_the_brokers_clock_deletes_some_rows_at_a_time_and_is_counted(open_store):
    fixture = open_store()
    fixture.do(insert(1, key="k"), insert(2), insert(3), insert(4))
    fixture.do(end(1, later_s=10), failed(2, later_s=10), end(3, later_s=20))
    keep = RowRetention(result_s=100, key_s=200, dead_s=300)

    def clean(later_s, most=10):
        now = moment(later_s, age_s=50 + later_s)
        [(gone, why)] = fixture.do(partial(row_retention.clean, keep=keep, age_s=now.age_s, most=most))
        assert not why
        return gone

    assert clean(110) == ({}, False)
    assert clean(111) == ({"answers": 1}, False)
    (first, _), (two, _) = fixture.do(row(1), row(2))
    assert (first["kept"], first["value"], first["key"], two["kept"]) == (False, None, "k", True)
    assert clean(201) == ({"answers": 1, "keys": 1}, False)
    assert clean(500, most=1) == ({"rows": 1, "dead_letters": 1}, True)
    assert clean(500, most=1) == ({"rows": 1}, True)
    assert clean(500) == ({}, False)
    assert [value and value["state"] for value, _ in fixture.do(row(1), row(2), row(3), row(4))] == [None, None, None, "queued"]


def test_an_age_from_the_future_counts_from_now_on_some_rows_at_a_time(open_store):
    fixture = open_store()
    fixture.do(insert(1, 10_000, key="k"), end(1, later_s=10_000), insert(2), failed(2, later_s=10_000))
    fixture.do(insert(3), end(3, later_s=10_000), insert(4))
    clean = partial(row_retention.clean, keep=RowRetention(result_s=100, key_s=200, dead_s=300))
    assert fixture.do(partial(clean, age_s=60.0, most=1)) == [(({}, True), "")]
    assert fixture.do(partial(clean, age_s=70.0, most=1)) == [(({}, True), "")]
    assert fixture.do(partial(clean, age_s=80.0, most=1)) == [(({}, False), "")]
    ages = [
        lambda connection: connection.execute("SELECT posted_age_s, ended_age_s FROM tasks WHERE +ended_ns NOTNULL").fetchall()
    ]
    assert fixture.do(*ages) == [([(60.0, 60.0), (50.0, 60.0), (50.0, 70.0)], "")]
    assert fixture.do(partial(clean, age_s=171.0, most=10)) == [(({"answers": 2}, False), "")]

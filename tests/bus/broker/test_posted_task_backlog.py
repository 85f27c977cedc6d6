"""Accepted tasks that the broker has no room for, and those of a broker that was stopped."""

import sqlite3
import time

import pytest
from msgspec.structs import replace
from waiting import eventually

from hulak.bus.broker.storage.database_file import DatabaseFile


@pytest.mark.parametrize("bounds", [{"max_tasks": 2}, {"max_task_bytes": 1 << 16, "max_message_bytes": 1 << 16}])
def test_tasks_above_the_bound_wait_in_the_store_and_are_read_when_there_is_room(start, bounds):
    before = start()
    tasks = [before.post(args={"data": bytes(30_000)})["task"] for _ in range(5)]
    before.close()
    fixture = start(**bounds)
    assert list(fixture.dispatcher.tasks) == tasks[:2]
    assert fixture.posted_tasks.stats()["behind"]
    assert fixture.post() == "BUSY"  # those come first
    assert fixture.ask("result", task=tasks[4])["state"] == "queued"
    waits = fixture.send("result", task=tasks[2], wait_ms=60_000)
    assert fixture.ask("cancel", task=tasks[2])["state"] == "cancelled"
    fixture.until(lambda: fixture.answers_to(waits))
    assert fixture.answers_to(waits)[0].value["state"] == "cancelled"
    done = []
    for task in (tasks[0], tasks[1], tasks[3], tasks[4]):
        fixture.beat()
        fixture.until(lambda task=task: task in fixture.dispatcher.tasks)
        fixture.work(task)
        done.append(task)
    fixture.beat()
    fixture.until(lambda: not fixture.posted_tasks.stats()["behind"])
    assert fixture.post()["new"]
    assert (fixture.dispatcher.counters["done"], fixture.posted_tasks.stats()["restored"]) == (4, 4)


def test_a_task_that_is_cancelled_during_its_read_is_not_done(start):
    before = start()
    tasks = [before.post()["task"] for _ in range(3)]
    before.close()
    fixture = start(max_tasks=1)
    fixture.posted_tasks.backlog.dispatcher.policy = replace(fixture.dispatcher.policy, max_tasks=10)
    fixture.carry_out(fixture.posted_tasks.backlog.read_more())  # the reading is under way
    assert fixture.ask("cancel", task=tasks[1])["state"] == "cancelled"
    assert set(fixture.dispatcher.tasks) == {tasks[0], tasks[2]}


def test_a_task_whose_time_ended_while_no_broker_ran_has_expired(start):
    before = start()
    task = before.post(expires_s=0.01)["task"]
    other = before.post()["task"]
    before.close()
    eventually(lambda: time.monotonic() > before.dispatcher.tasks[task].deadline, within_s=10)
    fixture = start()
    assert list(fixture.dispatcher.tasks) == [other]
    row = fixture.ask("result", task=task, wait_ms=1000)
    assert (row["state"], row["error"]["code"], row["attempt"]) == ("expired", "EXPIRED", 0)


def test_a_disk_that_cannot_be_written_at_the_start_is_tried_again_and_then_tasks_are_read(start, monkeypatch):
    before = start()
    task = before.post()["task"]
    before.close()
    real, full = DatabaseFile.prepare, [True]

    def prepare(self):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        real(self)

    monkeypatch.setattr(DatabaseFile, "prepare", prepare)
    fixture = start()
    assert (fixture.posted_tasks.stats()["state"], fixture.posted_tasks.stats()["why"]) == ("failed", "database or disk is full")
    assert [fixture.post(), fixture.ask("result", task=task)] == ["STORE_FAILED"] * 2
    full[0] = False
    fixture.until(lambda: task in fixture.dispatcher.tasks)
    fixture.until(lambda: fixture.posted_tasks.stats()["state"] == "live")
    assert fixture.post()["new"]
    assert fixture.posted_tasks.stats()["restored"] == 1

"""Writes of posted tasks: one job for those of one iteration, the end and its row in one transaction, no cycles of garbage."""

import contextlib
import gc
import sqlite3
import time

import structlog
from posted_task_fixture import PostedTaskFixture

from hulak.bus.backoff import Backoff
from hulak.bus.broker.posted_task_service import AGAIN_S, PostedTaskService, policy_of
from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.store_effects import Post
from hulak.bus.core.effects import Asker, Begun, Ended
from hulak.bus.core.journal.broker_clock import Ages
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Reply

TASKS = [bytes([number]) * 16 for number in range(1, 7)]
TASK = b"t" * 16


def make_service(folder):
    settings, now = Settings(), time.monotonic()
    dispatcher = Dispatcher(7, policy_of(settings), Backoff(0.5, 60.0, lambda: 0.5), now)
    return PostedTaskService(settings, Database(folder), Ages(0.0, now), dispatcher, structlog.get_logger())


def test_what_is_written_of_a_task_is_freed_without_the_garbage_collector(tmp_path):
    service = make_service(tmp_path)
    effects = [Begun(TASK, 1, "w"), Ended(TASK, "done", 1, Reply(TASK, 5))]
    gc.collect()
    gc.disable()
    try:
        for effect in effects:
            [store] = service.writers[type(effect)]([effect])
            assert store.then([None], "") == []
            del store
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_transaction_that_ends_a_task_reads_its_row_if_requested(tmp_path):
    service = make_service(tmp_path)
    service.database.open()
    moment = Moment(5.0, 7, 5.0)
    with contextlib.closing(service.database.file.connect()) as connection:
        task_rows.post(connection, Posting(TASK, None, "s", "a", pack({}), 3, 60.0), moment, 1000.0)

        def end(connection):
            assert task_rows.ended(connection, TASK, "done", 1, Reply(TASK, 5), moment)

        row = task_rows.end_and_read(connection, end, TASK, wanted=True)
        assert (row["task"], row["state"], row["attempt"], row["ended_ns"], row["value"]) == (TASK, "done", 1, 7, 5)
        assert row == task_rows.read(connection, TASK)
        assert task_rows.end_and_read(connection, lambda _: False, TASK, wanted=False) is None
        assert task_rows.end_and_read(connection, lambda _: False, b"u" * 16, wanted=True) is None


def test_an_answer_that_cannot_be_read_again_takes_no_end_back(tmp_path):
    service = make_service(tmp_path)
    service.database.open()
    moment = Moment(5.0, 7, 5.0)
    with contextlib.closing(service.database.file.connect()) as connection:
        task_rows.post(connection, Posting(TASK, None, "s", "a", pack({}), 3, 60.0), moment, 1000.0)

        def end(connection):
            task_rows.ended(connection, TASK, "done", 1, Reply(TASK, 5), moment)
            connection.execute("UPDATE tasks SET answer = ? WHERE id = ?", (b"\xc1", TASK))

        assert task_rows.end_and_read(connection, end, TASK, wanted=True) is None
        assert connection.execute("SELECT state FROM tasks").fetchall() == [("done",)]


def unwritable(real, number):
    """Return a function that fails for one task."""

    def write(*args):
        if TASKS[number] in args or TASKS[number] == getattr(args[0], "id", None):
            raise sqlite3.IntegrityError("not this one")
        return real(*args)

    return write


def test_posts_of_one_iteration_are_one_job_and_one_that_cannot_be_written_does_not_affect_the_others(tmp_path, monkeypatch):
    fixture = PostedTaskFixture(tmp_path)
    monkeypatch.setattr(task_rows, "new_values", unwritable(task_rows.new_values, 1))
    jobs = []
    put = fixture.database.put
    monkeypatch.setattr(fixture.database, "put", lambda job, then: jobs.append(job) or put(job, then))
    fixture.carry_out([Post(Asker(b"c", task), Posting(task, None, "s", "a", pack({}), 3, 60.0)) for task in TASKS])
    assert [job.size for job in jobs] == [len(TASKS)]
    fixture.until(lambda: len(fixture.answers) == len(TASKS))
    fixture.close()
    codes = {message.id: getattr(message, "code", "") for _, message in fixture.answers}
    assert codes == {task: "STORE_FAILED" if task == TASKS[1] else "" for task in TASKS}
    assert set(fixture.dispatcher.tasks) == {*TASKS} - {TASKS[1]}
    assert (fixture.posted_tasks.posts.coming, fixture.posted_tasks.posts.coming_bytes) == (0, 0)


def test_a_bug_behind_posts_is_answered_to_each_client(tmp_path, monkeypatch):
    fixture = PostedTaskFixture(tmp_path)
    monkeypatch.setattr(fixture.dispatcher, "accept", None)
    fixture.carry_out([Post(Asker(b"c", task), Posting(task, None, "s", "a", pack({}), 3, 60.0)) for task in TASKS])
    fixture.until(lambda: len(fixture.answers) == len(TASKS))
    fixture.close()
    assert {(message.id, message.code) for _, message in fixture.answers} == {(task, "INTERNAL") for task in TASKS}


def test_an_end_that_cannot_be_written_is_tried_again_and_does_not_delay_the_others_for_longer(tmp_path, monkeypatch):
    fixture = PostedTaskFixture(tmp_path)
    fixture.carry_out([Post(Asker(b"c", task), Posting(task, None, "s", "a", pack({}), 3, 60.0)) for task in TASKS])
    fixture.until(lambda: len(fixture.answers) == len(TASKS))
    asked = {fixture.send("result", task=task, wait_ms=60_000): task for task in TASKS}
    fixture.settle()
    fixture.answers.clear()
    monkeypatch.setattr(task_rows, "end_values", unwritable(task_rows.end_values, 1))
    fixture.carry_out([Ended(task, "done", 1, Reply(task, 5)) for task in TASKS])
    fixture.until(lambda: fixture.posted_tasks.again)
    fixture.beat(time.monotonic() + AGAIN_S)
    fixture.until(lambda: len(fixture.answers) == len(TASKS) - 1 and fixture.posted_tasks.again)
    monkeypatch.undo()
    fixture.beat(time.monotonic() + AGAIN_S)
    fixture.until(lambda: len(fixture.answers) == len(TASKS))
    fixture.close()
    assert {asked[message.id]: message.value["state"] for _, message in fixture.answers} == dict.fromkeys(TASKS, "done")
    assert [asked[message.id] for _, message in fixture.answers][-1] == TASKS[1]

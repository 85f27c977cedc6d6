"""Writes of posted tasks: the end and its row in one transaction, and no cycles for the garbage collector."""

import contextlib
import gc
import time

import structlog

from hulak.bus.backoff import Backoff
from hulak.bus.broker.posted_task_service import PostedTaskService, policy_of
from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database import Database
from hulak.bus.core.effects import Begun, Ended
from hulak.bus.core.journal.broker_clock import Ages
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Reply

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
            store = service.note(effect)
            assert store.then(None, "") == []
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

"""The service of posted tasks around a real database: accepted tasks are stored, once; tasks without room wait."""

import contextlib
import socket
import sqlite3
import threading
import time

from waiting import eventually

from hulak.bus.broker import posted_task_service
from hulak.bus.broker.posted_task_service import AGAIN_S
from hulak.bus.broker.socket_monitor import PeerConnection
from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.storage.database_file import DatabaseFile
from hulak.bus.broker.store_effects import ReadTask
from hulak.bus.core.effects import Asker
from hulak.bus.core.journal.broker_clock import Ages
from hulak.bus.wire.messages import Error, Ready, Reply, Request


def row_of(folder, task):
    """Read a task's row as another process would: uncommitted rows are not visible."""
    with contextlib.closing(sqlite3.connect(folder / "tasks.db")) as other:
        return other.execute("SELECT service, state FROM tasks WHERE id = ?", (task,)).fetchone()


class FailingConnection:
    """A connection whose transactions cannot be committed while the disk is full."""

    is_full = True

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)

    def execute(self, statement, *args):
        if self.is_full and statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._real.execute(statement, *args)


def test_a_task_is_accepted_when_it_is_committed_and_not_before(start, tmp_path, monkeypatch):
    fixture = start()
    task, seen, put, accept = b"p" * 16, [], fixture.put, fixture.dispatcher.accept

    def accepts(now, tasks):
        seen.extend([("accept", row_of(tmp_path, each.id)) for each in tasks])
        return accept(now, tasks)

    monkeypatch.setattr(fixture.dispatcher, "accept", accepts)
    monkeypatch.setattr(fixture, "put", lambda effects: seen.append(("answer", row_of(tmp_path, task))) or put(effects))
    fixture.send("post", task, service="s", action="a")
    seen.clear()  # of the effect that puts the job in
    eventually(lambda: row_of(tmp_path, task), within_s=10)
    assert (seen, fixture.answers, fixture.dispatcher.tasks) == ([], [], {}), "it is committed, and not yet reported"
    fixture.until(lambda: fixture.answers)
    assert seen == [("accept", ("s", "queued")), ("answer", ("s", "queued"))]
    assert list(fixture.dispatcher.tasks) == [task]


def test_a_task_that_cannot_be_committed_is_refused_and_not_dispatched_and_can_be_posted_again(start, tmp_path, monkeypatch):
    fixture = start()
    real = DatabaseFile.connect
    monkeypatch.setattr(DatabaseFile, "connect", lambda file: FailingConnection(real(file)))
    asked = [fixture.send("post", service="s", key="k"), fixture.send("post", service="s")]
    fixture.until(lambda: len(fixture.answers) == 2)
    for task in asked:
        [error] = fixture.answers_to(task)
        assert (error.code, error.text) == ("STORE_FAILED", "the task was not accepted: database or disk is full")
        assert row_of(tmp_path, task) is None
    assert (fixture.dispatcher.tasks, fixture.posted_tasks.stats()["state"]) == ({}, "failed")
    assert (fixture.posted_tasks.posts.coming, fixture.posted_tasks.posts.coming_bytes) == (0, 0)
    monkeypatch.setattr(FailingConnection, "is_full", False)
    eventually(lambda: fixture.post(request_id=asked[0], key="k") != "STORE_FAILED", within_s=10)
    assert fixture.answers_to(asked[0])[-1].value == {"task": asked[0], "state": "queued", "new": True}
    assert list(fixture.dispatcher.tasks) == asked[:1]


def test_a_restarted_broker_finds_the_accepted_tasks_and_none_that_was_refused(start, monkeypatch):
    before = start(max_tasks=2)
    accepted = [before.post(priority=2)["task"], before.post(args={"n": 1}, retries=7)["task"]]
    assert before.post() == "BUSY"
    before.close()
    fixture = start()
    assert [(task.id, task.priority, task.posted) for task in fixture.dispatcher.tasks.values()] == [
        (accepted[0], 2, True),
        (accepted[1], 1, True),
    ]
    assert fixture.dispatcher.tasks[accepted[1]].retries == 7
    assert fixture.post(request_id=accepted[0])["new"] is False
    assert fixture.posted_tasks.stats()["restored"] == 2


def test_the_end_of_a_task_is_written_before_waiting_clients_are_answered_and_retried_until_it_is(start, tmp_path, monkeypatch):
    fixture = start()
    task = fixture.post()["task"]
    waits = fixture.send("result", task=task, wait_ms=60_000)
    fixture.settle()
    assert fixture.answers_to(waits) == []
    real, is_full = task_rows.ended, [True]

    def ended(*args, **kwargs):
        if is_full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        real(*args, **kwargs)

    monkeypatch.setattr(task_rows, "ended", ended)
    fixture.carry_out(fixture.dispatcher.cancel(task))
    fixture.settle()
    is_full[0] = False
    assert (fixture.answers_to(waits), row_of(tmp_path, task)) == ([], ("s", "queued"))
    monkeypatch.setattr(posted_task_service, "RowsRead", None)  # not needed: the transaction that ends a task reads its row
    fixture.beat(time.monotonic() + AGAIN_S)
    fixture.until(lambda: fixture.answers_to(waits))
    assert (fixture.answers_to(waits)[0].value["state"], row_of(tmp_path, task)) == ("cancelled", ("s", "cancelled"))


def test_a_result_asked_for_while_the_end_is_written_is_answered_by_that_transaction(start, monkeypatch):
    fixture = start()
    task = fixture.post()["task"]
    held = threading.Event()
    fixture.database.put(lambda _: held.wait(30), lambda *_: None)  # the end is queued meanwhile
    fixture.carry_out(fixture.dispatcher.cancel(task))
    assert task not in fixture.dispatcher.tasks
    monkeypatch.setattr(posted_task_service, "RowsRead", None)
    waits = fixture.send("result", task=task, wait_ms=60_000)
    held.set()
    fixture.until(lambda: fixture.answers_to(waits))
    assert fixture.answers_to(waits)[0].value["state"] == "cancelled"
    assert not fixture.posted_tasks.ending


def test_a_result_asked_for_while_the_end_is_committed_is_read_behind_it(start, monkeypatch):
    fixture = start()
    task = fixture.post()["task"]
    read, asked = threading.Event(), threading.Event()
    is_wanted = fixture.posted_tasks._is_wanted

    def slow(ended):
        wanted = is_wanted(ended)
        read.set()
        asked.wait(30)
        return wanted

    monkeypatch.setattr(fixture.posted_tasks, "_is_wanted", slow)
    fixture.carry_out(fixture.dispatcher.cancel(task))
    assert read.wait(30)
    waits = fixture.send("result", task=task, wait_ms=60_000)
    assert task not in fixture.posted_tasks.waiters  # its read is queued: it need not wait for the callback of the end
    asked.set()
    fixture.until(lambda: fixture.answers_to(waits))
    assert fixture.answers_to(waits)[0].value["state"] == "cancelled"


def test_results_asked_for_together_are_read_by_one_job(start, tmp_path):
    fixture = start()
    tasks = [fixture.post()["task"] for _ in range(4)]
    for task in tasks:
        fixture.work(task)
    with contextlib.closing(sqlite3.connect(tmp_path / "tasks.db")) as connection, connection:
        connection.execute("UPDATE tasks SET answer = x'c1' WHERE id = ?", (tasks[1],))
    asked = [Asker(b"c", b"%016d" % number) for number in range(5)]
    fixture.carry_out([ReadTask(asker, task) for asker, task in zip(asked, [*tasks, b"u" * 16], strict=True)])
    fixture.until(lambda: len(fixture.answers) >= 4 + 5)
    answers = [fixture.answers_to(asker.request)[0] for asker in asked]
    assert [answer.value["task"] for answer in answers if isinstance(answer, Reply)] == [tasks[0], tasks[2], tasks[3]]
    assert [answer.code for answer in answers if isinstance(answer, Error)] == ["STORE_FAILED", "UNKNOWN_TASK"]
    [store] = fixture.posted_tasks.writers[ReadTask]([ReadTask(asker, task) for asker, task in zip(asked, tasks, strict=False)])
    assert store.job.size == 4


def test_a_request_for_a_result_expires_in_time_but_not_for_a_client_that_is_gone(start):
    fixture = start()
    task = fixture.post()["task"]
    here, there = socket.socketpair()
    connection = PeerConnection.of(here.fileno())
    gone = fixture.send("result", task=task, wait_ms=1000, connection=connection)
    waits = fixture.send("result", task=task, wait_ms=1000)
    for end in (here, there):
        end.close()
    assert fixture.posted_tasks.stats()["waiters"] == 2
    fixture.beat()
    assert fixture.posted_tasks.stats()["waiters"] == 1
    fixture.beat(time.monotonic() + 2)
    fixture.until(lambda: fixture.answers_to(waits))
    assert fixture.answers_to(waits)[0].value["state"] == "queued"
    assert (fixture.answers_to(gone), fixture.posted_tasks.stats()["waiters"]) == ([], 0)


def test_two_posts_of_one_key_that_come_together_are_one_task_whether_the_first_is_stored_or_not(start):
    fixture = start()
    fixture.database.put(lambda _: None, lambda *_: None)
    first, second = (fixture.send("post", service="s", key="k") for _ in range(2))
    fixture.until(lambda: len(fixture.answers) == 2)
    assert fixture.answers_to(first)[0].value == {"task": first, "state": "queued", "new": True}
    assert fixture.answers_to(second)[0].value == {"task": first, "state": "queued", "new": False}
    assert list(fixture.dispatcher.tasks) == [first]


def test_a_key_whose_task_was_dropped_is_free(start):
    fixture = start()
    first = fixture.post(key="k")["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    assert fixture.ask("drop", task=first) is True
    again = fixture.post(key="k")
    assert again["new"]
    assert again["task"] in fixture.dispatcher.tasks
    assert fixture.ask("result", task=again["task"])["state"] == "running"


def test_an_accepted_task_is_posted_again_after_its_row_was_dropped_and_the_request_is_repeated(start):
    fixture = start()
    first = fixture.post()["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    fixture.ask("drop", task=first)
    assert fixture.post(request_id=first)["new"]
    assert fixture.ask("result", task=first)["state"] == "running"


def test_a_post_whose_id_is_that_of_a_call_ends_as_a_dead_letter(start):
    fixture = start()
    request = Request(b"i" * 16, "s", "a")
    fixture.dispatcher.request(time.monotonic(), b"c", request)
    assert fixture.post(request_id=request.id)["new"]
    row = fixture.ask("result", task=request.id)
    assert (row["state"], row["error"]["code"]) == ("failed", "BAD_ID")
    assert not fixture.dispatcher.tasks[request.id].posted


def test_a_dead_letter_is_posted_again_once_for_one_request_and_not_without_room(start):
    fixture = start(max_tasks=1)
    first = fixture.post(priority=2)["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(fixture.dispatcher.roster):
        fixture.dispatcher.lost(time.monotonic(), name.identity, "gone")
    blocking = fixture.post(service="nobody")["task"]
    assert fixture.ask("retry", task=first) == "BUSY"
    fixture.ask("cancel", task=blocking)
    again = fixture.send("retry", task=first)
    fixture.until(lambda: fixture.answers_to(again))
    assert fixture.ask("retry", request_id=again, task=first) == {"task": again, "state": "queued", "new": False}
    assert [(queued.id, queued.priority) for queued in fixture.dispatcher.tasks.values()] == [(again, 2)]
    assert fixture.ask("retry", task=b"x" * 16) == "UNKNOWN_TASK"


def dead_letter(fixture):
    """Return the id of a new dead letter; there is no worker any more."""
    first = fixture.post()["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(fixture.dispatcher.roster):
        fixture.dispatcher.lost(time.monotonic(), name.identity, "gone")
    return first


def test_a_dead_letter_is_posted_again_once_however_many_ask_and_once_more_when_that_task_did_not_end_well(start):
    fixture = start(max_tasks=2)
    first = dead_letter(fixture)
    assert fixture.ask("result", task=first)["retried_as"] is None
    answers = [fixture.ask("retry", task=first) for _ in range(3)]
    assert [answer["new"] for answer in answers] == [True, False, False]
    (again,) = {answer["task"] for answer in answers}
    assert list(fixture.dispatcher.tasks) == [again]
    assert [listed["retried_as"] for listed in fixture.ask("tasks", service="s")] == [None, again]
    fixture.ask("cancel", task=again)
    later = fixture.ask("retry", task=first)
    assert later["new"]
    assert fixture.ask("result", task=first)["retried_as"] == later["task"] != again
    fixture.work(later["task"], 1)
    assert fixture.ask("retry", task=first) == {"task": later["task"], "state": "done", "new": False}


def test_a_dead_letter_that_is_dropped_while_it_is_posted_again_is_not_posted(start):
    fixture = start()
    first = dead_letter(fixture)
    retry, drop = fixture.send("retry", task=first), fixture.send("drop", task=first)  # it is read, dropped, and then posted
    fixture.until(lambda: fixture.answers_to(retry) and fixture.answers_to(drop))
    assert (fixture.answers_to(retry)[0].code, fixture.answers_to(drop)[0].value) == ("UNKNOWN_TASK", True)
    assert not fixture.dispatcher.tasks
    assert fixture.ask("tasks") == []


def test_a_full_queue_still_answers_for_known_tasks(start):
    fixture = start(max_tasks=1)
    first = fixture.post(key="k")["task"]
    assert fixture.post() == "BUSY"
    assert fixture.post(key="k") == {"task": first, "state": "queued", "new": False}
    assert fixture.post(request_id=first)["new"] is False


def test_arguments_are_bounded_by_bytes_those_being_written_included(start):
    fixture = start(max_task_bytes=1 << 16, max_message_bytes=1 << 16)
    asked = [fixture.send("post", service="s", args={"data": bytes(30_000)}) for _ in range(3)]
    fixture.until(lambda: len(fixture.answers) == 3)
    assert [type(fixture.answers_to(id_)[0]) for id_ in asked] == [Reply, Reply, Error]
    refused = fixture.answers_to(asked[2])[0]
    assert (refused.code, refused.details) == ("BUSY", {"retry_after_ms": 1000})
    assert "max_task_bytes" in refused.text
    fixture.ask("cancel", task=asked[0])
    assert fixture.post(args={"data": bytes(30_000)})["new"]
    assert (fixture.posted_tasks.posts.coming, fixture.posted_tasks.posts.coming_bytes) == (0, 0)


def test_a_bug_in_a_callback_is_answered_counted_and_ends_nothing(start, monkeypatch):
    fixture = start()
    with monkeypatch.context() as patch:
        patch.setattr(fixture.dispatcher, "accept", None)  # a bug
        assert fixture.post() == "INTERNAL"
    assert fixture.post()["new"]
    assert fixture.guard.total == 1


def test_a_store_whose_thread_ended_is_never_live(start, monkeypatch):
    fixture = start()
    monkeypatch.setattr(fixture.database, "_commit", None)  # a bug
    fixture.send("post", service="s")
    eventually(lambda: fixture.posted_tasks.stats()["state"] == "failed", within_s=10)
    assert "TypeError" in fixture.posted_tasks.stats()["why"]


def test_old_rows_are_deleted_a_bounded_number_at_a_time_and_counted(start):
    fixture = start()
    for _ in range(3):
        fixture.work(fixture.post()["task"])
    fixture.posted_tasks.ages = Ages(10**9, time.monotonic())
    for beat in range(2):
        fixture.beat(time.monotonic() + 1000 * beat)
        fixture.until(lambda beat=beat: fixture.posted_tasks.stats()["let_go"].get("rows" if beat else "answers") == 3)
    assert fixture.ask("tasks") == []


def test_a_beginning_that_could_not_be_written_in_time_does_not_undo_the_end(start, monkeypatch):
    fixture = start()
    task, is_full = fixture.post()["task"], [True]

    def begun(*_):
        if is_full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        return real(*_)

    real = task_rows.begun
    monkeypatch.setattr(task_rows, "begun", begun)
    fixture.carry_out(fixture.dispatcher.ready(time.monotonic(), b"w", Ready("s", "w", 100)))
    fixture.until(lambda: fixture.posted_tasks.again)
    is_full[0] = False
    fixture.work(task)
    fixture.beat(time.monotonic() + 60)
    fixture.settle()
    assert not fixture.posted_tasks.again
    assert fixture.ask("result", task=task)["state"] == "done"
    assert list(start().dispatcher.tasks) == [], "it would run again"

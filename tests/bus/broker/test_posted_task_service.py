"""The broker's desk of posted tasks around a real store: what is accepted is there, once; what there is no room for waits."""

import itertools
import sqlite3
import time
from dataclasses import replace

import pytest
import structlog
from request_arguments import arguments
from waiting import eventually

from bus.backoff import Backoff
from bus.broker.bug_guard import BugGuard
from bus.broker.posted_task_service import PostedTaskService, policy_of
from bus.broker.storage.database_file import DatabaseFile
from bus.core.effects import Begun, Delayed, Ended
from bus.core.journal.broker_clock import Ages
from bus.core.tasks.bulk_dispatch import BulkDispatcher
from bus.errors import ProtocolError
from bus.process.settings import BrokerSettings, Settings
from bus.wire.messages import Error, Ready, Reply, Request, Result

NO_LOG = structlog.get_logger()
COUNT = itertools.count()  # of requests


class Office:
    """A task desk, its dispatcher, and what clients were answered."""

    def __init__(self, folder, **bounds):
        settings = Settings(broker=BrokerSettings(**bounds))
        now = time.monotonic()
        self.dispatcher = BulkDispatcher(7, policy_of(settings), Backoff(0.5, 60.0, lambda: 0.5), now)
        self.answers = {}
        self.breaks = False
        self.guard = BugGuard(NO_LOG)
        self.desk = PostedTaskService(
            settings, folder, Ages(0.0, now), self.dispatcher, self.answer, self.carry_out, self.guard, NO_LOG
        )
        self.desk.database.start()

    def answer(self, client, message):
        self.answers.setdefault(message.id, []).append(message)
        return True

    def carry_out(self, effects, now):
        if self.breaks:
            raise ZeroDivisionError("a bug")
        for effect in effects:
            if isinstance(effect, Begun | Delayed | Ended):
                self.desk.note(effect)

    def send(self, control, request_id=None, **args):
        """Ask; returns the request's id."""
        request_id = request_id or b"%016d" % next(COUNT)
        request = Request(request_id, f"hulak.{control}", "", args)
        try:
            self.desk.services[request.service](b"c", request, arguments(request.service, **args), time.monotonic())
        except ProtocolError as error:
            self.answer(b"c", Error(request.id, error.code, str(error)))
        return request_id

    def ask(self, control, request_id=None, **args):
        """Ask, and give the value or the code of the answer."""
        asked = self.send(control, request_id, **args)
        before = len(self.answers.get(asked, ())) if request_id else 0
        self.until(lambda: len(self.answers.get(asked, ())) > before)
        [*_, message] = self.answers[asked]
        return message.value if isinstance(message, Reply) else message.code

    def until(self, condition):
        eventually(lambda: self.desk.database.finished() or condition(), within_s=10, every_s=0.001)

    def post(self, **args):
        return self.ask("post", **{"service": "s", "action": "a", **args})

    def work(self, task, value=5, *, done=True):
        """Have a worker do a task that is queued."""
        name = task.hex()[-8:]
        now = time.monotonic()
        self.carry_out(self.dispatcher.ready(now, name.encode(), Ready("s", name, 100)), now)
        for worker in list(self.dispatcher.roster):
            if task in worker.held:
                self.carry_out(self.dispatcher.result(now, worker.identity, Result(task, worker.held[task], done, value)), now)
        self.until(lambda: self.ask("result", task=task)["ended_ns"])

    def close(self):
        self.desk.close()
        self.desk.database.finished()


@pytest.fixture
def start(tmp_path):
    made = []

    def one(**bounds):
        made.append(Office(tmp_path, **bounds))
        return made[-1]

    yield one
    for office in made:
        office.desk.close()


def test_two_posts_of_one_key_that_come_together_are_one_task_whichever_fate_the_first_has(start):
    office = start()
    office.desk.database.put(lambda _: None, lambda *_: None)
    first, second = (office.send("post", service="s", key="k") for _ in range(2))
    office.until(lambda: len(office.answers) == 2)
    assert office.answers[first][0].value == {"task": first, "state": "queued", "new": True}
    assert office.answers[second][0].value == {"task": first, "state": "queued", "new": False}
    assert list(office.dispatcher.tasks) == [first]


def test_a_key_whose_task_was_dropped_is_free(start):
    office = start()
    first = office.post(key="k")["task"]
    office.work(first, {"code": "X", "text": "x"}, done=False)
    assert office.ask("drop", task=first) is True
    again = office.post(key="k")
    assert again["new"]
    assert again["task"] in office.dispatcher.tasks
    assert office.ask("result", task=again["task"])["state"] == "running"


def test_an_accepted_task_is_there_again_after_its_row_was_dropped_and_the_request_is_repeated(start):
    office = start()
    first = office.post()["task"]
    office.work(first, {"code": "X", "text": "x"}, done=False)
    office.ask("drop", task=first)
    assert office.post(request_id=first)["new"]
    assert office.ask("result", task=first)["state"] == "running"


def test_a_post_whose_id_is_that_of_a_call_ends_as_a_dead_letter(start):
    office = start()
    request = Request(b"i" * 16, "s", "a")
    office.dispatcher.request(time.monotonic(), b"c", request)
    assert office.post(request_id=request.id)["new"]
    row = office.ask("result", task=request.id)
    assert (row["state"], row["error"]["code"]) == ("failed", "BAD_ID")
    assert not office.dispatcher.tasks[request.id].posted


def test_a_dead_letter_is_posted_anew_once_for_one_request_and_not_where_there_is_no_room(start):
    office = start(max_tasks=1)
    first = office.post(priority=2)["task"]
    office.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(office.dispatcher.roster):
        office.dispatcher.lost(time.monotonic(), name.identity, "gone")
    blocking = office.post(service="nobody")["task"]
    assert office.ask("retry", task=first) == "BUSY"
    office.ask("cancel", task=blocking)
    again = office.send("retry", task=first)
    office.until(lambda: office.answers.get(again))
    assert office.ask("retry", request_id=again, task=first) == {"task": again, "state": "queued", "new": False}
    assert [(one.id, one.priority) for one in office.dispatcher.tasks.values()] == [(again, 2)]
    assert office.ask("retry", task=b"x" * 16) == "UNKNOWN_TASK"


def test_a_dead_letter_says_as_which_task_it_was_posted_anew_last(start):
    office = start(max_tasks=2)
    first = office.post()["task"]
    office.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(office.dispatcher.roster):
        office.dispatcher.lost(time.monotonic(), name.identity, "gone")
    assert office.ask("result", task=first)["retried_as"] is None
    told = [office.ask("retry", task=first)["task"] for _ in range(2)]
    assert office.ask("retry", task=first) == "BUSY"
    assert office.ask("result", task=first)["retried_as"] == told[1]
    assert [one["retried_as"] for one in office.ask("tasks", service="s")] == [None, None, told[1]]


def test_a_full_queue_still_tells_of_tasks_that_are_known(start):
    office = start(max_tasks=1)
    first = office.post(key="k")["task"]
    assert office.post() == "BUSY"
    assert office.post(key="k") == {"task": first, "state": "queued", "new": False}
    assert office.post(request_id=first)["new"] is False


def test_arguments_are_bounded_by_bytes_those_on_their_way_included(start):
    office = start(max_task_bytes=1 << 16, max_message_bytes=1 << 16)
    asked = [office.send("post", service="s", args={"data": bytes(30_000)}) for _ in range(3)]
    office.until(lambda: len(office.answers) == 3)
    assert [type(office.answers[one][0]) for one in asked] == [Reply, Reply, Error]
    refused = office.answers[asked[2]][0]
    assert (refused.code, refused.details) == ("BUSY", {"retry_after_ms": 1000})
    assert "max_task_bytes" in refused.text
    office.ask("cancel", task=asked[0])
    assert office.post(args={"data": bytes(30_000)})["new"]
    assert (office.desk.posts.coming, office.desk.posts.coming_bytes) == (0, 0)


@pytest.mark.parametrize("bounds", [{"max_tasks": 2}, {"max_task_bytes": 1 << 16, "max_message_bytes": 1 << 16}])
def test_tasks_beyond_the_bound_wait_in_the_store_and_come_when_there_is_room(start, bounds):
    before = start()
    tasks = [before.post(args={"data": bytes(30_000)})["task"] for _ in range(5)]
    before.close()
    office = start(**bounds)
    assert list(office.dispatcher.tasks) == tasks[:2]
    assert office.desk.stats()["behind"]
    assert office.post() == "BUSY"  # those come first
    assert office.ask("result", task=tasks[4])["state"] == "queued"
    waits = office.send("result", task=tasks[2], wait_ms=60_000)
    assert office.ask("cancel", task=tasks[2])["state"] == "cancelled"
    office.until(lambda: office.answers.get(waits))
    assert office.answers[waits][0].value["state"] == "cancelled"
    done = []
    for task in (tasks[0], tasks[1], tasks[3], tasks[4]):
        office.desk.beat(time.monotonic())
        office.until(lambda task=task: task in office.dispatcher.tasks)
        office.work(task)
        done.append(task)
    office.desk.beat(time.monotonic())
    office.until(lambda: not office.desk.stats()["behind"])
    assert office.post()["new"]
    assert (office.dispatcher.counters["done"], office.desk.stats()["restored"]) == (4, 4)


def test_a_task_that_is_cancelled_while_it_is_read_is_not_done(start):
    before = start()
    tasks = [before.post()["task"] for _ in range(3)]
    before.close()
    office = start(max_tasks=1)
    office.desk.backlog.dispatcher.policy = replace(office.dispatcher.policy, max_tasks=10)
    office.desk.backlog.look()  # the reading is under way
    assert office.ask("cancel", task=tasks[1])["state"] == "cancelled"
    assert set(office.dispatcher.tasks) == {tasks[0], tasks[2]}


def test_a_task_whose_time_was_over_while_no_broker_ran_has_expired(start):
    before = start()
    task = before.post(expires_s=0.01)["task"]
    other = before.post()["task"]
    before.close()
    eventually(lambda: time.monotonic() > before.dispatcher.tasks[task].deadline, within_s=10)
    office = start()
    assert list(office.dispatcher.tasks) == [other]
    row = office.ask("result", task=task, wait_ms=1000)
    assert (row["state"], row["error"]["code"], row["attempt"]) == ("expired", "EXPIRED", 0)


def test_a_disk_that_takes_nothing_at_the_start_is_tried_again_and_tasks_come_then(start, monkeypatch):
    before = start()
    task = before.post()["task"]
    before.close()
    real, full = DatabaseFile.prepare, [True]

    def prepare(self):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        real(self)

    monkeypatch.setattr(DatabaseFile, "prepare", prepare)
    office = start()
    assert (office.desk.stats()["state"], office.desk.stats()["why"]) == ("failed", "database or disk is full")
    assert [office.post(), office.ask("result", task=task)] == ["STORE_FAILED"] * 2
    full[0] = False
    office.until(lambda: task in office.dispatcher.tasks)
    office.until(lambda: office.desk.stats()["state"] == "live")
    assert office.post()["new"]
    assert office.desk.stats()["restored"] == 1


def test_what_goes_wrong_after_a_job_is_answered_counted_and_ends_nothing(start):
    office = start()
    office.breaks = True
    assert office.post() == "INTERNAL"
    office.breaks = False
    assert office.post()["new"]
    assert office.guard.total == 1


def test_a_store_whose_thread_ended_is_never_live(start, monkeypatch):
    office = start()
    monkeypatch.setattr(office.desk.database, "_commit", None)  # a bug
    office.send("post", service="s")
    eventually(lambda: office.desk.stats()["state"] == "failed", within_s=10)
    assert "TypeError" in office.desk.stats()["why"]


def test_old_rows_are_let_go_as_many_at_a_time_as_cost_posts_nothing_and_it_is_told(start):
    office = start()
    for _ in range(3):
        office.work(office.post()["task"])
    office.desk.ages = Ages(10**9, time.monotonic())
    for beat in range(2):
        office.desk.beat(time.monotonic() + 1000 * beat)
        office.until(lambda beat=beat: office.desk.stats()["let_go"].get("rows" if beat else "answers") == 3)
    assert office.ask("tasks") == []

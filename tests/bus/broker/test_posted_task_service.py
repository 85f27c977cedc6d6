"""The service of posted tasks around a real database: what is accepted is there, once; what there is no room for waits."""

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
from bus.core.tasks.dispatcher import Dispatcher
from bus.errors import ProtocolError
from bus.process.settings import BrokerSettings, Settings
from bus.wire.messages import Error, Ready, Reply, Request, Result

NO_LOG = structlog.get_logger()
COUNT = itertools.count()  # of requests


class PostedTaskFixture:
    """The service of posted tasks, its dispatcher, and what clients were answered."""

    def __init__(self, folder, **bounds):
        settings = Settings(broker=BrokerSettings(**bounds))
        now = time.monotonic()
        self.dispatcher = Dispatcher(7, policy_of(settings), Backoff(0.5, 60.0, lambda: 0.5), now)
        self.answers = {}
        self.breaks = False
        self.guard = BugGuard(NO_LOG)
        self.posted_tasks = PostedTaskService(
            settings, folder, Ages(0.0, now), self.dispatcher, self.answer, self.carry_out, self.guard, NO_LOG
        )
        self.posted_tasks.database.start()

    def answer(self, client, message):
        self.answers.setdefault(message.id, []).append(message)
        return True

    def carry_out(self, effects, now):
        if self.breaks:
            raise ZeroDivisionError("a bug")
        for effect in effects:
            if isinstance(effect, Begun | Delayed | Ended):
                self.posted_tasks.note(effect)

    def send(self, control, request_id=None, **args):
        """Ask; returns the request's id."""
        request_id = request_id or b"%016d" % next(COUNT)
        request = Request(request_id, f"hulak.{control}", "", args)
        try:
            self.posted_tasks.services[request.service](b"c", request, arguments(request.service, **args), time.monotonic())
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
        eventually(lambda: self.posted_tasks.database.finished() or condition(), within_s=10, every_s=0.001)

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
        self.posted_tasks.close()
        self.posted_tasks.database.finished()


@pytest.fixture
def start(tmp_path):
    made = []

    def one(**bounds):
        made.append(PostedTaskFixture(tmp_path, **bounds))
        return made[-1]

    yield one
    for fixture in made:
        fixture.posted_tasks.close()


def test_two_posts_of_one_key_that_come_together_are_one_task_whichever_fate_the_first_has(start):
    fixture = start()
    fixture.posted_tasks.database.put(lambda _: None, lambda *_: None)
    first, second = (fixture.send("post", service="s", key="k") for _ in range(2))
    fixture.until(lambda: len(fixture.answers) == 2)
    assert fixture.answers[first][0].value == {"task": first, "state": "queued", "new": True}
    assert fixture.answers[second][0].value == {"task": first, "state": "queued", "new": False}
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


def test_an_accepted_task_is_there_again_after_its_row_was_dropped_and_the_request_is_repeated(start):
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


def test_a_dead_letter_is_posted_anew_once_for_one_request_and_not_where_there_is_no_room(start):
    fixture = start(max_tasks=1)
    first = fixture.post(priority=2)["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(fixture.dispatcher.roster):
        fixture.dispatcher.lost(time.monotonic(), name.identity, "gone")
    blocking = fixture.post(service="nobody")["task"]
    assert fixture.ask("retry", task=first) == "BUSY"
    fixture.ask("cancel", task=blocking)
    again = fixture.send("retry", task=first)
    fixture.until(lambda: fixture.answers.get(again))
    assert fixture.ask("retry", request_id=again, task=first) == {"task": again, "state": "queued", "new": False}
    assert [(one.id, one.priority) for one in fixture.dispatcher.tasks.values()] == [(again, 2)]
    assert fixture.ask("retry", task=b"x" * 16) == "UNKNOWN_TASK"


def test_a_dead_letter_says_as_which_task_it_was_posted_anew_last(start):
    fixture = start(max_tasks=2)
    first = fixture.post()["task"]
    fixture.work(first, {"code": "X", "text": "x"}, done=False)
    for name in list(fixture.dispatcher.roster):
        fixture.dispatcher.lost(time.monotonic(), name.identity, "gone")
    assert fixture.ask("result", task=first)["retried_as"] is None
    told = [fixture.ask("retry", task=first)["task"] for _ in range(2)]
    assert fixture.ask("retry", task=first) == "BUSY"
    assert fixture.ask("result", task=first)["retried_as"] == told[1]
    assert [one["retried_as"] for one in fixture.ask("tasks", service="s")] == [None, None, told[1]]


def test_a_full_queue_still_tells_of_tasks_that_are_known(start):
    fixture = start(max_tasks=1)
    first = fixture.post(key="k")["task"]
    assert fixture.post() == "BUSY"
    assert fixture.post(key="k") == {"task": first, "state": "queued", "new": False}
    assert fixture.post(request_id=first)["new"] is False


def test_arguments_are_bounded_by_bytes_those_on_their_way_included(start):
    fixture = start(max_task_bytes=1 << 16, max_message_bytes=1 << 16)
    asked = [fixture.send("post", service="s", args={"data": bytes(30_000)}) for _ in range(3)]
    fixture.until(lambda: len(fixture.answers) == 3)
    assert [type(fixture.answers[one][0]) for one in asked] == [Reply, Reply, Error]
    refused = fixture.answers[asked[2]][0]
    assert (refused.code, refused.details) == ("BUSY", {"retry_after_ms": 1000})
    assert "max_task_bytes" in refused.text
    fixture.ask("cancel", task=asked[0])
    assert fixture.post(args={"data": bytes(30_000)})["new"]
    assert (fixture.posted_tasks.posts.coming, fixture.posted_tasks.posts.coming_bytes) == (0, 0)


@pytest.mark.parametrize("bounds", [{"max_tasks": 2}, {"max_task_bytes": 1 << 16, "max_message_bytes": 1 << 16}])
def test_tasks_beyond_the_bound_wait_in_the_store_and_come_when_there_is_room(start, bounds):
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
    fixture.until(lambda: fixture.answers.get(waits))
    assert fixture.answers[waits][0].value["state"] == "cancelled"
    done = []
    for task in (tasks[0], tasks[1], tasks[3], tasks[4]):
        fixture.posted_tasks.beat(time.monotonic())
        fixture.until(lambda task=task: task in fixture.dispatcher.tasks)
        fixture.work(task)
        done.append(task)
    fixture.posted_tasks.beat(time.monotonic())
    fixture.until(lambda: not fixture.posted_tasks.stats()["behind"])
    assert fixture.post()["new"]
    assert (fixture.dispatcher.counters["done"], fixture.posted_tasks.stats()["restored"]) == (4, 4)


def test_a_task_that_is_cancelled_while_it_is_read_is_not_done(start):
    before = start()
    tasks = [before.post()["task"] for _ in range(3)]
    before.close()
    fixture = start(max_tasks=1)
    fixture.posted_tasks.backlog.dispatcher.policy = replace(fixture.dispatcher.policy, max_tasks=10)
    fixture.posted_tasks.backlog.look()  # the reading is under way
    assert fixture.ask("cancel", task=tasks[1])["state"] == "cancelled"
    assert set(fixture.dispatcher.tasks) == {tasks[0], tasks[2]}


def test_a_task_whose_time_was_over_while_no_broker_ran_has_expired(start):
    before = start()
    task = before.post(expires_s=0.01)["task"]
    other = before.post()["task"]
    before.close()
    eventually(lambda: time.monotonic() > before.dispatcher.tasks[task].deadline, within_s=10)
    fixture = start()
    assert list(fixture.dispatcher.tasks) == [other]
    row = fixture.ask("result", task=task, wait_ms=1000)
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
    fixture = start()
    assert (fixture.posted_tasks.stats()["state"], fixture.posted_tasks.stats()["why"]) == ("failed", "database or disk is full")
    assert [fixture.post(), fixture.ask("result", task=task)] == ["STORE_FAILED"] * 2
    full[0] = False
    fixture.until(lambda: task in fixture.dispatcher.tasks)
    fixture.until(lambda: fixture.posted_tasks.stats()["state"] == "live")
    assert fixture.post()["new"]
    assert fixture.posted_tasks.stats()["restored"] == 1


def test_what_goes_wrong_after_a_job_is_answered_counted_and_ends_nothing(start):
    fixture = start()
    fixture.breaks = True
    assert fixture.post() == "INTERNAL"
    fixture.breaks = False
    assert fixture.post()["new"]
    assert fixture.guard.total == 1


def test_a_store_whose_thread_ended_is_never_live(start, monkeypatch):
    fixture = start()
    monkeypatch.setattr(fixture.posted_tasks.database, "_commit", None)  # a bug
    fixture.send("post", service="s")
    eventually(lambda: fixture.posted_tasks.stats()["state"] == "failed", within_s=10)
    assert "TypeError" in fixture.posted_tasks.stats()["why"]


def test_old_rows_are_let_go_as_many_at_a_time_as_cost_posts_nothing_and_it_is_told(start):
    fixture = start()
    for _ in range(3):
        fixture.work(fixture.post()["task"])
    fixture.posted_tasks.ages = Ages(10**9, time.monotonic())
    for beat in range(2):
        fixture.posted_tasks.beat(time.monotonic() + 1000 * beat)
        fixture.until(lambda beat=beat: fixture.posted_tasks.stats()["let_go"].get("rows" if beat else "answers") == 3)
    assert fixture.ask("tasks") == []

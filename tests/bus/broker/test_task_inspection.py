"""Tasks and calls as operators see them: `hulak.task.show`, `hulak.calls` and the pages of `hulak.tasks`."""

import pytest
from posted_task_fixture import PostedTaskFixture

from hulak.bus.core.tasks.task_queue import CalledTask
from hulak.bus.wire.codec import pack
from hulak.bus.wire.messages import Ready, Request, Result

FAILURE = {"code": "CRASHED", "text": "KeyError: 'x'", "retryable": True, "traceback": "Traceback\nKeyError: 'x'\n"}


@pytest.fixture
def fixture(tmp_path):
    made = PostedTaskFixture(tmp_path)
    yield made
    made.close()


def given(fixture, now, credit=100):
    fixture.carry_out(fixture.dispatcher.advance(now))
    fixture.carry_out(fixture.dispatcher.ready(now, b"w", Ready("s", "w", credit)))


def result(fixture, now, task, attempt, done, value):
    fixture.carry_out(fixture.dispatcher.result(now, b"w", Result(task, attempt, done, value)))
    fixture.carry_out(fixture.dispatcher.advance(now + 60.0))


def test_a_task_is_shown_with_its_arguments_and_each_attempt_while_it_runs_and_when_it_has_failed(fixture):
    task = fixture.post(args={"n": 1}, retries=1)["task"]
    shown = fixture.ask("task.show", task=task)
    assert (shown["args"], shown["args_bytes"], shown["runs"], shown["running_s"]) == ({"n": 1}, len(pack({"n": 1})), [], None)
    now = fixture.dispatcher.settled_at
    given(fixture, now)
    assert fixture.ask("task.show", task=task)["running_s"] is not None
    result(fixture, now + 0.5, task, 1, False, FAILURE)
    shown = fixture.ask("task.show", task=task)
    assert [(run["attempt"], run["worker"], run["run_s"], run["trouble"]) for run in shown["runs"]] == [
        (1, "w", 0.5, "CRASHED: KeyError: 'x'")
    ]
    fixture.carry_out(fixture.dispatcher.ready(now + 60.5, b"w", Ready("s", "w", 100)))
    result(fixture, now + 62.0, task, 2, False, FAILURE)
    fixture.until(lambda: fixture.ask("result", task=task)["ended_ns"])
    shown = fixture.ask("task.show", task=task)
    assert [run["attempt"] for run in shown["runs"]] == [1, 2]
    assert shown["runs"][0]["run_s"] == 0.5
    assert shown["error"]["details"]["traceback"] == FAILURE["traceback"]
    assert shown["kept"]
    assert fixture.ask("task.show", task=bytes(16)) == "UNKNOWN_TASK"


def test_a_done_task_keeps_its_run_time_and_a_long_answer_is_left_out(fixture):
    task = fixture.post(args={"text": "x" * 140_000})["task"]
    now = fixture.dispatcher.settled_at
    given(fixture, now)
    result(fixture, now + 0.25, task, 1, True, "y" * 140_000)
    fixture.until(lambda: fixture.ask("result", task=task)["ended_ns"])
    shown = fixture.ask("task.show", task=task)
    assert (shown["args"], shown["value"], shown["kept"]) == (None, None, True)
    assert shown["args_bytes"] > shown["answer_bytes"] > 140_000
    assert [run["run_s"] for run in shown["runs"]] == [0.25]


def test_tasks_are_read_in_pages_from_the_newest_on(fixture):
    tasks = [fixture.post()["task"] for _ in range(5)][::-1]
    first = [row["task"] for row in fixture.ask("tasks", limit=2)]
    then = [row["task"] for row in fixture.ask("tasks", limit=10, before=first[-1])]
    assert [*first, *then] == tasks
    for which in ({"state": "queued"}, {"service": "s"}, {"service": "s", "state": "queued"}):
        assert [row["task"] for row in fixture.ask("tasks", before=tasks[2], **which)] == tasks[3:]
    assert fixture.ask("tasks", before=bytes(16)) == "UNKNOWN_TASK"


def test_calls_in_progress_are_listed_the_oldest_first_without_posted_tasks(fixture):
    fixture.post()
    now = fixture.dispatcher.settled_at
    for number, service in enumerate(("s", "t", "s")):
        request = Request(b"%016d" % number, service, "a", {"n": 1}, {"timeout_ms": 60_000})
        fixture.carry_out(fixture.dispatcher.request(now, b"c", request))
    answer = fixture.ask("calls")
    assert [(row["service"], row["state"], row["running_s"]) for row in answer["calls"]] == [
        ("s", "queued", None),
        ("t", "queued", None),
        ("s", "queued", None),
    ]
    assert answer["complete"]
    assert "args" not in answer["calls"][0]
    answer = fixture.ask("calls", service="s", limit=1)
    assert ([row["task"] for row in answer["calls"]], answer["complete"]) == ([b"%016d" % 0], False)
    assert fixture.ask("calls", service="u") == {"calls": [], "complete": True}


def test_a_call_and_a_posted_task_note_at_most_five_attempts():
    call = CalledTask(bytes(16), b"c", "s", "a", {}, 9, 1.0, 5.0)
    call.ran(0.5)
    assert call.runs == ()
    call.posted = True
    for attempt in range(1, 8):
        call.attempt = attempt
        call.ran(0.5, "x" * 1000)
    assert [run.attempt for run in call.runs] == [3, 4, 5, 6, 7]
    assert len(call.runs[0].trouble) == 500

"""Tasks and results of the bridge on NATS: PROTOCOL.md section 15.4."""

import json
from pathlib import Path

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Result, Task
from hulak.clients.bridge import task_messages
from hulak.clients.bridge.task_messages import CANCEL, RUN, Route

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "frames.json").read_text())
ID = bytes(range(16, 32))
TASK = Task(ID, 2, "make", {}, 60_000, 75_000)


def golden(name):
    rows = [row for group in GOLDEN.values() if isinstance(group, list) for row in group if row.get("name") == name]
    return bytes.fromhex(rows[0]["frame"])


def test_a_subject_has_the_receiving_site_the_sending_one_and_the_service():
    assert task_messages.run_subject("nyc", "ldn", "report") == "hulak-task.nyc.ldn.report.run"
    assert task_messages.cancel_subject("nyc", "ldn", "report") == "hulak-task.nyc.ldn.report.cancel"
    assert task_messages.result_subject("ldn", "nyc", "report") == "hulak-result.ldn.nyc.report"
    assert task_messages.route_of("hulak-task.nyc.ldn.report.run") == Route("nyc", "ldn", "report", RUN)
    assert task_messages.route_of("hulak-task.nyc.ldn.report.cancel") == Route("nyc", "ldn", "report", CANCEL)
    assert task_messages.route_of("hulak-result.ldn.nyc.report") == Route("ldn", "nyc", "report")


@pytest.mark.parametrize("subject", ["", "hulak-task", "hulak-task.nyc.ldn", "hulak.nyc.ldn.report", "hulak-task.NYC.ldn.r.run"])
def test_another_subject_is_refused(subject):
    with pytest.raises(ProtocolError) as caught:
        task_messages.route_of(subject)
    assert caught.value.code == "BAD_TOPIC"


def test_bodies_are_the_frames_of_workers():
    assert codec.encode(task_messages.read_task(golden("task"))) == golden("task")
    assert codec.encode(task_messages.read_result(golden("result-done"))) == golden("result-done")
    assert task_messages.read_id(ID) == ID


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (task_messages.read_task, b""),
        (task_messages.read_task, b"T\xc1"),
        (task_messages.read_task, golden("retire")),
        (task_messages.read_result, golden("goodbye")),
        (task_messages.read_result, b"R\x90"),
        (task_messages.read_id, ID[:15]),
    ],
)
def test_another_body_is_refused_with_its_fault(read, body):
    with pytest.raises(ProtocolError):
        read(body)


def row(state, **values):
    return {"state": state, "kept": True} | values


def test_a_row_at_the_far_site_becomes_the_result_of_the_attempt():
    assert task_messages.result_of_row(TASK, row("done", value=[1])) == Result(ID, 2, True, [1])
    error = {"code": "RATE_LIMITED", "text": "too fast", "details": {"status": 429}}
    failed = task_messages.result_of_row(TASK, row("failed", error=error))
    assert (failed.attempt, failed.done) == (2, False)
    assert failed.value == {**error, "retryable": False, "retry_after_ms": None}


def test_a_row_whose_result_is_no_longer_kept_is_a_failure():
    assert task_messages.result_of_row(TASK, row("done", kept=False)).value["code"] == "GONE"

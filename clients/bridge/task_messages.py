"""Tasks and results of the bridge on NATS: streams, subjects and bodies. PROTOCOL.md section 15.4. Pure.

A body is the frame that a worker would get or send. The subject has the receiving site and the sending
one, so that no body is changed.
"""

import re
from dataclasses import dataclass

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.messages import ID_BYTES, Result, Task

TASKS, RESULTS = "hulak-task", "hulak-result"  # the first tokens of subjects: no site can have these names
CANCEL, RUN = "cancel", "run"  # the last tokens of subjects of tasks

_NAME = r"([a-z0-9-]{1,16})"
_SUBJECT = re.compile(rf"(?:{TASKS}|{RESULTS})\.{_NAME}\.{_NAME}\.([A-Za-z0-9_-]+)(?:\.({RUN}|{CANCEL}))?")


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a message: the site that it is for, the site that it comes from, and the service of both."""

    to: str
    of: str
    service: str
    kind: str = ""  # of a task: `RUN` or `CANCEL`


def tasks_stream(site: str) -> str:
    """Return the name of the stream of tasks for a site."""
    return f"HULAK_TASKS_{site.upper()}"


def results_stream(site: str) -> str:
    """Return the name of the stream of results for a site."""
    return f"HULAK_RESULTS_{site.upper()}"


def run_subject(to: str, of: str, service: str) -> str:
    """Return the subject of a task."""
    return f"{TASKS}.{to}.{of}.{service}.{RUN}"


def cancel_subject(to: str, of: str, service: str) -> str:
    """Return the subject of the id of a task that has ended at its own site."""
    return f"{TASKS}.{to}.{of}.{service}.{CANCEL}"


def result_subject(to: str, of: str, service: str) -> str:
    """Return the subject of a result."""
    return f"{RESULTS}.{to}.{of}.{service}"


def route_of(subject: str) -> Route:
    """Read a subject.

    Raises:
        ProtocolError: `BAD_TOPIC`, it has another form.
    """
    match = _SUBJECT.fullmatch(subject)
    if match is None:
        raise ProtocolError("BAD_TOPIC", f"subject {subject[:80]!r} must be {TASKS}.SITE.SITE.SERVICE.KIND or as {RESULTS}")
    to, of, service, kind = match.groups()
    return Route(to, of, service, kind or "")


def read_task(body: bytes) -> Task:
    """Read the body of a task.

    Raises:
        ProtocolError: it is no TASK.
    """
    message = codec.decode_to_worker(body)
    if not isinstance(message, Task):
        raise ProtocolError("BAD_KIND", f"the message is a {type(message).__name__}, must be a TASK")
    return message


def read_result(body: bytes) -> Result:
    """Read the body of a result.

    Raises:
        ProtocolError: it is no RESULT.
    """
    message = codec.decode_from_worker(body)
    if not isinstance(message, Result):
        raise ProtocolError("BAD_KIND", f"the message is a {type(message).__name__}, must be a RESULT")
    return message


def read_id(body: bytes) -> bytes:
    """Read the body of a cancellation: the id of a task.

    Raises:
        ProtocolError: `BAD_ID`.
    """
    if len(body) != ID_BYTES:
        raise ProtocolError("BAD_ID", f"the id has {len(body)} bytes, must have {ID_BYTES}")
    return body


def failure(task: bytes, attempt: int, code: str, text: str, *, retryable: bool = False) -> Result:
    """Make the RESULT of an attempt that has failed."""
    value = {"code": code, "text": text, "retryable": retryable, "retry_after_ms": None, "details": {}}
    return Result(task, attempt, False, value)


def result_of_row(task: Task, row: dict[str, object]) -> Result:
    """Make the RESULT of a task from its row at the site that did it; that site has made all retries, so none follows.

    Args:
        task: with the attempt that is answered.
        row: of `hulak.result`, ended.
    """
    if not row["kept"]:
        return failure(task.id, task.attempt, "GONE", "the site that did the task no longer has its result")
    if row["state"] == "done":
        return Result(task.id, task.attempt, True, row["value"])
    error = row["error"]
    assert isinstance(error, dict), "the row of a task that has not succeeded has its error"
    failed = failure(task.id, task.attempt, str(error["code"]), str(error["text"]))
    return Result(task.id, task.attempt, False, failed.value | {"details": error["details"]})

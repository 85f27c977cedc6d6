"""Posted tasks, from the client's side: PROTOCOL.md section 6.2. Ids are text of 32 hexadecimal digits."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hulak.bus.errors import BusError, BusTimeout, TaskFailed
from hulak.bus.wire.messages import ID_BYTES

WAIT_S = 60.0  # the longest one request waits for a result; a longer wait asks again


def task_id(text: str) -> bytes:
    """Read a task's id as it is written for people: 32 hexadecimal digits.

    Raises:
        BusError: `BAD_ARGUMENT`.
    """
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != ID_BYTES:
        raise BusError("BAD_ARGUMENT", f"task {text!r} must be {2 * ID_BYTES} hexadecimal digits, as `hulak task ls` shows them")
    return found


def posting(
    service: str,
    action: str = "",
    args: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    retries: int | None = None,
    expires_s: float | None = None,
    priority: int | None = None,
) -> dict[str, Any]:
    """Make the arguments of `hulak.post`.

    Args:
        service: of workers, e.g. "nepse".
        action: of the service.
        args: msgpack values under text keys.
        key: your own name for it: the same key means the same task, for a day.
        retries: further attempts after the first; the broker's setting if None.
        expires_s: seconds from now after which it is not done any more; never if None.
        priority: 0 high, 1 normal, 2 low; normal if None.
    """
    told: dict[str, Any] = {"service": service, "action": action, "args": dict(args or {})}
    options = {"key": key, "retries": retries, "expires_s": expires_s, "priority": priority}
    return told | {name: value for name, value in options.items() if value is not None}


def result_args(task: str, wait_s: float) -> dict[str, Any]:
    """Make the arguments of `hulak.result`: what the store has, once the task has ended or `wait_s` seconds are over."""
    return {"task": task_id(task), "wait_ms": int(wait_s * 1000)}


def posted_id(answer: Mapping[str, Any]) -> str:
    """Read the id from the answer to `hulak.post`."""
    return bytes(answer["task"]).hex()


def value_of(told: Mapping[str, Any]) -> Any:
    """Give the value of a task that has ended, from the answer to `hulak.result`.

    Raises:
        TaskFailed: it failed; its code, and `details["troubles"]`.
        BusError: `CANCELLED`, `EXPIRED`, or `GONE`: its result is not kept any more.
    """
    if not told["kept"]:
        raise BusError("GONE", "its result is not kept any more (setting task.result_keep_s)")
    if told["state"] == "done":
        return told["value"]
    error = told["error"]
    if told["state"] == "failed":
        raise TaskFailed(error["code"], error["text"], details=error["details"])
    raise BusError(error["code"], error["text"], error["details"])


def not_ended(task: str, state: str, timeout_s: float) -> BusTimeout:
    """Say that a task has not ended in the time that somebody waited for it."""
    return BusTimeout(f"task {task} is {state} after {timeout_s:g} s; it goes on, `hulak task result` shows it")


class PostedTasks(ABC):
    """What a client does with posted tasks; every method raises `BusError` or `BusTimeout`, as `call` does."""

    @abstractmethod
    def call(self, service: str, action: str = "", args: Mapping[str, Any] | None = None, *, timeout_s: float = 60.0) -> Any:
        """Have an action done and wait for its answer."""

    @abstractmethod
    def map(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = 100, **options: Any
    ) -> Iterator[Any]:
        """Have an action done for each of many arguments; gives their results in the same order."""

    def post(
        self,
        service: str,
        action: str = "",
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = 10.0,
        **options: Any,
    ) -> str:
        """Post a task and return its id; it is safe on the broker's disk then, whoever dies.

        Args:
            service: as of `posting`, which has the options too: key, retries, expires_s, priority.
            action: of the service.
            args: msgpack values under text keys.
            timeout_s: for the acceptance.
            options: of `posting`.
        """
        return posted_id(self.call("hulak.post", "", posting(service, action, args, **options), timeout_s=timeout_s))

    def post_many(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = 100, **options: Any
    ) -> Iterator[str]:
        """Post a task for each of many arguments, `window` at a time, which share syncs of the disk; gives their ids in order."""
        postings = (posting(service, action, one, **options) for one in args)
        return map(posted_id, self.map("hulak.post", "", postings, window=window))

    def result(self, task: str, *, timeout_s: float = 60.0) -> Any:
        """Wait for a task's end and return its value.

        Raises:
            TaskFailed: it failed; its code, and `details["troubles"]`.
            BusError: `CANCELLED`, `EXPIRED`, `UNKNOWN_TASK`, or `GONE`: its result is not kept any more.
            BusTimeout: it has not ended in time; it goes on.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            told = self.show_task(task, wait_s=min(left_s, WAIT_S))
            if told["ended_ns"] is not None:
                return value_of(told)
            if left_s <= 0:
                raise not_ended(task, told["state"], timeout_s)

    def cancel(self, task: str) -> str:
        """End a task before its time; return the state it is in: `cancelled`, or how it had ended before."""
        return str(self.call("hulak.cancel", "", {"task": task_id(task)}, timeout_s=10.0)["state"])

    def show_task(self, task: str, *, wait_s: float = 0.0, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return everything the store has of a task, once it has ended or `wait_s` seconds are over."""
        return dict(self.call("hulak.result", "", result_args(task, wait_s), timeout_s=wait_s + timeout_s))

    def list_tasks(self, *, state: str | None = None, service: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """List tasks, the newest first."""
        told = {"state": state, "service": service, "limit": limit}
        return list(self.call("hulak.tasks", "", told, timeout_s=10.0))

    def retry_task(self, task: str) -> str:
        """Post a dead letter anew; return the new task's id."""
        return posted_id(self.call("hulak.retry", "", {"task": task_id(task)}, timeout_s=10.0))

    def drop_task(self, task: str) -> bool:
        """Delete a dead letter; false if there is none of that id."""
        return bool(self.call("hulak.drop", "", {"task": task_id(task)}, timeout_s=10.0))

"""Posted tasks, from the client's side: PROTOCOL.md section 6.2. Ids are text of 32 hexadecimal digits."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hulak.bus.errors import BusError, BusTimeout, TaskFailed
from hulak.bus.wire.messages import ID_BYTES

WAIT_S = 60.0  # the longest wait of one request for a result; longer waits repeat the request


def task_id(text: str) -> bytes:
    """Parse a task's id in its text form, 32 hexadecimal digits.

    Raises:
        BusError: `BAD_ARGUMENT`.
    """
    try:
        number = bytes.fromhex(text)
    except ValueError:
        number = b""
    if len(number) != ID_BYTES:
        raise BusError("BAD_ARGUMENT", f"task {text!r} must be {2 * ID_BYTES} hexadecimal digits, as `hulak task ls` shows them")
    return number


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
    """Return the arguments of `hulak.post`.

    Args:
        service: a service of workers, e.g. "nepse".
        action: of the service.
        args: msgpack values under text keys.
        key: a name for the task: for a day, the same key means the same task.
        retries: further attempts after the first; the broker's setting if None.
        expires_s: seconds from now after which it is not started any more; never if None.
        priority: 0 high, 1 normal, 2 low; normal if None.
    """
    task: dict[str, Any] = {"service": service, "action": action, "args": dict(args or {})}
    options = {"key": key, "retries": retries, "expires_s": expires_s, "priority": priority}
    return task | {name: value for name, value in options.items() if value is not None}


def result_args(task: str, wait_s: float) -> dict[str, Any]:
    """Return the arguments of `hulak.result`: the broker replies when the task has ended or `wait_s` seconds are over."""
    return {"task": task_id(task), "wait_ms": int(wait_s * 1000)}


def posted_id(answer: Mapping[str, Any]) -> str:
    """Return the id in the reply to `hulak.post`."""
    return bytes(answer["task"]).hex()


def value_of(row: Mapping[str, Any]) -> Any:
    """Return the value of a task that has ended, from the reply to `hulak.result`.

    Raises:
        TaskFailed: it failed; its code, and `details["troubles"]`.
        BusError: `CANCELLED`, `EXPIRED`, or `GONE`: its result is no longer kept.
    """
    if not row["kept"]:
        raise BusError("GONE", "the result is no longer kept (setting task.result_keep_s)")
    if row["state"] == "done":
        return row["value"]
    error = row["error"]
    if row["state"] == "failed":
        raise TaskFailed(error["code"], error["text"], details=error["details"])
    raise BusError(error["code"], error["text"], error["details"])


def not_ended(task: str, state: str, timeout_s: float) -> BusTimeout:
    """Return the error for a task that has not ended within the timeout."""
    return BusTimeout(f"task {task} is {state} after {timeout_s:g} s; it continues, `hulak task result` shows it")


class PostedTasks(ABC):
    """The methods of a client for posted tasks; each raises `BusError` or `BusTimeout`, like `call`."""

    @abstractmethod
    def call(self, service: str, action: str = "", args: Mapping[str, Any] | None = None, *, timeout_s: float = 60.0) -> Any:
        """Call an action and wait for its reply."""

    @abstractmethod
    def map(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = 100, **options: Any
    ) -> Iterator[Any]:
        """Call an action for each of many arguments; yield the results in the same order."""

    def post(
        self,
        service: str,
        action: str = "",
        args: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = 10.0,
        **options: Any,
    ) -> str:
        """Post a task and return its id; the task is then safe on the broker's disk.

        Args:
            service: see `posting`, which also has the options: key, retries, expires_s, priority.
            action: of the service.
            args: msgpack values under text keys.
            timeout_s: for the reply.
            options: of `posting`.
        """
        return posted_id(self.call("hulak.post", "", posting(service, action, args, **options), timeout_s=timeout_s))

    def post_many(
        self, service: str, action: str, args: Iterable[Mapping[str, Any]], *, window: int = 100, **options: Any
    ) -> Iterator[str]:
        """Post a task for each of many arguments, `window` at a time, which share syncs of the disk; yield their ids in order."""
        postings = (posting(service, action, values, **options) for values in args)
        return map(posted_id, self.map("hulak.post", "", postings, window=window))

    def result(self, task: str, *, timeout_s: float = 60.0) -> Any:
        """Wait for the end of a task and return its value.

        Raises:
            TaskFailed: it failed; its code, and `details["troubles"]`.
            BusError: `CANCELLED`, `EXPIRED`, `UNKNOWN_TASK`, or `GONE`: its result is no longer kept.
            BusTimeout: it has not ended within `timeout_s`; it continues.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            row = self.show_task(task, wait_s=min(left_s, WAIT_S))
            if row["ended_ns"] is not None:
                return value_of(row)
            if left_s <= 0:
                raise not_ended(task, row["state"], timeout_s)

    def cancel(self, task: str) -> str:
        """Cancel a task; return its state: `cancelled`, or its earlier end."""
        return str(self.call("hulak.cancel", "", {"task": task_id(task)}, timeout_s=10.0)["state"])

    def show_task(self, task: str, *, wait_s: float = 0.0, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return all stored values of a task, once it has ended or `wait_s` seconds are over."""
        return dict(self.call("hulak.result", "", result_args(task, wait_s), timeout_s=wait_s + timeout_s))

    def inspect_task(self, task: str, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return all stored values of a task, and its arguments and attempts: `hulak.task.show`."""
        return dict(self.call("hulak.task.show", "", {"task": task_id(task)}, timeout_s=timeout_s))

    def list_calls(self, *, service: str | None = None, limit: int = 100) -> dict[str, Any]:
        """Return the calls in progress, the oldest first, as `calls`; `complete` is false if there may be more."""
        return dict(self.call("hulak.calls", "", {"service": service, "limit": limit}, timeout_s=10.0))

    def list_tasks(
        self, *, state: str | None = None, service: str | None = None, before: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List tasks, the newest first; older ones than `before` if that is given."""
        filters = {"state": state, "service": service, "before": before and task_id(before), "limit": limit}
        return list(self.call("hulak.tasks", "", filters, timeout_s=10.0))

    def retry_task(self, task: str) -> str:
        """Post a dead letter again; return the new task's id."""
        return posted_id(self.call("hulak.retry", "", {"task": task_id(task)}, timeout_s=10.0))

    def drop_task(self, task: str) -> bool:
        """Delete a dead letter; false if there is none with this id."""
        return bool(self.call("hulak.drop", "", {"task": task_id(task)}, timeout_s=10.0))

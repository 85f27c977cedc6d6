"""Posted tasks, from the client's side: PROTOCOL.md section 6.2."""

import time
from collections.abc import Mapping
from typing import Any

from bus.errors import BusError, BusTimeout, TaskFailed
from bus.messages import ID_BYTES
from clients.client import BusClient

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


class Tasks:
    """Posts tasks, and asks what became of them; ids are text of 32 hexadecimal digits.

    Every method raises `BusError` or `BusTimeout`, as `BusClient.call` does.

    Args:
        client: connected; used by one thread.
    """

    def __init__(self, client: BusClient) -> None:
        self._client = client

    def post(
        self,
        service: str,
        action: str = "",
        args: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        retries: int | None = None,
        expires_s: float | None = None,
        priority: int | None = None,
        timeout_s: float = 10.0,
    ) -> str:
        """Post a task and return its id; it is safe on the broker's disk then, whoever dies.

        Args:
            service: of workers, e.g. "nepse".
            action: of the service.
            args: msgpack values under text keys.
            key: your own name for it: the same key means the same task, for a day.
            retries: further attempts after the first; the broker's setting if None.
            expires_s: seconds from now after which it is not done any more; never if None.
            priority: 0 high, 1 normal, 2 low; normal if None.
            timeout_s: for the acceptance.
        """
        told: dict[str, Any] = {"service": service, "action": action, "args": dict(args or {})}
        told |= {
            name: value for name, value in (("key", key), ("retries", retries), ("expires_s", expires_s)) if value is not None
        }
        options = {"key": key, "retries": retries, "expires_s": expires_s, "priority": priority}
        told |= {name: value for name, value in options.items() if value is not None}
        return bytes(self._client.call("hulak.post", "", told, timeout_s=timeout_s)["task"]).hex()

    def show(self, task: str, *, wait_s: float = 0.0, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return everything the store has of a task, once it has ended or `wait_s` seconds are over."""
        args = {"task": task_id(task), "wait_ms": int(wait_s * 1000)}
        return dict(self._client.call("hulak.result", "", args, timeout_s=wait_s + timeout_s))

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
            told = self.show(task, wait_s=min(left_s, WAIT_S))
            if told["ended_ns"] is not None:
                return _value(told)
            if left_s <= 0:
                raise BusTimeout(
                    f"task {task} is {told['state']} after {timeout_s:g} s; it goes on, `hulak task result` shows it"
                )

    def cancel(self, task: str) -> str:
        """End a task before its time; return the state it is in: `cancelled`, or how it had ended before."""
        return str(self._client.call("hulak.cancel", "", {"task": task_id(task)}, timeout_s=10.0)["state"])

    def list(self, *, state: str | None = None, service: str | None = None, limit: int = 100) -> "list[dict[str, Any]]":
        """List tasks, the newest first."""
        told = {"state": state, "service": service, "limit": limit}
        return list(self._client.call("hulak.tasks", "", told, timeout_s=10.0))

    def retry(self, task: str) -> str:
        """Post a dead letter anew; return the new task's id."""
        return bytes(self._client.call("hulak.retry", "", {"task": task_id(task)}, timeout_s=10.0)["task"]).hex()

    def drop(self, task: str) -> bool:
        """Delete a dead letter; false if there is none of that id."""
        return bool(self._client.call("hulak.drop", "", {"task": task_id(task)}, timeout_s=10.0))


def _value(told: dict[str, Any]) -> Any:
    if not told["kept"]:
        raise BusError("GONE", "its result is not kept any more (setting task.result_keep_s)")
    if told["state"] == "done":
        return told["value"]
    error = told["error"]
    if told["state"] == "failed":
        raise TaskFailed(error["code"], error["text"], details=error["details"])
    raise BusError(error["code"], error["text"], error["details"])

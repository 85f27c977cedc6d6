"""Runs one task: calls its action and encodes the result, or the failure. PROTOCOL.md section 5.4."""

import contextlib
import traceback
from collections.abc import Callable, Generator, Mapping
from typing import Any

from hulak.bus.errors import TaskFailed
from hulak.bus.process.log_type import Log
from hulak.bus.wire import codec, fast_encode
from hulak.bus.wire.messages import Result, Task, TaskPart
from hulak.workers.runtime.forks import Forks
from hulak.workers.runtime.session import Send
from hulak.workers.runtime.task_failures import SoftLimit, crash_of, failed_result

# An action returns its result; or it is a generator: the values that it yields are parts of the result, sent to the caller at
# once, and its return value is the result.
Action = Callable[[Mapping[str, Any]], Any]
Actions = Mapping[str, Action]
SendPart = Callable[[TaskPart, bytes], None]
PLAIN = frozenset((type(None), bool, int, float, str, bytes, list, tuple, dict))  # types that are no generators
LONGEST_LOGGED = 20_000  # characters of a traceback in the log


class TaskRunner:
    """Runs the tasks of one worker.

    Args:
        make_actions: makes the service's actions; called once, with the first task.
        max_bytes: of a result.
        log: of this process.
        forks: hooks of this process, if its tasks may fork.
    """

    def __init__(
        self,
        make_actions: Callable[[], Actions],
        max_bytes: int,
        log: Log,
        forks: Forks | None = None,
    ) -> None:
        self._make_actions = make_actions
        self._most = max_bytes - codec.ENVELOPE_BYTES
        self._log = log
        self._forks = forks
        self._actions: Actions | None = None

    def carry_out(self, task: Task, send_part: SendPart) -> Send:
        """Run a task; it never raises.

        Args:
            task: it may block.
            send_part: called with each part of the result, and its frame.
        Returns:
            the result and its frame.
        """
        try:
            actions = self._actions
            action = actions.get(task.action) if actions is not None else None
            value = (action or self._find(task.action))(task.args)
            if type(value) not in PLAIN and isinstance(value, Generator):
                value = self._send_parts(task, value, send_part)
            result = Result(task.id, task.attempt, True, value)
            frame = fast_encode.encode_done(result)
            return Send(result, frame if len(frame) <= self._most else self._fitting("result", frame))
        except SoftLimit:
            return soft_limit(task)
        except TaskFailed as failed:
            return Send(*failed_result(task, failed))
        except BaseException as error:  # noqa: BLE001 - SystemExit, CancelledError and all others: a task ends no worker
            if self._forks is not None:
                self._forks.leave_child(error)
            return Send(*failed_result(task, TaskFailed("CRASHED", crash_of(error)), self._log_crash(task, error)))

    def _log_crash(self, task: Task, error: BaseException) -> str:
        """Log the traceback of a task, and return it; a failure to make it or of the log is ignored."""
        whole = ""
        with contextlib.suppress(Exception):
            lines = whole = "".join(traceback.format_exception(error))
            if len(lines) > LONGEST_LOGGED:
                half = LONGEST_LOGGED // 2
                lines = f"{lines[:half]}\n ... ({len(lines)} characters)\n{lines[-half:]}"
            self._log.error("task crashed", task=task.id.hex(), action=task.action, exception=lines)
        return whole

    def _find(self, name: str) -> Action:
        if self._actions is None:
            self._actions = self._make_actions()
        action = self._actions.get(name)
        if action is None:
            known = ", ".join(sorted(self._actions))
            raise TaskFailed("UNKNOWN_ACTION", f"action {name!r} is unknown; known are {known}")
        return action

    def _send_parts(self, task: Task, parts: Generator[Any, None, Any], send_part: SendPart) -> Any:
        number = 0
        with contextlib.closing(parts):
            while True:
                try:
                    value = next(parts)
                except StopIteration as end:
                    return end.value
                number += 1
                part = TaskPart(task.id, task.attempt, number, value)
                send_part(part, self._fitting("part", codec.encode(part)))

    def _fitting(self, name: str, frame: bytes) -> bytes:
        if len(frame) > self._most:
            raise TaskFailed("TOO_LARGE", f"the {name} is {len(frame)} bytes, must be at most {self._most}")
        return frame


def soft_limit(task: Task) -> Send:
    """Return the failed result of a task that was interrupted."""
    return Send(*failed_result(task, TaskFailed("SOFT_LIMIT", f"not done within {task.soft_ms / 1000:g} s", retryable=True)))

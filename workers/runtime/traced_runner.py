"""Runs tasks with spans: the wait in the queue, the attempt, and the way of its result. PROTOCOL.md section 5.6.

The span of the attempt is the present one while the task's code runs: it is the parent of the spans that this code makes. Tasks
whose caller sent no trace context have no spans.
"""

import time
from collections.abc import Iterable, MutableMapping
from typing import Any

from hulak.bus.process.tracing import Tracing
from hulak.bus.wire.messages import Result, Task, TaskContext
from hulak.workers.runtime.session import Send
from hulak.workers.runtime.task_runner import SendPart, TaskRunner


class TracedRunner:
    """A `TaskRunner` with spans.

    Args:
        runner: runs the tasks.
        tracing: makes the spans.
        contexts: trace contexts of the tasks that the worker holds, by id and attempt, with the monotonic time of their receipt.
        service: that the worker offers.
        worker: its name.
    """

    def __init__(
        self,
        runner: TaskRunner,
        tracing: Tracing,
        contexts: MutableMapping[tuple[bytes, int], tuple[TaskContext, float]],
        service: str,
        worker: str,
    ) -> None:
        self._runner = runner
        self._tracing = tracing
        self._contexts = contexts
        self._service = service
        self._worker = worker
        self._results: dict[tuple[bytes, int], Any] = {}  # spans of results that were not sent yet

    def carry_out(self, task: Task, send_part: SendPart) -> Send:
        """Run a task, see `TaskRunner.carry_out`."""
        known = self._contexts.pop((task.id, task.attempt), None)
        if known is None:
            return self._runner.carry_out(task, send_part)
        context, received = known
        tracing, named = self._tracing, f"{self._service} {task.action}"
        parent = tracing.parent_of(context.context)
        attributes = {
            "messaging.destination.name": self._service,
            "messaging.message.id": task.id.hex(),
            "hulak.action": task.action,
            "hulak.attempt": task.attempt,
        }
        if context.waited_us is not None:
            waited_ns = context.waited_us * 1000 + int((time.monotonic() - received) * 1e9)
            now_ns = time.time_ns()
            queue = tracing.start(f"queue {named}", "INTERNAL", attributes, parent=parent, start_ns=now_ns - waited_ns)
            queue.end(now_ns)
        process = {"messaging.operation.name": "process", "hulak.worker": self._worker}
        span = tracing.start(f"attempt {named}", "CONSUMER", {**attributes, **process}, parent=parent)
        try:
            with tracing.inside(span):
                send = self._runner.carry_out(task, send_part)
            if isinstance(send.message, Result) and not send.message.done:
                tracing.fail(span, send.message.value["code"], send.message.value["text"])
        finally:
            span.end()
        self._results[task.id, task.attempt] = tracing.start(f"result {named}", "INTERNAL", attributes, parent=parent)
        return send

    def sent(self, sends: Iterable[Send]) -> None:
        """End the spans of results that have been sent."""
        for send in sends:
            if isinstance(send.message, Result):
                span = self._results.pop((send.message.task, send.message.attempt), None)
                if span is not None:
                    span.end()

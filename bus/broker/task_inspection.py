"""Single tasks and calls in progress, for people who look at them. PROTOCOL.md section 6.2.

Both services are bounded: a task's arguments and answer are left out beyond a size, and of many tasks the oldest are searched.
"""

import time
from functools import partial
from itertools import islice
from typing import Any

from hulak.bus.broker.storage import task_rows
from hulak.bus.broker.store_effects import BrokerEffect, Store, check_stored
from hulak.bus.core.control_requests import CallsArguments, TaskIdArguments
from hulak.bus.core.effects import Asker
from hulak.bus.core.security import needs
from hulak.bus.core.tasks.dispatcher import Dispatcher
from hulak.bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskState
from hulak.bus.errors import ProtocolError

MOST_SEARCHED = 10_000  # tasks in memory for a list of calls: 2 ms of the loop


class TaskInspection:
    """Reads tasks without changing them.

    Args:
        dispatcher: has the tasks that have not ended.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def show(self, asker: Asker, args: TaskIdArguments, now: float) -> list[BrokerEffect]:
        """Answer with a posted task's row, its arguments, and its attempts so far."""
        del now

        def then(value: Any, why: str) -> list[BrokerEffect]:
            check_stored(why)
            if value is None:
                raise ProtocolError("UNKNOWN_TASK", f"there is no posted task {args.task.hex()}")
            check_service(asker, value["service"], reads=True)
            return [asker.reply({**value, **self._progress(args.task)})]

        return [Store(partial(task_rows.detail, task=args.task), then, [asker])]

    def _progress(self, task_id: bytes) -> dict[str, Any]:
        """Return what of a posted task is in memory only: it may be written later than it happens, or at the end alone."""
        task = self._dispatcher.tasks.get(task_id)
        if task is None or not task.posted or task.state in GIVEN_UP:
            return {"running_s": None}
        return {"running_s": running_s(task, time.monotonic()), "runs": [task_rows.run_row(run) for run in task.runs]}

    def calls(self, asker: Asker, args: CallsArguments, now: float) -> list[BrokerEffect]:
        """List the calls in progress, the oldest first."""
        tasks = self._dispatcher.tasks
        wanted = (
            task
            for task in islice(tasks.values(), MOST_SEARCHED)
            if not task.posted and task.state not in GIVEN_UP and args.service in (None, task.service)
        )
        rows = [call_row(task, now) for task in islice(wanted, args.limit)]
        return [asker.reply({"calls": rows, "complete": len(tasks) <= MOST_SEARCHED and len(rows) < args.limit})]


def call_row(task: CalledTask, now: float) -> dict[str, Any]:
    """Return a call as a map of `hulak.calls`, at `now` in monotonic seconds."""
    return {
        "task": task.id,
        "service": task.service,
        "action": task.action,
        "state": task.state.value,
        "attempt": task.attempt,
        "retries": task.retries,
        "priority": task.priority,
        "age_s": now - task.since,
        "running_s": running_s(task, now),
        "worker": task.worker,
        "trouble": task.troubles[-1][: task_rows.TROUBLE_CHARACTERS] if task.troubles else "",
    }


def running_s(task: CalledTask, now: float) -> float | None:
    """Return for how long a task's attempt has run; None if none runs."""
    return now - task.started if task.state is TaskState.RUNNING else None


def check_service(asker: Asker, service: str, *, reads: bool = False) -> None:
    """Raise an error if the client's key may not cancel tasks of this service, or read their results."""
    caller = asker.caller
    if caller is None or caller.rights.may_control or (reads and caller.rights.may_read):
        return
    if missing := needs.submits(caller.rights, service):
        raise caller.forbid(f"{'read' if reads else 'cancel'} tasks of {service[:100]!r}", missing)

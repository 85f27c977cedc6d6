"""The lifecycle of a task, from its acceptance to its end. PROTOCOL.md section 6. Pure.

The lifecycle knows every task that has not ended, and the time limits of each. It knows no workers: `TaskAssignment` gives them
tasks, and `Dispatcher` reports how attempts ended.
"""

import math
from collections import Counter
from collections.abc import Sequence

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import Delayed, Effect, Ended, LogLine, ToClient
from hulak.bus.core.tasks.action_times import ActionTimes
from hulak.bus.core.tasks.coalescing import Coalescing
from hulak.bus.core.tasks.lost_workers import Loss, judge
from hulak.bus.core.tasks.policy import retry_delay_s
from hulak.bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskQueue, TaskState
from hulak.bus.core.tasks.timers import Timers
from hulak.bus.wire.failures import Failure
from hulak.bus.wire.messages import Error, Reply, Result

DEADLINE, RETRY = b"d", b"r"  # timers of a task: each of these, and the task's id
COUNTED = ("accepted", "done", "failed", "expired", "cancelled", "retried", "shared", "lost_workers", "late", "dead_letters")
DONE = TaskState.DONE


class TaskLifecycle:
    """All tasks that were accepted and have not ended, or have ended while a worker still holds them.

    Args:
        queue: of the tasks that could run now.
        timers: of deadlines and next attempts.
        backoff: delays of retries; carries the randomness.
    """

    def __init__(self, queue: TaskQueue, timers: Timers[bytes], backoff: Backoff) -> None:
        self.queue = queue
        self.timers = timers
        self.backoff = backoff
        self.tasks: dict[bytes, CalledTask] = {}
        self.coalescing = Coalescing()
        self.size = 0  # bytes of the tasks' arguments, as far as they are counted
        self.waiting: Counter[str] = Counter()  # service -> tasks that wait for their next attempt
        self.given_up: Counter[str] = Counter()  # service -> tasks that have ended, though a worker still holds them
        self.counters: dict[str, int] = dict.fromkeys(COUNTED, 0)
        self.times = ActionTimes()

    # Acceptance and waiting

    def add(self, now: float, task: CalledTask) -> None:
        """Add a task, and set its time limit if it has one; its `timeout_s` counts from now."""
        self.tasks[task.id] = task
        self.size += task.size
        if task.timeout_s < math.inf:
            self.timers.set_after(DEADLINE + task.id, now, task.timeout_s)

    def extend(self, now: float, task: CalledTask, timeout_s: float) -> None:
        """Extend a task's deadline to `timeout_s` from now, if that is later."""
        if now + timeout_s > task.deadline:
            self.timers.cancel_after(DEADLINE + task.id, task.timeout_s)
            task.deadline, task.timeout_s = now + timeout_s, timeout_s
            self.timers.set_after(DEADLINE + task.id, now, timeout_s)

    def wait(self, now: float, task: CalledTask, delay_s: float) -> None:
        """Count a task among those that wait for their next attempt; `retry` is due after a while."""
        self.waiting[task.service] += 1
        if task.trace is not None:
            task.trace.queued = now + delay_s
        self.timers.set(RETRY + task.id, now + delay_s)

    def retry(self, task: CalledTask) -> list[Effect]:
        """Queue a task that has waited for its next attempt."""
        self._stop_waiting(task)
        task.become(TaskState.QUEUED)
        self.queue.add(task, first=True)
        # After a restart no worker holds a task that was in doubt: the store records this too.
        return self._noted(task, 0.0) if task.suspect and task.spared else []

    def withdraw(self, task: CalledTask) -> None:
        """Remove a task from its queue or timer, before a change of its state."""
        self._stop_waiting(task)
        self.timers.cancel(RETRY + task.id)
        self.queue.remove(task)

    def _stop_waiting(self, task: CalledTask) -> None:
        if task.state is TaskState.WAITING:
            _count_down(self.waiting, task.service)

    # The end of an attempt; its worker no longer holds the task

    def done(self, now: float, results: Sequence[Result]) -> list[Effect]:
        """End running tasks of one service with the values of their results."""
        tasks, led, lane_of = self.tasks, self.coalescing.led, self.timers.lane_of
        effects: list[Effect] = []
        answers: dict[bytes, list[Reply]] = {}
        replies: list[Reply] = []  # to `whose`
        whose: bytes | None = None
        alone, timeout_s, lane = 0, -1.0, {}
        if len(results) == 1:
            self.times.done(now, tasks[results[0].task])
        else:
            self.times.done_together(now, [tasks[result.task] for result in results])
        for result in results:
            task_id = result.task
            task = tasks[task_id]
            if task.size or (led and task_id in led):  # with a size: posted, or large
                task.ran(now - task.started)
                effects += self.end(task, DONE, Reply(task_id, result.value))
                alone += 1
                continue
            # As `end` does, without a call for each: nearly all are calls without followers.
            task.state = DONE
            del tasks[task_id]
            if task.timeout_s != timeout_s:
                timeout_s = task.timeout_s
                lane = lane_of(timeout_s)
            if lane.pop(DEADLINE + task_id, None) is None:
                self.timers.cancel(DEADLINE + task_id)
            if task.client != whose:
                whose = task.client
                replies = answers.setdefault(whose, [])
            replies.append(Reply(task_id, result.value))
        self.counters["done"] += len(results) - alone
        for client, replies in answers.items():
            effects.append(ToClient(client, replies if len(replies) > 1 else replies[0]))
        return effects

    def failed(self, now: float, task: CalledTask, failure: Failure) -> list[Effect]:
        """Let a running task that failed wait for its next attempt, or end it."""
        trouble = f"{failure.code}: {failure.text}"
        task.troubles.append(f"{task.worker}: {trouble}")
        task.ran(now - task.started, trouble)
        self.times.failed(now, task, failure.code)
        delay_s = retry_delay_s(failure, task.attempt, task.retries, self.backoff)
        if delay_s is None:
            # A dead letter is for people to read; a caller's program gets no traceback of another one.
            details = (
                {**failure.details, "traceback": failure.traceback} if task.posted and failure.traceback else failure.details
            )
            return self.end(task, TaskState.FAILED, task.error(failure.code, failure.text, details))
        task.become(TaskState.WAITING)
        self.wait(now, task, delay_s)
        self.counters["retried"] += 1
        fields = {"task": task.id.hex(), "attempt": task.attempt, "code": failure.code, "in_s": round(delay_s, 3)}
        return [LogLine("task retried", fields), *self._noted(task, delay_s)]

    def lost(self, task: CalledTask, why: str, *, begun: bool, suspect: bool) -> list[Effect]:
        """Requeue a task whose worker lost it, or end it.

        Args:
            task: running, or given up.
            why: reason of the loss.
            begun: the attempt had surely begun, see `bus.core.tasks.lost_workers`.
            suspect: the task may have caused the loss of its worker.
        """
        if task.state in GIVEN_UP:
            self.put_down(task)
            return []
        task.suspect = task.suspect or suspect
        if task.trace is not None:
            task.trace.queued = None
        trouble = f"{task.worker}: {why}"
        task.ran(None, why)
        match judge(task, begun=begun):
            case Loss.SPARED:
                task.attempt -= 1
                task.spared += 1
                task.troubles.append(f"{trouble}; not counted, since it may not have been begun")
                return self._requeue(task, "task given back", why)
            case Loss.CHARGED:
                task.troubles.append(trouble)
                self.counters["retried"] += 1
                return self._requeue(task, "task requeued", why)
        task.troubles.append(trouble)
        text = f"{task.attempt} workers were lost with it, the last one ({task.worker}) since {why}"
        return self.end(task, TaskState.FAILED, task.error("WORKER_LOST", text))

    def _requeue(self, task: CalledTask, event: str, why: str) -> list[Effect]:
        task.become(TaskState.QUEUED)
        self.queue.add(task, first=True)
        line = LogLine(event, {"task": task.id.hex(), "attempt": task.attempt, "why": why})
        return [line, *self._noted(task, 0.0)]

    def _noted(self, task: CalledTask, in_s: float) -> list[Effect]:
        return [Delayed(task.id, task.attempt, in_s, task.troubles[-1])] if task.posted else []

    # The end of a task

    def expire(self, task: CalledTask, alive: int) -> list[Effect]:
        """End a task whose deadline has passed; `alive` is the number of its service's workers."""
        if not task.attempt and task.state is TaskState.QUEUED:
            self.times.expired(task)
        return self._give_up(task, TaskState.EXPIRED, task.error("EXPIRED", task.why_expired(alive)))

    def cancel(self, task_id: bytes) -> list[Effect]:
        """Cancel a task; no effect if its id is unknown or it has ended."""
        task = self.tasks.get(task_id)
        if task is None or task.state in GIVEN_UP:
            return []
        return self._give_up(task, TaskState.CANCELLED, task.error("CANCELLED", "it was cancelled"))

    def _give_up(self, task: CalledTask, state: TaskState, message: Error) -> list[Effect]:
        still_held = task.state is TaskState.RUNNING
        self.withdraw(task)
        effects = self.end(task, state, message)
        if still_held:  # its worker still runs it: kept for the hard limit until the worker ends it
            self.tasks[task.id] = task
            task.args = {}
            self.given_up[task.service] += 1
        return effects

    def put_down(self, task: CalledTask) -> None:
        """Remove a task that was given up, when its worker ends it."""
        self._forget(task)
        _count_down(self.given_up, task.service)

    def end(self, task: CalledTask, state: TaskState, message: Reply | Error) -> list[Effect]:
        """End a task, and answer all requests that wait for it."""
        task.become(state)
        self.counters[state] += 1
        if task.posted:
            self.counters["dead_letters"] += state is TaskState.FAILED
            self._forget(task)
            return [Ended(task.id, state.value, task.attempt, message, task.worker, task.runs)]
        effects: list[Effect] = [ToClient(task.client, message)]
        if task.id in self.coalescing:
            effects += [ToClient(client, _for(message, request)) for client, request in self.coalescing.followers(task.id)]
        self._forget(task)
        return effects

    def _forget(self, task: CalledTask) -> None:
        del self.tasks[task.id]
        if task.size:
            self.size -= task.size
            task.size = 0
        if task.id in self.coalescing:
            self.coalescing.end(task.id)
        if task.timeout_s < math.inf:
            self.timers.cancel_after(DEADLINE + task.id, task.timeout_s)


def _count_down(counter: Counter[str], service: str) -> None:
    counter[service] -= 1
    if not counter[service]:
        del counter[service]


def _for(message: Reply | Error, request: bytes) -> Reply | Error:
    """Return the same answer for another request."""
    if isinstance(message, Reply):
        return Reply(request, message.value)
    return Error(request, message.code, message.text, message.details)

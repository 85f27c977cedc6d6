"""A task's way from one attempt to the next, and to its end. PROTOCOL.md section 6. Pure.

The half of the dispatcher that knows what becomes of a task; the other half, `bus.core.tasks.dispatcher`, knows what peers say.
"""

import math
from collections import Counter

from bus.backoff import Backoff
from bus.core.effects import Begun, Delayed, Effect, Ended, LogLine, ToClient, ToWorker
from bus.core.tasks.coalescing import Coalescing
from bus.core.tasks.policy import Policy, retry_delay_s
from bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskQueue, TaskState
from bus.core.tasks.timers import Timers
from bus.core.tasks.worker_roster import Worker, WorkerRoster
from bus.wire.failures import Failure
from bus.wire.messages import Error, Reply, Task

DEADLINE, RETRY = b"d", b"r"  # timers of a task: each of these, and the task's id
HARD = b"h"  # timer of a worker, for the task that it has held longest: this, and its name
COUNTED = ("accepted", "done", "failed", "expired", "cancelled", "retried", "shared", "lost_workers", "late", "dead_letters")
RUNNING = TaskState.RUNNING
PAUSE = b"p"  # timer of a service that cools down: this, and its name


class TaskLifecycle:
    """All called tasks and the workers that hold them.

    Args:
        policy: times and bounds.
        backoff: delays of retries; carries the randomness.
    """

    def __init__(self, policy: Policy, backoff: Backoff) -> None:
        self.policy = policy
        self.soft_ms, self.hard_ms = int(policy.soft_s * 1000), int(policy.hard_s * 1000)
        self.backoff = backoff
        self.roster = WorkerRoster()
        self.most: dict[str, int] = {}  # service that is scaled -> workers at most
        self.tasks: dict[bytes, CalledTask] = {}
        self.straying = False  # true: a worker may be at something that is not in our books
        self.queue = TaskQueue()
        self.timers: Timers[bytes] = Timers()
        self.coalescing = Coalescing()
        self.size = 0  # bytes of the tasks' arguments, as far as they are counted
        self.waiting: Counter[str] = Counter()  # service -> tasks that wait for their next attempt
        self.given_up: Counter[str] = Counter()  # service -> tasks that have ended, though a worker holds them still
        self.paused: dict[str, float] = {}  # service -> until when it cools down, monotonic seconds
        self.counters: dict[str, int] = dict.fromkeys(COUNTED, 0)

    def accept(self, now: float, task: CalledTask) -> list[Effect]:
        """Take in a posted task that is safe in the store."""
        if task.id in self.tasks:  # ids are to be unique for ever, so this is its client's fault
            why = Error(task.id, "BAD_ID", "its id is that of a call that is under way")
            return [Ended(task.id, TaskState.FAILED.value, 0, why)]
        self._take_in(now, task)
        return self._accept(now, task)

    def restore(self, now: float, task: CalledTask, in_s: float) -> list[Effect]:
        """Take in a posted task of an earlier life of the broker; if its time is over, it ends.

        Args:
            now: monotonic seconds.
            task: queued; its attempt is that of its last one.
            in_s: seconds after which it is queued: who was at it may say so before.
        """
        if task.id in self.tasks:
            return []
        self._take_in(now, task)
        if self.straying and (adopted := self._adopted(now, task)) is not None:
            return adopted
        if in_s > 0 or task.attempt:
            task.state = TaskState.WAITING
            self._wait(now, task, in_s)
        if task.deadline <= now:
            return self._expire(task)
        if task.state is TaskState.WAITING:
            return []
        self.queue.add(task)
        return self._assign(now, task.service) if self.roster.room(task.service) else []

    def _take_in(self, now: float, task: CalledTask) -> None:
        self.tasks[task.id] = task
        self.size += task.size
        self._watch(now, task)

    def _accept(self, now: float, task: CalledTask) -> list[Effect]:
        if self.straying and (adopted := self._adopted(now, task)) is not None:
            self.counters["accepted"] += 1
            return adopted
        return self._accept_all(now, [task])

    def _watch(self, now: float, task: CalledTask) -> None:
        """Set the time limit of a posted task, if it has one."""
        if task.deadline < math.inf:
            task.patience_s = task.deadline - now
            self.timers.set_after(DEADLINE + task.id, now, task.patience_s)

    def _adopted(self, now: float, task: CalledTask) -> list[Effect] | None:
        """Find a worker that is at this task already, since an earlier broker gave it; its attempt counts."""
        self.straying = any(worker.strays for worker in self.roster)
        for worker in self.roster:
            attempt = max((attempt for stray, attempt in worker.strays if stray == task.id), default=0)
            if attempt and worker.service == task.service:
                worker.strays.discard((task.id, attempt))
                task.attempt = attempt - 1
                return self._run(now, task, worker)
        return None

    def _accept_all(self, now: float, fresh: list[CalledTask]) -> list[Effect]:
        """Give new tasks of one service to workers, as far as there are free ones."""
        self.counters["accepted"] += len(fresh)
        service = fresh[0].service
        # Where others wait already there is no worker free: whatever makes one free gives it the first that waits.
        if service in self.queue.by_service or service in self.paused:
            self.queue.extend(fresh)
            return []
        return self._deal(now, service, fresh)

    def _assign(self, now: float, service: str) -> list[Effect]:
        """Give a service's workers what waits, as far as there are free ones: first suspects, each to one that holds nothing."""
        queue = self.queue
        if not queue.has(service) or now < self.paused.get(service, now):
            return []
        effects: list[Effect] = []
        if service in queue.suspects:
            effects += self._give_suspects(now, service)
        if service in queue.by_service:
            effects += self._deal(now, service, queue.take_many(service, self.roster.room(service)))
        return effects

    def _give_suspects(self, now: float, service: str) -> list[Effect]:
        """Give suspects to workers that hold nothing; if there are too few of them, let one more become free."""
        effects: list[Effect] = []
        for worker in self.roster.empty(service):
            task = self.queue.take_suspect(service)
            if task is None:
                return effects
            worker.alone = True
            effects += self._give(now, [task], worker)
        if service in self.queue.suspects:
            self.roster.keep_one(service)
        return effects

    def _deal(self, now: float, service: str, tasks: list[CalledTask]) -> list[Effect]:
        """Give tasks to the workers with fewest, in order; what there is no room for has to wait."""
        effects: list[Effect] = []
        given = 0
        for worker, hand in self.roster.deal(now, service, tasks):
            effects += self._give(now, hand, worker)
            given += len(hand)
        if given < len(tasks):
            self.queue.extend(tasks[given:])
        return effects

    def _give(self, now: float, tasks: list[CalledTask], worker: Worker) -> list[Effect]:
        """Give tasks that are queued, or new, to a worker that has room for them."""
        held, name, soft_ms, hard_ms = worker.held, worker.name, self.soft_ms, self.hard_ms
        if not held:
            self.timers.set_after(worker.timer, now, self.policy.hard_s)
        given: list[Task] = []
        begun: list[Effect] = []
        for task in tasks:  # as `_run` does
            task.state = RUNNING
            task_id, attempt = task.id, task.attempt + 1
            task.attempt = held[task_id] = attempt
            task.worker, task.started = name, now
            given.append(Task(task_id, attempt, task.action, task.args, soft_ms, hard_ms))
            if task.posted:
                begun.append(Begun(task_id, attempt, name))
        return [ToWorker(worker.identity, given if len(given) > 1 else given[0]), *begun]

    def _run(self, now: float, task: CalledTask, worker: Worker) -> list[Effect]:
        self._stop_waiting(task)
        task.become(TaskState.RUNNING)
        task.suspect = False  # its worker lives
        task.attempt = attempt = task.attempt + 1
        task.worker = worker.name
        task.started = now
        held = worker.held
        if not held:
            self.timers.set_after(worker.timer, now, self.policy.hard_s)
        held[task.id] = attempt
        return [Begun(task.id, task.attempt, worker.name)] if task.posted else []

    def _release(self, worker: Worker, task_id: bytes) -> None:
        """Note that a worker is rid of a task."""
        del worker.held[task_id]
        if not worker.held:
            worker.alone = False
            self.timers.cancel_after(worker.timer, self.policy.hard_s)

    def _failed(self, now: float, task: CalledTask, failure: Failure) -> list[Effect]:
        task.troubles.append(f"{task.worker}: {failure.code}: {failure.text}")
        cooling = self._cool_down(now, task.service, failure)
        delay_s = retry_delay_s(failure, task.attempt, task.retries, self.backoff)
        if delay_s is None:
            return [*cooling, *self._end(task, TaskState.FAILED, task.error(failure.code, failure.text, failure.details))]
        task.become(TaskState.WAITING)
        self._wait(now, task, delay_s)
        self.counters["retried"] += 1
        fields = {"task": task.id.hex(), "attempt": task.attempt, "code": failure.code, "in_s": round(delay_s, 3)}
        return [*cooling, LogLine("task retried", fields), *self._noted(task, delay_s)]

    def _cool_down(self, now: float, service: str, failure: Failure) -> list[Effect]:
        """Give a service nothing more for a while: what one worker was told by its upstream is meant for all."""
        until = now + failure.cool_down_s
        if not failure.cool_down_s or until <= self.paused.get(service, 0.0):
            return []
        self.paused[service] = until
        self.timers.set(PAUSE + service.encode(), until)
        return [LogLine("service cools down", {"service": service, "for_s": round(failure.cool_down_s, 3), "why": failure.code})]

    def _warm_up(self, now: float, service: str) -> list[Effect]:
        self.paused.pop(service, None)
        return self._assign(now, service)

    def _wait(self, now: float, task: CalledTask, delay_s: float) -> None:
        """Count a task among those that wait, and queue it after a while."""
        self.waiting[task.service] += 1
        self.timers.set(RETRY + task.id, now + delay_s)

    def _stop_waiting(self, task: CalledTask) -> None:
        """Count a task no more among those that wait, if it did; it is about to become something else."""
        if task.state is TaskState.WAITING:
            _count_down(self.waiting, task.service)

    def _noted(self, task: CalledTask, in_s: float) -> list[Effect]:
        return [Delayed(task.id, task.attempt, in_s, task.troubles[-1])] if task.posted else []

    def _expire(self, task: CalledTask) -> list[Effect]:
        alive = sum(worker.service == task.service for worker in self.roster)
        return self._give_up(task, TaskState.EXPIRED, task.error("EXPIRED", task.why_expired(alive)))

    def cancel(self, task_id: bytes) -> list[Effect]:
        """End a task before its time; no effect if there is none of that id, or it has ended."""
        task = self.tasks.get(task_id)
        if task is None or task.state in GIVEN_UP:
            return []
        return self._give_up(task, TaskState.CANCELLED, task.error("CANCELLED", "it was cancelled"))

    def _give_up(self, task: CalledTask, state: TaskState, message: Error) -> list[Effect]:
        still_held = task.state is TaskState.RUNNING
        self._stop_waiting(task)
        self.queue.remove(task)
        end = self._end(task, state, message)
        if still_held:  # its worker is still at it: kept, so that the hard limit finds it, until the worker is rid of it
            self.tasks[task.id] = task
            task.args = {}
            self.given_up[task.service] += 1
        return end

    def _put_down(self, task: CalledTask) -> None:
        """Forget a task that was given up, as its worker is rid of it."""
        self._forget(task)
        _count_down(self.given_up, task.service)

    def _end(self, task: CalledTask, state: TaskState, message: Reply | Error) -> list[Effect]:
        task.become(state)
        self.counters[state] += 1
        if task.posted:
            self.counters["dead_letters"] += state is TaskState.FAILED
            self._forget(task)
            return [Ended(task.id, state.value, task.attempt, message)]
        told: list[Effect] = [ToClient(task.client, message)]
        if task.id in self.coalescing:
            told += [ToClient(client, _for(message, request)) for client, request in self.coalescing.followers(task.id)]
        self._forget(task)
        return told

    def _forget(self, task: CalledTask) -> None:
        del self.tasks[task.id]
        if task.size:
            self.size -= task.size
            task.size = 0
        if task.id in self.coalescing:
            self.coalescing.end(task.id)
        if task.patience_s < math.inf:
            self.timers.cancel_after(DEADLINE + task.id, task.patience_s)
        if task.state in GIVEN_UP:
            self.timers.cancel(RETRY + task.id)


def _count_down(counter: Counter[str], service: str) -> None:
    counter[service] -= 1
    if not counter[service]:
        del counter[service]


def _for(message: Reply | Error, request: bytes) -> Reply | Error:
    """Address the same answer to another request."""
    if isinstance(message, Reply):
        return Reply(request, message.value)
    return Error(request, message.code, message.text, message.details)

"""The dispatcher: assignment of tasks to workers, and handling of failed attempts. PROTOCOL.md sections 5 and 6. Pure.

Rule 1: a task that was accepted ends exactly once: done, failed or expired.
Rule 2: no worker ever holds more than it offered.
Rule 3: a lost worker counts as an attempt of the tasks it had begun, for any cause: see `bus.core.tasks.lost_workers`.

The dispatcher handles messages of peers and timers with its parts: `TaskRequests` makes tasks of clients' requests,
`TaskLifecycle` keeps their states, `TaskAssignment` gives them to the workers of a `WorkerRoster`.

Every method takes `now` (monotonic seconds) and returns effects; no method uses a socket or a clock.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from hulak.bus.backoff import Backoff
from hulak.bus.core.effects import Effect, Ended, LogLine, ToClient, ToWorker
from hulak.bus.core.tasks.lost_workers import surely_begun
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.surplus_workers import to_leave
from hulak.bus.core.tasks.task_assignment import PAUSE, TaskAssignment
from hulak.bus.core.tasks.task_lifecycle import DEADLINE, RETRY, TaskLifecycle
from hulak.bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskQueue, TaskState
from hulak.bus.core.tasks.task_requests import TaskRequests
from hulak.bus.core.tasks.timers import Timers
from hulak.bus.core.tasks.worker_roster import Worker, WorkerRoster
from hulak.bus.wire.failures import Failure
from hulak.bus.wire.messages import (
    BrokerHeartbeat,
    Error,
    Goodbye,
    HeldTask,
    Part,
    Ready,
    Request,
    Result,
    Retire,
    TaskPart,
    WorkerHeartbeat,
)
from hulak.bus.wire.trace_context import TRACES

BEAT = b"beat"  # the timer of the heartbeat
HARD = b"h"  # timer of a worker, for the task that it has held longest: this, and the worker's name
RUNNING = TaskState.RUNNING
SETTLING_BEATS = 3  # heartbeats in which the workers of the broker before register again


class Dispatcher:
    """All called tasks and all workers of one broker.

    Args:
        epoch: of the broker; workers that knew another one register again.
        policy: times and bounds.
        backoff: delays of retries; carries the randomness.
        now: monotonic seconds at the start.
        max_workers: of each service that is scaled.
    """

    def __init__(
        self, epoch: int, policy: Policy, backoff: Backoff, now: float, max_workers: Mapping[str, int] | None = None
    ) -> None:
        self.epoch = epoch
        self.policy = policy
        self.max_workers = max_workers or {}
        self.queue = TaskQueue()
        self.timers: Timers[bytes] = Timers()
        self.roster = WorkerRoster()
        self.lifecycle = TaskLifecycle(self.queue, self.timers, backoff)
        self.assignment = TaskAssignment(self.lifecycle, self.roster, policy)
        self.intake = TaskRequests(self.lifecycle, self.assignment, policy)
        self.tasks, self.counters = self.lifecycle.tasks, self.lifecycle.counters
        self.timers.set(BEAT, now + policy.heartbeat_s)
        self.settled_at = now + SETTLING_BEATS * policy.heartbeat_s  # restored tasks wait for their workers until then

    @property
    def size(self) -> int:
        """Bytes of the tasks' arguments, as far as they are counted."""
        return self.lifecycle.size

    @property
    def refused(self) -> int:
        """Requests of tasks that were answered with an ERROR."""
        return self.intake.refused

    # From clients

    def request(self, now: float, client: bytes, request: Request) -> list[Effect]:
        """Accept one request, see `TaskRequests.request`."""
        return self.intake.request(now, client, request)

    def requests(self, now: float, client: bytes, requests: Sequence[Request], size: int = 0) -> list[Effect]:
        """Accept requests or answer why not, see `TaskRequests.requests`."""
        return self.intake.requests(now, client, requests, size)

    # Posted tasks

    def accept(self, now: float, tasks: Sequence[CalledTask]) -> list[Effect]:
        """Add posted tasks that are committed to the store."""
        effects: list[Effect] = []
        for _, alike in groupby(tasks, lambda task: task.service):
            fresh: list[CalledTask] = []
            for task in alike:
                if task.id in self.tasks:  # ids must be unique for all time, so this is the client's fault
                    why = Error(task.id, "BAD_ID", "its id is that of a call in progress")
                    effects.append(Ended(task.id, TaskState.FAILED.value, 0, why))
                    continue
                self._add(now, task)
                fresh.append(task)
            if fresh:
                effects += self.assignment.accept(now, fresh)
        return effects

    def restore(self, now: float, task: CalledTask, in_s: float) -> list[Effect]:
        """Add a posted task of a previous run of the broker; it ends if it has expired.

        Its row may be older than its attempt: shortly after the start a queued task too waits for a worker that names it.

        Args:
            now: monotonic seconds.
            task: queued; its attempt is its last one.
            in_s: seconds after which it is queued: until then its former worker may report it.
        """
        if task.id in self.tasks:
            return []
        self._add(now, task)
        if self.assignment.straying:
            adopted = self.assignment.adopt_stray(now, task)
            if task.state is RUNNING:
                return adopted
        if in_s > 0 or task.attempt:
            task.state = TaskState.WAITING
            self.lifecycle.wait(now, task, in_s)
        if task.deadline <= now:
            return self._expire(task)
        if task.state is TaskState.WAITING:
            return []
        if now < self.settled_at:
            self.assignment.pause(task.service, self.settled_at)
        self.queue.add(task)
        return self.assignment.assign(now, task.service) if self.roster.room(task.service) else []

    def _add(self, now: float, task: CalledTask) -> None:
        if task.deadline < math.inf:
            task.timeout_s = task.deadline - now
        self.lifecycle.add(now, task)

    def cancel(self, task_id: bytes) -> list[Effect]:
        """End a task before its time; no effect if there is none of that id, or it has ended."""
        return self.lifecycle.cancel(task_id)

    # Messages of workers

    def ready(self, now: float, identity: bytes, ready: Ready, lease_s: float | None = None) -> list[Effect]:
        """Add a worker, or record its new credit, or its new identity after a reconnection; a worker may have another lease."""
        effects: list[Effect] = []
        at_identity, worker = self.roster.at(identity), self.roster.named(ready.worker)
        if at_identity is not None and at_identity is not worker:
            effects += self.lost(now, identity, "its identity was taken over")
        if worker is not None and worker.service != ready.service:
            effects += self.lost(now, worker.identity, "it registered for another service")
            worker = None
        if worker is None:
            worker = Worker(identity, ready.worker, ready.service, 0, now, now, lease_s or self.policy.lease_s)
            worker.timer = HARD + worker.name.encode(errors="surrogatepass")
            self.roster.add(worker)
            effects.append(LogLine("worker registered", {"worker": worker.name, "service": worker.service}))
        sure = worker.identity != identity or ready.credit == 0  # else a task may be on its way to it
        if worker.identity != identity:
            effects += self._missing(worker, ready)
            self.roster.move(worker, identity)
        if worker.retiring and ready.credit:  # the first RETIRE did not reach it
            effects.append(ToWorker(identity, Retire("it was asked to retire before")))
        worker.credit, worker.info, worker.traces = ready.credit, ready.info, ready.info.get(TRACES) is True
        worker.lease_until = now + worker.lease_s
        effects += self._settle_held(now, worker, ready.held, sure=sure)
        effects.append(ToWorker(identity, BrokerHeartbeat(self.epoch, known=True)))
        for name, why in to_leave(self.roster, worker, self.max_workers.get(worker.service)):
            effects += self.retire(name, why)
        return effects + self.assignment.assign(now, worker.service)

    def _missing(self, worker: Worker, ready: Ready) -> list[Effect]:
        """Handle the tasks that a reconnected worker no longer holds: it may be another process of that name."""
        really = {task.task: task.attempt for task in ready.held}
        missing = [task_id for task_id, attempt in worker.held.items() if really.get(task_id) != attempt]
        alone, why = len(worker.held) == 1, "it registered again without the task"
        return [do for task_id in missing for do in self._attempt_lost(worker, task_id, why, begun=alone, suspect=True)]

    def _settle_held(self, now: float, worker: Worker, held: tuple[HeldTask, ...], *, sure: bool) -> list[Effect]:
        """Reconcile the recorded tasks of a registering worker with those that it reports.

        Args:
            now: monotonic seconds.
            worker: the registering worker.
            held: tasks that it reports as held.
            sure: no task can still be in flight to it; else its heartbeats decide.
        """
        effects: list[Effect] = []
        really = {task.task: task.attempt for task in held}
        back = [task_id for task_id, attempt in worker.held.items() if sure and really.get(task_id) != attempt]
        for task_id in reversed(back):  # each is queued before all others
            effects += self._attempt_lost(worker, task_id, "it handed the task back", begun=False, suspect=False)
        for task_id, attempt in really.items():
            task = self.tasks.get(task_id)
            waits = task is not None and task.state in (TaskState.QUEUED, TaskState.WAITING)
            if task is not None and waits and attempt >= task.attempt and task.service == worker.service:
                effects += self.assignment.adopt(now, task, worker, attempt)
        self.assignment.note_strays(worker, held)
        return effects

    def heartbeat(self, now: float, identity: bytes, heartbeat: WorkerHeartbeat) -> list[Effect]:
        """Renew a worker's lease; requeue tasks that never reached it."""
        worker = self.roster.at(identity)
        if worker is None:
            return [ToWorker(identity, BrokerHeartbeat(self.epoch, known=False))]
        worker.lease_until = now + worker.lease_s
        if heartbeat.report is not None:
            worker.update_report(heartbeat.report)
        really = {task.task for task in heartbeat.held}
        self.assignment.note_strays(worker, heartbeat.held)
        missed = {attempt: worker.missed.get(attempt, now) for attempt in worker.held.items() if attempt[0] not in really}
        worker.missed = missed
        effects: list[Effect] = []
        for task_id in [task_id for (task_id, _), since in missed.items() if now - since > self.policy.lease_s]:
            effects += self._attempt_lost(worker, task_id, "it did not receive the task", begun=True, suspect=False)
        return effects + self.assignment.assign(now, worker.service)

    def part(self, now: float, identity: bytes, part: TaskPart) -> list[Effect]:
        """Forward a part of a result; parts of attempts that were given up are dropped."""
        worker = self._alive(now, identity)
        running = worker is not None and worker.held.get(part.task) == part.attempt
        if not running or self.tasks[part.task].state in GIVEN_UP:
            self.counters["late"] += 1
            return []
        if self.tasks[part.task].posted:  # no client waits for its parts
            return []
        recipients = [(self.tasks[part.task].client, part.task), *self.lifecycle.coalescing.followers(part.task)]
        return [ToClient(client, Part(request, part.number, part.value)) for client, request in recipients]

    def result(self, now: float, identity: bytes, result: Result) -> list[Effect]:
        """End an attempt; the results of attempts that were given up are counted and dropped."""
        return self.results(now, identity, (result,))

    def results(self, now: float, identity: bytes, results: Sequence[Result]) -> list[Effect]:
        """End attempts of one worker, in their order."""
        worker = self.roster.by_identity.get(identity)
        if worker is None:
            self.counters["late"] += len(results)
            return [ToWorker(identity, BrokerHeartbeat(self.epoch, known=False))]
        worker.lease_until, worker.answered = now + worker.lease_s, now
        effects: list[Effect] = []
        done: list[Result] = []
        tasks, held, given_up = self.tasks, worker.held, self.lifecycle.given_up
        for result in results:
            task_id = result.task
            if held.get(task_id) == result.attempt and result.done and not (given_up and tasks[task_id].state in GIVEN_UP):
                del held[task_id]
                done.append(result)
            else:
                effects += self._settle(now, worker, result)
        if done:
            worker.done += len(done)
            effects += self.lifecycle.done(now, done)
            if not held:
                self.assignment.emptied(worker)
        if worker.service in self.queue.by_service or worker.service in self.queue.suspects:
            effects += self.assignment.assign(now, worker.service)
        return effects

    def _settle(self, now: float, worker: Worker, result: Result) -> list[Effect]:
        """End an attempt that failed or was given up; count and drop the result of an attempt that the worker does not hold."""
        if worker.held.get(result.task) != result.attempt:
            self.counters["late"] += 1
            worker.strays.discard((result.task, result.attempt))
            return []
        self.assignment.release(worker, result.task)
        task = self.tasks[result.task]
        if task.state in GIVEN_UP:
            self.lifecycle.put_down(task)
            return []
        worker.failed += 1
        failure = Failure.of(result.value)
        return [*self.assignment.cool_down(now, task.service, failure), *self.lifecycle.failed(now, task, failure)]

    def goodbye(self, now: float, identity: bytes, goodbye: Goodbye) -> list[Effect]:
        """Remove a worker that leaves."""
        return self.lost(now, identity, f"it left: {goodbye.reason}"[:120])

    def _alive(self, now: float, identity: bytes) -> Worker | None:
        worker = self.roster.at(identity)
        if worker is not None:
            worker.lease_until = now + worker.lease_s
        return worker

    # Lost workers, and timers

    def lost(self, now: float, identity: bytes, why: str) -> list[Effect]:
        """Remove a worker and give its tasks to others; an unknown one is ignored."""
        worker = self.roster.at(identity)
        return [] if worker is None else self._strike_off(now, worker, why)

    def _strike_off(self, now: float, worker: Worker, why: str, blamed: bytes = b"") -> list[Effect]:
        self.counters["lost_workers"] += not (why.startswith("it left") or worker.has_left)
        effects: list[Effect] = [
            LogLine("worker lost", {"worker": worker.name, "why": why, "tasks": [task.hex() for task in worker.held]})
        ]
        begun = surely_begun(worker.held, blamed)
        for task_id in list(worker.held):
            effects += self._attempt_lost(worker, task_id, why, begun=task_id in begun, suspect=True)
        self.roster.remove(worker)
        return effects + self.assignment.assign(now, worker.service)

    def _attempt_lost(self, worker: Worker, task_id: bytes, why: str, *, begun: bool, suspect: bool) -> list[Effect]:
        """Requeue a task that a worker no longer holds, or end it, see `TaskLifecycle.lost`."""
        worker.missed.pop((task_id, worker.held[task_id]), None)  # the attempt's number may be used again
        self.assignment.release(worker, task_id)
        return self.lifecycle.lost(self.tasks[task_id], why, begun=begun, suspect=suspect)

    def retire(self, name: str, reason: str) -> list[Effect]:
        """Ask a worker to finish the tasks that it holds and to leave; no effect if the name is unknown."""
        worker = self.roster.named(name)
        if worker is None:
            return []
        self.roster.retire(worker)
        return [ToWorker(worker.identity, Retire(reason)), LogLine("worker retired", {"worker": name, "why": reason})]

    def advance(self, now: float) -> list[Effect]:
        """Run all due timers: heartbeats, leases, hard limits, retries, deadlines."""
        return [effect for step in self.steps(now) for effect in step()]

    def steps(self, now: float) -> Iterator[Callable[[], list[Effect]]]:
        """Yield a function for each due timer, to be called in this order: so one that fails does not stop the others."""
        for key in self.timers.due(now):
            if key == BEAT:
                self.timers.set(BEAT, now + self.policy.heartbeat_s)
                yield from [partial(self._beat, now, worker) for worker in self.roster]
            else:
                yield partial(self._due, now, key)

    def _due(self, now: float, key: bytes) -> list[Effect]:
        task = self.tasks.get(key[1:])
        if key[:1] == PAUSE:
            return self.assignment.warm_up(now, key[1:].decode())
        if key[:1] == HARD:
            return self._hard_limit(now, key)
        if task is not None and key[:1] == DEADLINE:
            return self._expire(task)
        if task is not None and key[:1] == RETRY and task.state is TaskState.WAITING:
            return [*self.lifecycle.retry(task), *self.assignment.assign(now, task.service)]
        return []

    def _expire(self, task: CalledTask) -> list[Effect]:
        alive = sum(worker.service == task.service for worker in self.roster)
        return self.lifecycle.expire(task, alive)

    def _beat(self, now: float, worker: Worker) -> list[Effect]:
        if worker.lease_until < now:
            return self.lost(now, worker.identity, f"it was silent for {worker.lease_s} s")
        return [ToWorker(worker.identity, BrokerHeartbeat(self.epoch, known=True))]

    def _hard_limit(self, now: float, key: bytes) -> list[Effect]:
        """Check whether the task that a worker has held longest has passed the limit; if not, check again when it will have."""
        worker = self.roster.named(key[1:].decode(errors="surrogatepass"))
        if worker is None or not worker.held:
            return []
        task = min((self.tasks[task_id] for task_id in worker.held), key=lambda task: task.started)
        due = task.started + self.policy.hard_s
        if due > now:
            self.timers.set(key, due)
            return []
        gone = ToWorker(worker.identity, Retire(f"task {task.id.hex()} passed its hard limit of {self.policy.hard_s} s"))
        return [gone, *self._strike_off(now, worker, f"a task passed the hard limit of {self.policy.hard_s} s", task.id)]

"""Assignment of tasks to workers, and release of them. PROTOCOL.md sections 5 and 6. Pure.

The queue has the tasks that could run now, the roster the workers. Tasks are assigned in lists; a single task is a list of
length 1.
"""

from collections.abc import Iterable

from hulak.bus.core.effects import Begun, Effect, LogLine, ToWorker
from hulak.bus.core.tasks.policy import Policy
from hulak.bus.core.tasks.task_lifecycle import TaskLifecycle
from hulak.bus.core.tasks.task_queue import CalledTask, TaskState
from hulak.bus.core.tasks.worker_roster import Worker, WorkerRoster
from hulak.bus.wire.failures import Failure
from hulak.bus.wire.messages import HeldTask, Task, TaskContext

PAUSE = b"p"  # timer of a service that cools down: this, and the service's name
RUNNING = TaskState.RUNNING


class TaskAssignment:
    """Gives tasks to workers.

    Args:
        lifecycle: of the tasks.
        roster: of the workers.
        policy: times and bounds.
    """

    def __init__(self, lifecycle: TaskLifecycle, roster: WorkerRoster, policy: Policy) -> None:
        self.lifecycle = lifecycle
        self.roster = roster
        self.queue, self.timers, self.counters = lifecycle.queue, lifecycle.timers, lifecycle.counters
        self.soft_ms, self.hard_ms = int(policy.soft_s * 1000), int(policy.hard_s * 1000)
        self.hard_s = policy.hard_s
        self.straying = False  # true: a worker may be running an attempt that the broker does not know
        self.paused: dict[str, float] = {}  # service -> until when it cools down, monotonic seconds

    # Assignment

    def accept(self, now: float, fresh: list[CalledTask]) -> list[Effect]:
        """Assign new tasks of one service to workers while there are free ones; queue the others."""
        self.counters["accepted"] += len(fresh)
        adopted: list[Effect] = []
        if self.straying:
            adopted = [effect for task in fresh for effect in self.adopt_stray(now, task)]
            fresh = [task for task in fresh if task.state is not RUNNING]
            if not fresh:
                return adopted
        service = fresh[0].service
        # If other tasks wait, no worker is free: a worker that becomes free gets the first waiting task.
        if service in self.queue.by_service or service in self.paused:
            self.queue.extend(fresh)
            return adopted
        given = self._deal(now, service, fresh)
        return adopted + given if adopted else given

    def assign(self, now: float, service: str) -> list[Effect]:
        """Assign a service's waiting tasks while there are free workers: first suspects, each to a worker that holds nothing."""
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
        """Assign suspects to workers that hold nothing; if there are too few of them, reserve one more."""
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
        """Assign tasks, in order, to the workers with the fewest; queue those without room."""
        effects: list[Effect] = []
        given = 0
        for worker, hand in self.roster.deal(now, service, tasks):
            effects += self._give(now, hand, worker)
            given += len(hand)
        if given < len(tasks):
            self.queue.extend(tasks[given:])
        return effects

    def _give(self, now: float, tasks: list[CalledTask], worker: Worker) -> list[Effect]:
        """Begin an attempt of each task, none of which is queued, at a worker with room for them.

        Returns:
            the messages to the worker, and behind them the records for the store.
        """
        held, name, soft_ms, hard_ms = worker.held, worker.name, self.soft_ms, self.hard_ms
        if not held:
            self.timers.set_after(worker.timer, now, self.hard_s)
        given: list[Task] = []
        begun: list[Effect] = []
        for task in tasks:
            task.state = RUNNING
            task_id, attempt = task.id, task.attempt + 1
            task.attempt = held[task_id] = attempt
            task.worker, task.started = name, now
            given.append(Task(task_id, attempt, task.action, task.args, soft_ms, hard_ms))
            if task.posted:
                begun.append(Begun(task_id, attempt, name))
        message = ToWorker(worker.identity, given if len(given) > 1 else given[0])
        return [*self._contexts(now, tasks, worker), message, *begun] if worker.traces else [message, *begun]

    def _contexts(self, now: float, tasks: list[CalledTask], worker: Worker) -> list[Effect]:
        """Return the trace contexts of tasks for a worker that wants them; their attempts have begun."""
        return [
            ToWorker(worker.identity, TaskContext(task.id, task.attempt, task.trace.context, task.trace.waited_us(now)))
            for task in tasks
            if task.trace is not None
        ]

    # Attempts that a worker already runs

    def note_strays(self, worker: Worker, held: Iterable[HeldTask]) -> None:
        """Record the attempts of a worker that the broker does not know, or no longer knows."""
        worker.strays = {(task.task, task.attempt) for task in held if worker.held.get(task.task) != task.attempt}
        self.straying = self.straying or bool(worker.strays)

    def adopt_stray(self, now: float, task: CalledTask) -> list[Effect]:
        """Find a worker that already runs a new task, assigned by a previous run of the broker; if one does, the task runs."""
        self.straying = any(worker.strays for worker in self.roster)
        for worker in self.roster:
            attempt = max((attempt for stray, attempt in worker.strays if stray == task.id), default=0)
            if attempt and worker.service == task.service:
                worker.strays.discard((task.id, attempt))
                return self.adopt(now, task, worker, attempt)
        return []

    def adopt(self, now: float, task: CalledTask, worker: Worker, attempt: int) -> list[Effect]:
        """Record that a worker already runs a waiting task, as if it had been assigned."""
        self.lifecycle.withdraw(task)
        task.suspect = False  # its worker is alive
        task.attempt = attempt - 1
        return [effect for effect in self._give(now, [task], worker) if type(effect) is Begun]  # the worker has the task already

    # Release

    def release(self, worker: Worker, task_id: bytes) -> None:
        """Record that a worker no longer holds a task."""
        del worker.held[task_id]
        if not worker.held:
            self.emptied(worker)

    def emptied(self, worker: Worker) -> None:
        """Record that a worker holds no tasks any more."""
        worker.alone = False
        self.timers.cancel_after(worker.timer, self.hard_s)

    # Services that cool down

    def cool_down(self, now: float, service: str, failure: Failure) -> list[Effect]:
        """Pause a service: an upstream's limit that one worker reports applies to all of its workers."""
        until = now + failure.cool_down_s
        if not failure.cool_down_s or not self.pause(service, until):
            return []
        return [LogLine("service cools down", {"service": service, "for_s": round(failure.cool_down_s, 3), "why": failure.code})]

    def pause(self, service: str, until: float) -> bool:
        """Assign no tasks of a service until then; false if it is paused for as long already."""
        if until <= self.paused.get(service, 0.0):
            return False
        self.paused[service] = until
        self.timers.set(PAUSE + service.encode(), until)
        return True

    def warm_up(self, now: float, service: str) -> list[Effect]:
        """Resume a service, and assign its waiting tasks."""
        self.paused.pop(service, None)
        return self.assign(now, service)

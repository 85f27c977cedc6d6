"""A task's way from one attempt to the next, and to its end. PROTOCOL.md section 6. Pure.

The half of the dispatcher that knows what becomes of a task; the other half, `bus.core.dispatch`, knows what peers say.
"""

from collections import Counter

from bus.core.backoff import Backoff
from bus.core.effects import Effect, Note, ToClient, ToWorker
from bus.core.policy import Failure, Policy, retry_delay_s
from bus.core.roster import Roster, Worker
from bus.core.tasks import CalledTask, Queue, State
from bus.core.timers import Timers
from bus.messages import Error, Reply, Task

DEADLINE, HARD, RETRY = b"d", b"h", b"r"  # timers of a task: each of these, and the task's id


class Attempts:
    """All called tasks and the workers that hold them.

    Args:
        policy: times and bounds.
        backoff: delays of retries; carries the randomness.
    """

    def __init__(self, policy: Policy, backoff: Backoff) -> None:
        self.policy = policy
        self.backoff = backoff
        self.roster = Roster()
        self.tasks: dict[bytes, CalledTask] = {}
        self.queue = Queue()
        self.timers: Timers[bytes] = Timers()
        self.counters: Counter[str] = Counter(accepted=0, done=0, failed=0, expired=0, retried=0, lost_workers=0, late=0)

    def _assign(self, now: float, service: str) -> list[Effect]:
        effects: list[Effect] = []
        while (worker := self.roster.pick(service)) is not None:
            task = self.queue.take(service, self.tasks)
            if task is None:
                break
            effects.append(self._give(now, task, worker))
        return effects

    def _give(self, now: float, task: CalledTask, worker: Worker) -> Effect:
        self._run(now, task, worker)
        soft_ms, hard_ms = int(self.policy.soft_s * 1000), int(self.policy.hard_s * 1000)
        return ToWorker(worker.identity, Task(task.id, task.attempt, task.action, task.args, soft_ms, hard_ms))

    def _run(self, now: float, task: CalledTask, worker: Worker) -> None:
        task.become(State.RUNNING)
        task.attempt += 1
        task.worker = worker.name
        task.started = now
        worker.held[task.id] = task.attempt
        self.timers.set(HARD + task.id, now + self.policy.hard_s)

    def _attempt_lost(self, worker: Worker, task_id: bytes, why: str) -> list[Effect]:
        del worker.held[task_id]
        worker.missed.pop(task_id, None)
        task = self.tasks[task_id]
        if task.state is State.EXPIRED:
            self._forget(task)
            return []
        task.troubles.append(f"{worker.name}: {why}")
        if task.attempt > task.retries:
            text = f"{task.attempt} workers were lost with it, the last one ({worker.name}) since {why}"
            return [self._end(task, State.FAILED, task.error("WORKER_LOST", text))]
        task.become(State.QUEUED)
        self.queue.add(task, first=True)
        self.counters["retried"] += 1
        return [Note("task requeued", {"task": task.id.hex(), "attempt": task.attempt, "why": why})]

    def _failed(self, now: float, task: CalledTask, failure: Failure) -> list[Effect]:
        task.troubles.append(f"{task.worker}: {failure.code}: {failure.text}")
        delay_s = retry_delay_s(failure, task.attempt, task.retries, self.backoff)
        if delay_s is None:
            return [self._end(task, State.FAILED, task.error(failure.code, failure.text, failure.details))]
        task.become(State.WAITING)
        self.counters["retried"] += 1
        self.timers.cancel(HARD + task.id)
        self.timers.set(RETRY + task.id, now + delay_s)
        fields = {"task": task.id.hex(), "attempt": task.attempt, "code": failure.code, "in_s": round(delay_s, 3)}
        return [Note("task retried", fields)]

    def _expire(self, task: CalledTask) -> list[Effect]:
        alive = sum(worker.service == task.service for worker in self.roster)
        still_held = task.state is State.RUNNING
        self.queue.remove(task)
        end = self._end(task, State.EXPIRED, task.error("EXPIRED", task.why_expired(alive)))
        if still_held:  # its worker is still at it: kept, so that the hard limit finds it, until the worker is rid of it
            self.tasks[task.id] = task
            self.timers.set(HARD + task.id, task.started + self.policy.hard_s)
        return [end]

    def _end(self, task: CalledTask, state: State, message: Reply | Error) -> Effect:
        task.become(state)
        self.counters[state.value] += 1
        self._forget(task)
        return ToClient(task.client, message)

    def _forget(self, task: CalledTask) -> None:
        del self.tasks[task.id]
        for kind in (DEADLINE, HARD, RETRY):
            self.timers.cancel(kind + task.id)

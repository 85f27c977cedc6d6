"""Which worker gets which task, and what happens when it does not end well. PROTOCOL.md sections 5 and 6. Pure.

Rule 1: a task that was accepted ends exactly once: done, failed or expired.
Rule 2: no worker ever holds more than it offered.
Rule 3: a lost worker counts as an attempt of what it had begun, whatever it was lost to: see `bus.core.tasks.lost_workers`.

Every method takes `now` (monotonic seconds) and returns effects; nothing here knows a socket or a clock.
"""

from collections.abc import Callable, Iterator
from functools import partial

from bus.backoff import Backoff
from bus.core.effects import Effect, LogLine, ToClient, ToWorker
from bus.core.tasks.lost_workers import LostWorkers
from bus.core.tasks.policy import Policy, read_options, too_many
from bus.core.tasks.surplus_workers import to_leave
from bus.core.tasks.task_lifecycle import DEADLINE, HARD, PAUSE, RETRY
from bus.core.tasks.task_queue import GIVEN_UP, CalledTask, TaskState
from bus.core.tasks.worker_roster import Worker
from bus.errors import ProtocolError
from bus.wire.failures import Failure
from bus.wire.messages import (
    BrokerHeartbeat,
    Goodbye,
    HeldTask,
    Part,
    Ready,
    Reply,
    Request,
    Result,
    Retire,
    TaskPart,
    WorkerHeartbeat,
)

BEAT = b"beat"  # the timer of the heartbeat


class Dispatcher(LostWorkers):
    """All called tasks and all workers of one broker.

    Args:
        epoch: of the broker; workers that knew another one register again.
        policy: times and bounds.
        backoff: delays of retries; carries the randomness.
        now: monotonic seconds at the start.
    """

    def __init__(self, epoch: int, policy: Policy, backoff: Backoff, now: float) -> None:
        super().__init__(policy, backoff)
        self.epoch = epoch
        self.refused = 0  # requests of a burst that were answered with an ERROR
        self.timers.set(BEAT, now + policy.heartbeat_s)

    # What clients send

    def request(self, now: float, client: bytes, request: Request) -> list[Effect]:
        """Accept a request, or join it to the one that runs already under its id.

        Raises:
            ProtocolError: `BAD_OPTION`; `BUSY`, the queue is full; `BAD_ID`, it is that of a posted task.
        """
        tasks = self.tasks
        if request.id in tasks:
            known = tasks[request.id]
            if known.posted:
                raise ProtocolError("BAD_ID", "its id is that of a posted task")
            known.client = client
            over = known.state in GIVEN_UP
            return [ToClient(client, known.error(known.state.name, "its time is over"))] if over else []
        timeout_s, retries = read_options(request, self.policy)
        share = request.options.get("share")
        if share and self._follows(now, client, request, timeout_s):
            return []
        if len(tasks) >= self.policy.max_tasks:
            raise too_many(len(tasks))
        tasks[request.id] = task = CalledTask.of(client, request, now, timeout_s, retries)
        if share:
            self.coalescing.lead(request)
        self.timers.set_after(DEADLINE + request.id, now, timeout_s)
        return self._accept(now, task)

    def _follows(self, now: float, client: bytes, request: Request, timeout_s: float) -> bool:
        """Let an equal read that is under way answer this one too; it goes on for as long as anybody waits for it."""
        leader = self.tasks.get(self.coalescing.follow(request, client) or b"")
        if leader is None or leader.state in GIVEN_UP:
            return False
        if now + timeout_s > leader.deadline:
            self.timers.cancel_after(DEADLINE + leader.id, leader.patience_s)
            leader.deadline, leader.patience_s = now + timeout_s, timeout_s
            self.timers.set_after(DEADLINE + leader.id, now, timeout_s)
        self.counters["shared"] += 1
        return True

    # What workers send

    def ready(self, now: float, identity: bytes, ready: Ready, lease_s: float | None = None) -> list[Effect]:
        """Take a worker in, or note its new credit, or its new identity after a reconnection; its lease may be its own."""
        effects: list[Effect] = []
        at_identity, worker = self.roster.at(identity), self.roster.named(ready.worker)
        if at_identity is not None and at_identity is not worker:
            effects += self.lost(now, identity, "another worker came under its identity")
        if worker is not None and worker.service != ready.service:
            effects += self.lost(now, worker.identity, "it came back for another service")
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
        if worker.retiring and ready.credit:  # what asked it to did not reach it
            effects.append(ToWorker(identity, Retire("it was asked to before")))
        worker.credit, worker.info = ready.credit, ready.info
        worker.lease_until = now + worker.lease_s
        effects += self._settle_held(now, worker, ready.held, sure=sure)
        effects.append(ToWorker(identity, BrokerHeartbeat(self.epoch, known=True)))
        for name, why in to_leave(self.roster, worker, self.most.get(worker.service)):
            effects += self.retire(name, why)
        return effects + self._assign(now, worker.service)

    def _missing(self, worker: Worker, ready: Ready) -> list[Effect]:
        """Find what a worker that comes over another connection holds no more: it may be another process of that name."""
        really = {one.task: one.attempt for one in ready.held}
        missing = [task_id for task_id, attempt in worker.held.items() if really.get(task_id) != attempt]
        alone, why = len(worker.held) == 1, "it registered again without it"
        return [do for task_id in missing for do in self._attempt_lost(worker, task_id, why, counts=alone, suspect=True)]

    def _settle_held(self, now: float, worker: Worker, held: tuple[HeldTask, ...], *, sure: bool) -> list[Effect]:
        """Bring our books and what a registering worker really holds together.

        Args:
            now: monotonic seconds.
            worker: that registered.
            held: what it says it holds.
            sure: nothing that we sent it can still arrive; else its heartbeats will tell.
        """
        effects: list[Effect] = []
        really = {one.task: one.attempt for one in held}
        back = [task_id for task_id, attempt in worker.held.items() if sure and really.get(task_id) != attempt]
        for task_id in reversed(back):  # each is put before all others
            effects += self._attempt_lost(worker, task_id, "it handed it back", counts=False, suspect=False)
        for task_id, attempt in really.items():
            task = self.tasks.get(task_id)
            waits = task is not None and task.state in (TaskState.QUEUED, TaskState.WAITING)
            if task is not None and waits and attempt >= task.attempt and task.service == worker.service:
                self.queue.remove(task)
                self.timers.cancel(RETRY + task_id)
                task.attempt = attempt - 1  # it is at work on this already: as good as given
                effects += self._run(now, task, worker)
        worker.strays = {(one.task, one.attempt) for one in held if worker.held.get(one.task) != one.attempt}
        self.straying = self.straying or bool(worker.strays)
        return effects

    def heartbeat(self, now: float, identity: bytes, heartbeat: WorkerHeartbeat) -> list[Effect]:
        """Renew a worker's lease; find out tasks that never reached it."""
        worker = self.roster.at(identity)
        if worker is None:
            return [ToWorker(identity, BrokerHeartbeat(self.epoch, known=False))]
        worker.lease_until = now + worker.lease_s
        if heartbeat.report is not None:
            worker.hear(heartbeat.report)
        really = {one.task for one in heartbeat.held}
        worker.strays = {(one.task, one.attempt) for one in heartbeat.held if worker.held.get(one.task) != one.attempt}
        self.straying = self.straying or bool(worker.strays)
        missed = {one: worker.missed.get(one, now) for one in worker.held.items() if one[0] not in really}
        worker.missed = missed
        effects: list[Effect] = []
        for task_id in [task_id for (task_id, _), since in missed.items() if now - since > self.policy.lease_s]:
            effects += self._attempt_lost(worker, task_id, "it never got it", counts=True, suspect=False)
        return effects + self._assign(now, worker.service)

    def part(self, now: float, identity: bytes, part: TaskPart) -> list[Effect]:
        """Pass on something of a result; parts of attempts that were given up are dropped."""
        worker = self._alive(now, identity)
        running = worker is not None and worker.held.get(part.task) == part.attempt
        if not running or self.tasks[part.task].state in GIVEN_UP:
            self.counters["late"] += 1
            return []
        if self.tasks[part.task].posted:  # nobody waits for its parts
            return []
        told = [(self.tasks[part.task].client, part.task), *self.coalescing.followers(part.task)]
        return [ToClient(client, Part(request, part.number, part.value)) for client, request in told]

    def result(self, now: float, identity: bytes, result: Result) -> list[Effect]:
        """End an attempt; the results of attempts that were given up are counted and dropped."""
        worker = self._alive(now, identity)
        if worker is None:
            self.counters["late"] += 1
            return [ToWorker(identity, BrokerHeartbeat(self.epoch, known=False))]
        worker.answered = now
        return self._settle(now, worker, result) + self._assign(now, worker.service)

    def _settle(self, now: float, worker: Worker, result: Result) -> list[Effect]:
        if worker.held.get(result.task) != result.attempt:
            self.counters["late"] += 1
            worker.strays.discard((result.task, result.attempt))
            return []
        self._release(worker, result.task)
        task = self.tasks[result.task]
        if task.state in GIVEN_UP:
            self._put_down(task)
            return []
        if result.done:
            worker.done += 1
            return self._end(task, TaskState.DONE, Reply(task.id, result.value))
        worker.failed += 1
        return self._failed(now, task, Failure.of(result.value))

    def goodbye(self, now: float, identity: bytes, goodbye: Goodbye) -> list[Effect]:
        """Let a worker go."""
        return self.lost(now, identity, f"it said goodbye: {goodbye.reason}"[:120])

    def _alive(self, now: float, identity: bytes) -> Worker | None:
        worker = self.roster.at(identity)
        if worker is not None:
            worker.lease_until = now + worker.lease_s
        return worker

    # What the broker finds out

    def lost(self, now: float, identity: bytes, why: str) -> list[Effect]:
        """Strike a worker off and give what it held to others; one that is unknown is ignored."""
        worker = self.roster.at(identity)
        return [] if worker is None else self._strike_off(now, worker, why)

    def _strike_off(self, now: float, worker: Worker, why: str, blamed: bytes = b"") -> list[Effect]:
        self.counters["lost_workers"] += not (why.startswith("it said goodbye") or worker.has_left)
        effects: list[Effect] = [
            LogLine("worker lost", {"worker": worker.name, "why": why, "tasks": [task.hex() for task in worker.held]})
        ]
        effects += self._all_lost(worker, why, blamed)
        self.roster.remove(worker)
        return effects + self._assign(now, worker.service)

    def retire(self, name: str, reason: str) -> list[Effect]:
        """Ask a worker to finish what it holds and to leave; no effect if there is none of that name."""
        worker = self.roster.named(name)
        if worker is None:
            return []
        self.roster.retire(worker)
        return [ToWorker(worker.identity, Retire(reason)), LogLine("worker retired", {"worker": name, "why": reason})]

    def advance(self, now: float) -> list[Effect]:
        """Do all that is due: heartbeats, leases, hard limits, retries, deadlines."""
        return [effect for step in self.steps(now) for effect in step()]

    def steps(self, now: float) -> Iterator[Callable[[], list[Effect]]]:
        """Give all that is due one by one, to be called in this order: so one that fails keeps no other from being done."""
        for key in self.timers.due(now):
            if key == BEAT:
                self.timers.set(BEAT, now + self.policy.heartbeat_s)
                yield from [partial(self._beat, now, worker) for worker in self.roster]
            else:
                yield partial(self._due, now, key)

    def _due(self, now: float, key: bytes) -> list[Effect]:
        task = self.tasks.get(key[1:])
        if key[:1] == PAUSE:
            return self._warm_up(now, key[1:].decode())
        if key[:1] == HARD:
            return self._hard_limit(now, key)
        if task is not None and key[:1] == DEADLINE:
            return self._expire(task)
        if task is not None and key[:1] == RETRY and task.state is TaskState.WAITING:
            self._stop_waiting(task)
            task.become(TaskState.QUEUED)
            self.queue.add(task, first=True)
            # What was in doubt when the broker was restarted is nobody's: so it stands in the store, too.
            doubt = self._noted(task, 0.0) if task.suspect and task.spared else []
            return [*doubt, *self._assign(now, task.service)]
        return []

    def _beat(self, now: float, worker: Worker) -> list[Effect]:
        if worker.lease_until < now:
            return self.lost(now, worker.identity, f"it was silent for {worker.lease_s} s")
        return [ToWorker(worker.identity, BrokerHeartbeat(self.epoch, known=True))]

    def _hard_limit(self, now: float, key: bytes) -> list[Effect]:
        """Look whether what a worker has held longest has passed the limit; if not, look again when it will have."""
        worker = self.roster.named(key[1:].decode(errors="surrogatepass"))
        if worker is None or not worker.held:
            return []
        task = min((self.tasks[task_id] for task_id in worker.held), key=lambda one: one.started)
        due = task.started + self.policy.hard_s
        if due > now:
            self.timers.set(key, due)
            return []
        gone = ToWorker(worker.identity, Retire(f"task {task.id.hex()} passed its hard limit of {self.policy.hard_s} s"))
        return [gone, *self._strike_off(now, worker, f"a task passed the hard limit of {self.policy.hard_s} s", task.id)]

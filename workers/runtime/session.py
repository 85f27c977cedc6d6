"""The worker's side of the task protocol: PROTOCOL.md section 5. Pure.

The session knows which tasks the worker holds and what the broker knows; the shell passes it messages and the time, and carries
out the actions that it returns. One task runs at a time; tasks that arrive meanwhile wait here, up to the credit.

Rule 1: a heartbeat lists the held tasks, and no others.
Rule 2: results that could not be sent are kept, and sent after the next registration; so are the last ones that were
    sent before it, since the broker may have been killed before it stored them.
Rule 3: after the soft limit a task is interrupted; after the hard limit the process ends, since a thread cannot be ended.
"""

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import (
    BrokerHeartbeat,
    Error,
    Goodbye,
    HeldTask,
    MessageFromWorker,
    MessageToWorker,
    Ready,
    Result,
    Retire,
    Task,
    TaskContext,
    TaskPart,
    WorkerHeartbeat,
)
from hulak.workers.runtime.sent_results import SentResults

AHEAD_S = 0.02
MOST_CONTEXTS = 4096
MOST_CREDIT = 128  # two batch frames; measured: with less than a client has in flight, the rest queues in the broker


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send a message to the broker."""

    message: MessageFromWorker
    frame: bytes = b""  # its bytes, if already encoded


class Run(msgspec.Struct, frozen=True, gc=False):
    """Start a task."""

    task: Task


class Interrupt(msgspec.Struct, frozen=True, gc=False):
    """Interrupt the running task: it exceeded its soft limit."""

    task: Task


class Exit(msgspec.Struct, frozen=True, gc=False):
    """End the process: 0 after a retirement or a stop, above 0 when a task exceeded its hard limit."""

    code: int
    why: str


Do = Send | Run | Interrupt | Exit


@dataclass(slots=True)
class Session:
    """One worker's registration with a broker, and with each broker after it.

    Args:
        service: the service that the worker offers.
        name: unique among living workers.
        credit: maximum of tasks held at a time; the initial value if it adapts.
        heartbeat_s: seconds between heartbeats.
        info: sent with each registration: pid, slot.
        adapts: the credit follows the duration of tasks, to hold `AHEAD_S` seconds of work: short tasks do not wait for a round
            trip to the broker, and no task waits behind long ones.
    """

    service: str
    name: str
    credit: int
    heartbeat_s: float
    info: dict[str, Any] = field(default_factory=dict)
    adapts: bool = False
    mean_s: float = 0.0  # moving average of a task's duration, the newest with weight 0.1; 0 before the first
    epoch: int | None = None  # of the broker that we are registered with; None: not registered
    leaving: bool = False  # takes no new tasks; ends when no task is held
    why: str = ""  # the reason for leaving
    running: Task | None = None
    batch: list[Task] = field(default_factory=list)  # the running task and the others of its batch, without a result sent yet
    begun: int = 0  # initial size of the batch
    waiting: deque[Task] = field(default_factory=deque)
    unsent_results: list[Send] = field(default_factory=list)  # results to be sent after the next registration
    sent: SentResults = field(default_factory=SentResults)
    attempts: set[tuple[bytes, int]] = field(default_factory=set)  # of the running and waiting tasks
    started: float = 0.0  # of the batch
    interrupted: bool = False
    contexts: dict[tuple[bytes, int], tuple[TaskContext, float]] = field(default_factory=dict)  # see `TracedRunner`
    next_beat: float = 0.0
    leave_by: float | None = None

    def held(self) -> tuple[HeldTask, ...]:
        """List every attempt that is running, waiting here, or ended with its result not sent."""
        return (
            *(HeldTask(task.id, task.attempt) for task in (*self.batch, *self.waiting)),
            *(
                HeldTask(send.message.task, send.message.attempt)
                for send in self.unsent_results
                if isinstance(send.message, Result)
            ),
        )

    def received(self, now: float, message: MessageToWorker) -> list[Do]:
        """Handle a message of the broker. Raises `ProtocolError`: the broker refused a READY."""
        if type(message) is Task:  # nearly always
            return self._task_received(now, message)
        match message:
            case BrokerHeartbeat(epoch, known):
                return self._broker_heartbeat(epoch, known=known)
            case TaskContext():
                self._context_received(now, message)
            case Error():
                raise ProtocolError(message.code, f"the broker refused to register this worker: {message.text}")
            case Retire(reason):
                return self.leave(now, f"retired: {reason}", limit_s=None)
        return []

    def given(self, now: float, tasks: Sequence[Task]) -> list[Do]:
        """Handle several tasks, like `received` for each."""
        if self.leaving or self.unsent_results:
            return [do for task in tasks for do in self._task_received(now, task)]
        attempts, waiting = self.attempts, self.waiting
        for task in tasks:
            attempt = (task.id, task.attempt)
            if attempt not in attempts:
                attempts.add(attempt)
                waiting.append(task)
        return [self._start(now, waiting.popleft())] if waiting and self.running is None else []

    def _context_received(self, now: float, context: TaskContext) -> None:
        """Keep the trace context of the task that comes next; those of tasks that were not accepted are forgotten in time."""
        self.contexts[context.task, context.attempt] = context, now
        if len(self.contexts) > MOST_CONTEXTS:
            del self.contexts[next(iter(self.contexts))]

    def _broker_heartbeat(self, epoch: int, *, known: bool) -> list[Do]:
        if known and epoch == self.epoch:
            self.sent.beat()
            return []
        if known and self.epoch is None:  # the reply to our registration
            self.epoch = epoch
            unsent_results, self.unsent_results = self.unsent_results, []
            return list(unsent_results)
        if self.epoch is None:  # a registration is in flight or due; another one, read late, would claim that we hold nothing
            return []
        self._unregistered()
        return [self._register()]

    def _unregistered(self) -> None:
        """Record that the broker may have been killed, perhaps before it stored the results that it got last."""
        self.epoch = None
        self.unsent_results[:0] = self.sent.take()

    def _register(self) -> Do:
        credit = 0 if self.leaving else self.credit
        return Send(Ready(self.service, self.name, credit, self.held(), self.info))

    def _task_received(self, now: float, task: Task) -> list[Do]:
        attempt = (task.id, task.attempt)
        if self.leaving or attempt in self.attempts or (self.unsent_results and HeldTask(*attempt) in self.held()):
            return []  # leaving: the broker gives it to others when it reads what we hold
        self.attempts.add(attempt)
        if self.running is not None:
            self.waiting.append(task)
            return []
        return [self._start(now, task)]

    def _start(self, now: float, task: Task) -> Do:
        self.running, self.started, self.interrupted = task, now, False
        self.batch, self.begun = [task], 1
        return Run(task)

    def begin(self, actions: Container[str], most: int) -> list[Task]:
        """Begin the running task and the tasks behind it that may share its batch; a batch has one start and one end.

        Args:
            actions: actions that may share a batch, since they take very little time.
            most: maximum size of the batch.
        Returns:
            the batch: only the running task if it has another action, else the consecutive tasks of these actions.
        """
        batch, waiting = self.batch, self.waiting
        if batch[0].action in actions:
            while waiting and len(batch) < most and waiting[0].action in actions:
                batch.append(waiting.popleft())
            self.begun = len(batch)
        return [*batch]

    def part(self, part: TaskPart, frame: bytes = b"") -> list[Do]:
        """Send a part of the running task's result."""
        return [] if self.running is None or self.epoch is None else [Send(part, frame)]

    def ended(self, ended: Sequence[Send]) -> list[Do]:
        """Handle the end of some tasks of the batch, in their order; the others continue.

        Args:
            ended: their results, with their frames if already encoded.
        """
        over = {(send.message.task, send.message.attempt) for send in ended}  # type: ignore[union-attr]
        self.batch = [task for task in self.batch if (task.id, task.attempt) not in over]
        self.attempts -= over
        if self.epoch is None:
            self.unsent_results += ended
            return []
        return [*ended]

    def finished(self, now: float, ended: Sequence[Send], rest: Sequence[Task] = ()) -> list[Do]:
        """Handle the end of the batch, except for the tasks of it that were not begun.

        Args:
            now: monotonic seconds.
            ended: results that were not passed to `ended`.
            rest: tasks that were not begun.
        """
        assert self.running is not None, "a task ended that was never started"
        count = max(1, self.begun - len(rest))
        actions = self.ended(ended)
        self.running, self.batch = None, []
        if rest and self.leaving:
            self.attempts.difference_update([(task.id, task.attempt) for task in rest])
        else:
            self.waiting.extendleft(reversed(rest))
        adapted = self._adapt((now - self.started) / count, count) if self.adapts else None
        if self.waiting:
            actions.append(self._start(now, self.waiting.popleft()))
        return [*actions, *(adapted or ()), *self._leave_if_idle()] if adapted or self.leaving else actions

    def _adapt(self, took_s: float, count: int) -> list[Do]:
        """Register with a new credit if it changed by a factor of 2 or more; `count` tasks took `took_s` seconds each."""
        if took_s < 1e-6:  # noqa: PLR1730 - max() costs three times as much
            took_s = 1e-6
        old = 0.9**count if self.mean_s else 0.0
        self.mean_s = old * self.mean_s + (1.0 - old) * took_s
        if self.credit == MOST_CREDIT and self.mean_s * MOST_CREDIT <= AHEAD_S:
            return []
        wanted = min(MOST_CREDIT, max(1, round(AHEAD_S / self.mean_s)))
        near = self.credit / 2 < wanted < self.credit * 2 and wanted not in (1, MOST_CREDIT)
        if wanted == self.credit or near or self.epoch is None or self.leaving:
            return []
        self.credit = wanted
        return [self._register()]

    def unsent(self, send: Send) -> None:
        """Handle a message that could not be sent, for lack of a connection: a result is kept, others are dropped."""
        if isinstance(send.message, Result):
            self.unsent_results.append(send)
        self._unregistered()

    def leave(self, now: float, why: str, limit_s: float | None) -> list[Do]:
        """Leave: take no new tasks, finish the held ones, send GOODBYE, exit with 0.

        Args:
            now: monotonic seconds.
            why: reason, sent to the broker.
            limit_s: seconds for the held tasks; None: no limit.
        """
        if limit_s is not None:
            self.leave_by = now + limit_s
        if self.leaving:
            return []
        self.leaving, self.why = True, why
        self.attempts.difference_update((task.id, task.attempt) for task in self.waiting)
        self.waiting.clear()  # not begun: the broker gives them to others when it reads what we hold
        # Without a task it sends GOODBYE at once: the reply to a registration could not be delivered, and would count as a loss.
        return self._leave_if_idle() or [self._register()]

    def _leave_if_idle(self) -> list[Do]:
        if not self.leaving or self.running is not None:
            return []
        return [Send(Goodbye(self.why)), Exit(0, self.why)]

    def advance(self, now: float, report: dict[str, Any] | None = None) -> list[Do]:
        """Return the actions that are due: heartbeat (registration until the broker replies), task limits, end of leaving.

        Args:
            now: monotonic seconds.
            report: sent with the heartbeat, if one is due now.
        """
        actions: list[Do] = []
        if now >= self.next_beat:
            self.next_beat = now + self.heartbeat_s
            beat = self._register() if self.epoch is None else Send(WorkerHeartbeat(self.held(), report))
            actions.append(beat)
        if self.running is not None and any(task is self.running for task in self.batch):
            lasted_ms = (now - self.started) * 1000
            if lasted_ms >= self.running.hard_ms:
                actions.append(Exit(70, f"task {self.running.id.hex()} exceeded its hard limit"))
            elif lasted_ms >= self.running.soft_ms and not self.interrupted:
                self.interrupted = True
                actions.append(Interrupt(self.running))
        if self.leave_by is not None and now >= self.leave_by:
            actions += [Send(Goodbye("the drain time is over")), Exit(75, "held tasks did not end within the drain time")]
        return actions

    def next_due(self) -> float:
        """Return when `advance` is due, in monotonic seconds."""
        due = self.next_beat
        if self.running is not None:
            limit_ms = self.running.hard_ms if self.interrupted else self.running.soft_ms
            due = min(due, self.started + limit_ms / 1000)
        return due if self.leave_by is None else min(due, self.leave_by)

"""The worker's side of the task protocol: PROTOCOL.md section 5. Pure.

The session knows what the worker holds and what the broker knows; the shell gives it messages and the time, and carries out
what it returns. One task runs at a time; those that come while it runs wait here, as far as the credit goes.

Rule 1: a heartbeat says what is held, never more.
Rule 2: results that the broker could not be told are kept, and told after registering again.
Rule 3: past the soft limit a task is interrupted; past the hard one the process ends, since a thread cannot be ended.
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
    TaskPart,
    WorkerHeartbeat,
)

AHEAD_S = 0.02
MOST_CREDIT = 128  # two frames of several; measured: with fewer than a client has under way, the rest queues in the broker


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send a message to the broker."""

    message: MessageFromWorker
    frame: bytes = b""  # its bytes, where they were made already


class Run(msgspec.Struct, frozen=True, gc=False):
    """Start a task."""

    task: Task


class Interrupt(msgspec.Struct, frozen=True, gc=False):
    """Interrupt the running task: its soft limit has passed."""

    task: Task


class Exit(msgspec.Struct, frozen=True, gc=False):
    """End the process: 0 after a retirement or a stop, above 0 when a task passed its hard limit."""

    code: int
    why: str


Do = Send | Run | Interrupt | Exit


@dataclass(slots=True)
class Session:
    """One worker's registration with one broker after the other.

    Args:
        service: that it offers.
        name: unique among living workers.
        credit: tasks it holds at a time; if it adapts, at first.
        heartbeat_s: seconds between heartbeats.
        info: told with each registration: pid, slot.
        adapts: the credit follows how long tasks take: as many as `AHEAD_S` seconds of work, so that short tasks do not wait
            for the next one's way, and nothing waits behind long ones.
    """

    service: str
    name: str
    credit: int
    heartbeat_s: float
    info: dict[str, Any] = field(default_factory=dict)
    adapts: bool = False
    mean_s: float = 0.0  # of a task, the newest counting a tenth; 0 before the first
    epoch: int | None = None  # of the broker that knows us; None: none does
    leaving: bool = False  # nothing new is taken; over when nothing is held
    why: str = ""  # we leave
    running: Task | None = None
    batch: list[Task] = field(default_factory=list)  # what runs, and what ran or is to run with it in one go, and is not told of
    begun: int = 0  # tasks in it at first
    waiting: deque[Task] = field(default_factory=deque)
    untold: list[Send] = field(default_factory=list)  # results
    attempts: set[tuple[bytes, int]] = field(default_factory=set)  # of what runs and waits
    started: float = 0.0  # of the batch
    interrupted: bool = False
    next_beat: float = 0.0
    leave_by: float | None = None

    def held(self) -> tuple[HeldTask, ...]:
        """List every attempt that is begun, waiting here, or ended without the broker being told."""
        return (
            *(HeldTask(task.id, task.attempt) for task in (*self.batch, *self.waiting)),
            *(HeldTask(send.message.task, send.message.attempt) for send in self.untold if isinstance(send.message, Result)),
        )

    def received(self, now: float, message: MessageToWorker) -> list[Do]:
        """Take in what the broker sent. Raises `ProtocolError`: it refused a READY."""
        if type(message) is Task:  # nearly always
            return self._given(now, message)
        match message:
            case BrokerHeartbeat(epoch, known):
                return self._heard(epoch, known=known)
            case Error():
                raise ProtocolError(message.code, f"the broker refused to register this worker: {message.text}")
            case Retire(reason):
                return self.leave(now, f"retired: {reason}", limit_s=None)
        return []

    def given(self, now: float, tasks: Sequence[Task]) -> list[Do]:
        """Take in several tasks, as `received` does each."""
        if self.leaving or self.untold:
            return [do for task in tasks for do in self._given(now, task)]
        attempts, waiting = self.attempts, self.waiting
        for task in tasks:
            attempt = (task.id, task.attempt)
            if attempt not in attempts:
                attempts.add(attempt)
                waiting.append(task)
        return [self._start(now, waiting.popleft())] if waiting and self.running is None else []

    def _heard(self, epoch: int, *, known: bool) -> list[Do]:
        if known and epoch == self.epoch:
            return []
        if known and self.epoch is None:  # the answer to our registration
            self.epoch = epoch
            untold, self.untold = self.untold, []
            return list(untold)
        if self.epoch is None:  # a registration is under way, or due; one more, read late, would say that we hold nothing
            return []
        self.epoch = None
        return [self._register()]

    def _register(self) -> Do:
        credit = 0 if self.leaving else self.credit
        return Send(Ready(self.service, self.name, credit, self.held(), self.info))

    def _given(self, now: float, task: Task) -> list[Do]:
        attempt = (task.id, task.attempt)
        if self.leaving or attempt in self.attempts or (self.untold and HeldTask(*attempt) in self.held()):
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
        """Begin the running task and those behind it that go with it, in one go: together they have one start and one end.

        Args:
            actions: that go together, for they take next to no time.
            most: tasks.
        Returns:
            the running task, if that is of another action, or those of the actions that stand in a row, at most so many.
        """
        batch, waiting = self.batch, self.waiting
        if batch[0].action in actions:
            while waiting and len(batch) < most and waiting[0].action in actions:
                batch.append(waiting.popleft())
            self.begun = len(batch)
        return [*batch]

    def part(self, part: TaskPart, frame: bytes = b"") -> list[Do]:
        """Pass on something of the running task's result."""
        return [] if self.running is None or self.epoch is None else [Send(part, frame)]

    def ended(self, ended: Sequence[Send]) -> list[Do]:
        """Some of those that were begun ended, in their order; the others go on.

        Args:
            ended: their results, with their frames if these were made already.
        """
        over = {(send.message.task, send.message.attempt) for send in ended}  # type: ignore[union-attr]
        self.batch = [task for task in self.batch if (task.id, task.attempt) not in over]
        self.attempts -= over
        if self.epoch is None:
            self.untold += ended
            return []
        return [*ended]

    def finished(self, now: float, ended: Sequence[Send], left: Sequence[Task] = ()) -> list[Do]:
        """All of those that were begun ended, but for some that were not begun after all.

        Args:
            now: monotonic seconds.
            ended: results of which `ended` was not told.
            left: what was not begun.
        """
        assert self.running is not None, "a task ended that was never started"
        count = max(1, self.begun - len(left))
        actions = self.ended(ended)
        self.running, self.batch = None, []
        if left and self.leaving:
            self.attempts.difference_update([(task.id, task.attempt) for task in left])
        else:
            self.waiting.extendleft(reversed(left))
        adapted = self._adapt((now - self.started) / count, count) if self.adapts else None
        if self.waiting:
            actions.append(self._start(now, self.waiting.popleft()))
        return [*actions, *(adapted or ()), *self._leave_if_idle()] if adapted or self.leaving else actions

    def _adapt(self, took_s: float, count: int) -> list[Do]:
        """Offer another credit, if it is twice what was offered, or half; `count` tasks took so long each."""
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
        """The shell could not send: there is no connection. Results are kept, the rest is worth nothing later."""
        if isinstance(send.message, Result):
            self.untold.append(send)
        self.epoch = None

    def leave(self, now: float, why: str, limit_s: float | None) -> list[Do]:
        """Stop: take nothing new, end what is held, say goodbye, exit with 0.

        Args:
            now: monotonic seconds.
            why: told to the broker.
            limit_s: seconds for what is held; None for as long as it takes.
        """
        if limit_s is not None:
            self.leave_by = now + limit_s
        if self.leaving:
            return []
        self.leaving, self.why = True, why
        self.attempts.difference_update((task.id, task.attempt) for task in self.waiting)
        self.waiting.clear()  # not begun: the broker gives them to others when it reads what we hold
        # Without a task it says goodbye at once: an answer to a registration would find nobody, and count as a loss.
        return self._leave_if_idle() or [self._register()]

    def _leave_if_idle(self) -> list[Do]:
        if not self.leaving or self.running is not None:
            return []
        return [Send(Goodbye(self.why)), Exit(0, self.why)]

    def advance(self, now: float, report: dict[str, Any] | None = None) -> list[Do]:
        """Do what is due: heartbeat (or registration, until the broker answers), soft and hard limit, end of leaving.

        Args:
            now: monotonic seconds.
            report: to go out with the next heartbeat, if one is due now.
        """
        actions: list[Do] = []
        if now >= self.next_beat:
            self.next_beat = now + self.heartbeat_s
            beat = self._register() if self.epoch is None else Send(WorkerHeartbeat(self.held(), report))
            actions.append(beat)
        if self.running is not None and any(task is self.running for task in self.batch):
            lasted_ms = (now - self.started) * 1000
            if lasted_ms >= self.running.hard_ms:
                actions.append(Exit(70, f"task {self.running.id.hex()} passed its hard limit"))
            elif lasted_ms >= self.running.soft_ms and not self.interrupted:
                self.interrupted = True
                actions.append(Interrupt(self.running))
        if self.leave_by is not None and now >= self.leave_by:
            actions += [Send(Goodbye("its time to leave was over")), Exit(75, "what it held did not end in time")]
        return actions

    def next_due(self) -> float:
        """When `advance` has something to do, in monotonic seconds."""
        due = self.next_beat
        if self.running is not None:
            limit_ms = self.running.hard_ms if self.interrupted else self.running.soft_ms
            due = min(due, self.started + limit_ms / 1000)
        return due if self.leave_by is None else min(due, self.leave_by)

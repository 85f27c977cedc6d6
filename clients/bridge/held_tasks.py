"""The bridge as a worker of one service at home: the tasks that it holds for another site. PROTOCOL.md section 5. Pure.

Rule 1: a task is held, and named in each heartbeat, until its result is known to have arrived in the broker.
Rule 2: a result is for the task, whichever attempt was sent: the far site does a task once, under its id.
Rule 3: after the soft limit the attempt fails and may be retried: the bridge is not lost with all other tasks at the hard limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

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
    WorkerHeartbeat,
)
from hulak.clients.bridge.task_messages import failure


@dataclass(slots=True)
class Held:
    """A task for another site."""

    task: Task
    since: float  # of the attempt, monotonic seconds
    result: Result | None = None  # of the far site
    called: bool = False  # it is no posted task: the broker has no row of it


@dataclass(slots=True)
class HeldTasks:
    """The registration of one service, and its tasks.

    Args:
        service: of workers at both sites.
        name: of the worker, unique among living ones.
        credit: tasks held at a time, at most.
        heartbeat_s: seconds between heartbeats.
        info: sent with each registration.
    """

    service: str
    name: str
    credit: int
    heartbeat_s: float
    info: dict[str, Any] = field(default_factory=dict)
    rows: dict[bytes, Held] = field(default_factory=dict)
    epoch: int | None = None  # of the broker that we are registered with
    retired: bool = False
    next_beat: float = 0.0

    def received(self, now: float, message: MessageToWorker) -> tuple[list[MessageFromWorker], list[Task]]:
        """Handle a message of the broker; returns what to send to it, and the tasks to send to the other site.

        Raises:
            ProtocolError: the broker refused the registration.
        """
        match message:
            case Task():
                return self._given(now, message)
            case BrokerHeartbeat(epoch, known):
                return self._heartbeat(epoch, known=known), []
            case Error():
                raise ProtocolError(message.code, f"the broker refused the bridge as worker of {self.service}: {message.text}")
            case Retire():
                self.retired = True
        return [], []

    def _given(self, now: float, task: Task) -> tuple[list[MessageFromWorker], list[Task]]:
        held = self.rows.get(task.id)
        if held is not None and held.task.attempt >= task.attempt:
            return [], []
        result = held.result if held is not None else None
        self.rows[task.id] = held = Held(task, now, result)
        return (self._answer(held), []) if result is not None else ([], [task])

    def _heartbeat(self, epoch: int, *, known: bool) -> list[MessageFromWorker]:
        if known and epoch == self.epoch:
            return []
        if known and self.epoch is None:  # results may have been lost with the broker before
            self.epoch = epoch
            return [message for held in list(self.rows.values()) for message in self._answer(held)]
        if self.epoch is None:
            return []
        self.epoch = None
        return [self._ready()]

    def _ready(self) -> Ready:
        return Ready(self.service, self.name, self.credit, self._named(), self.info)

    def _named(self) -> tuple[HeldTask, ...]:
        return tuple(HeldTask(held.task.id, held.task.attempt) for held in self.rows.values())

    def _answer(self, held: Held) -> list[MessageFromWorker]:
        """Return the result for the attempt that is held; a called task is over with it, a posted one when its row says so."""
        if held.result is None or self.epoch is None:
            return []
        if held.called:
            del self.rows[held.task.id]
        return [Result(held.task.id, held.task.attempt, held.result.done, held.result.value)]

    def result(self, result: Result) -> list[MessageFromWorker]:
        """Handle a result of the other site; one of a task that is not held is of no use."""
        held = self.rows.get(result.task)
        if held is None:
            return []
        held.result = result
        return self._answer(held)

    def ended(self, task: bytes, state: str) -> tuple[list[MessageFromWorker], bool]:
        """Handle the end of a task at its own broker.

        Args:
            task: its id.
            state: of its row.
        Returns:
            the messages to the broker, and whether the other site is to cancel the task.
        """
        held = self.rows.pop(task, None)
        if held is None:
            return [], False
        over = failure(task, held.task.attempt, state.upper(), f"the task is {state} at its own site")
        return [over], held.result is None  # a result that the broker no longer wants gives the credit back

    def no_row(self, task: bytes) -> list[MessageFromWorker]:
        """Handle that the broker has no row of a task: it was called, not posted."""
        held = self.rows.get(task)
        if held is None:
            return []
        held.called = True
        return self._answer(held)

    def due(self, now: float) -> list[MessageFromWorker]:
        """Return what is due: heartbeat or registration, and the failures of attempts that passed their soft limit."""
        messages: list[MessageFromWorker] = []
        if self.epoch is not None:
            late = [held.task for held in self.rows.values() if held.result is None and self._is_late(held, now)]
            messages += self._give_up(late)
        if now >= self.next_beat:
            self.next_beat = now + self.heartbeat_s
            messages.append(self._ready() if self.epoch is None else WorkerHeartbeat(self._named(), None))
        return messages

    @staticmethod
    def _is_late(held: Held, now: float) -> bool:
        return (now - held.since) * 1000 >= held.task.soft_ms

    def _give_up(self, late: Iterable[Task]) -> list[MessageFromWorker]:
        messages: list[MessageFromWorker] = []
        for task in late:
            del self.rows[task.id]
            text = f"the other site has sent no result within {task.soft_ms / 1000:g} s; the next attempt joins the task there"
            messages.append(failure(task.id, task.attempt, "SITE_SILENT", text, retryable=True))
        return messages

    def leave(self) -> list[MessageFromWorker]:
        """Return all tasks to the broker: the broker does not count their attempts, since none of them was begun here."""
        self.rows.clear()
        return [Ready(self.service, self.name, 0, (), self.info), Goodbye("the bridge ends")]

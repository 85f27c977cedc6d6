"""A task's life, and the queue it waits in. PROTOCOL.md section 6. Pure.

    QUEUED -> RUNNING -> DONE | FAILED | EXPIRED
       ^         |
       +- WAITING (for its next attempt)

Whatever ends a task ends it once: a transition that the table does not have is a bug, and raises.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bus.messages import Error, Request


class State(Enum):
    """Where a task is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


NEXT = {
    State.QUEUED: {State.RUNNING, State.FAILED, State.EXPIRED},
    State.RUNNING: {State.QUEUED, State.WAITING, State.DONE, State.FAILED, State.EXPIRED},
    State.WAITING: {State.QUEUED, State.RUNNING, State.EXPIRED},
    State.DONE: set(),
    State.FAILED: set(),
    State.EXPIRED: set(),
}


@dataclass(slots=True)
class CalledTask:
    """A request on its way through the broker: in memory, as long as its caller waits."""

    id: bytes
    client: bytes  # identity on the frontend to answer; the newest, if the request was repeated
    service: str
    action: str
    args: dict[str, Any]
    retries: int  # further attempts after the first
    since: float  # monotonic seconds
    deadline: float  # monotonic seconds; the caller waits no longer
    state: State = State.QUEUED
    attempt: int = 0  # of the running or last attempt, from 1
    worker: str = ""  # name of who runs it or ran it last
    started: float = 0.0
    troubles: list[str] = field(default_factory=list)  # why attempts failed, in order

    @classmethod
    def of(cls, client: bytes, request: Request, now: float, timeout_s: float, retries: int) -> "CalledTask":
        """Make the task of a request."""
        return cls(
            id=request.id,
            client=client,
            service=request.service,
            action=request.action,
            args=request.args,
            retries=retries,
            since=now,
            deadline=now + timeout_s,
        )

    def become(self, state: State) -> None:
        """Go to another state, if the table has it."""
        if state not in NEXT[self.state]:
            raise AssertionError(f"task {self.id.hex()} cannot go from {self.state.value} to {state.value}")
        self.state = state

    def error(self, code: str, text: str, details: dict[str, Any] | None = None) -> Error:
        """Make the answer of a task that was not done."""
        return Error(self.id, code, text, {**(details or {}), "attempts": self.attempt, "troubles": self.troubles[-5:]})

    def why_expired(self, alive: int) -> str:
        """Say in one sentence what the caller waited for in vain, while `alive` workers served."""
        waited_s = self.deadline - self.since
        match self.state:
            case State.RUNNING:
                return f"not done within {waited_s:.3g} s: worker {self.worker} is at attempt {self.attempt}"
            case State.WAITING:
                return f"not done within {waited_s:.3g} s, after {self.attempt} attempts: {self.troubles[-1]}"
        return f"no worker of '{self.service}' took it within {waited_s:.3g} s; alive: {alive}"


class Queue:
    """Tasks that could run now, and no others: first in, first out; one that is to be tried again goes first."""

    def __init__(self) -> None:
        self._ids: dict[str, OrderedDict[bytes, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))

    def add(self, task: CalledTask, *, first: bool = False) -> None:
        """Put a task at the end of its service's queue, or at its front."""
        ids = self._ids.setdefault(task.service, OrderedDict())
        ids[task.id] = None
        ids.move_to_end(task.id, last=not first)

    def remove(self, task: CalledTask) -> None:
        """Take a task out, wherever it stands; one that is not in is ignored."""
        ids = self._ids.get(task.service)
        if ids is not None:
            ids.pop(task.id, None)
            if not ids:
                del self._ids[task.service]

    def take(self, service: str, tasks: dict[bytes, CalledTask]) -> CalledTask | None:
        """Take the service's first task; None if none waits."""
        ids = self._ids.get(service)
        if ids is None:
            return None
        task = tasks[next(iter(ids))]
        self.remove(task)
        return task

    def services(self) -> list[str]:
        """Name the services that have tasks waiting."""
        return list(self._ids)

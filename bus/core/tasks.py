"""A task's life, and the queue it waits in. PROTOCOL.md section 6. Pure.

    QUEUED -> RUNNING -> DONE | FAILED | EXPIRED
       ^         |
       +- WAITING (for its next attempt)

Whatever ends a task ends it once: a transition that the table does not have is a bug, and raises.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bus.messages import Request


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


class Queue:
    """Tasks that could run now, first in, first out; a task to be tried again goes first."""

    def __init__(self) -> None:
        self._ids: dict[str, deque[bytes]] = {}

    def add(self, task: CalledTask, *, first: bool = False) -> None:
        """Put a task at the end of its service's queue, or at its front."""
        ids = self._ids.setdefault(task.service, deque())
        if first:
            ids.appendleft(task.id)
        else:
            ids.append(task.id)

    def take(self, service: str, tasks: dict[bytes, CalledTask]) -> CalledTask | None:
        """Take the service's first task that still waits; ids of tasks that ended meanwhile are dropped."""
        ids = self._ids.get(service)
        while ids:
            task = tasks.get(ids.popleft())
            if task is not None and task.state is State.QUEUED:
                return task
        self._ids.pop(service, None)
        return None

    def services(self) -> list[str]:
        """Name the services that may have tasks waiting."""
        return list(self._ids)

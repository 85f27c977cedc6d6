"""The states of a task, and the queue. PROTOCOL.md section 6. Pure.

    QUEUED -> RUNNING -> DONE | FAILED | EXPIRED
       ^         |
       +- WAITING (for its next attempt)

A task ends exactly once: a transition that is not in the table is a bug, and raises an error.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from hulak.bus.core.effects import Run
from hulak.bus.wire.messages import Error, Request
from hulak.bus.wire.trace_context import TaskTrace


class TaskState(StrEnum):
    """The state of a task."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


UNREADABLE = "unreadable"  # the state of a row that the store cannot read: it is left unchanged for an operator
STATES = (*(state.value for state in TaskState), UNREADABLE)
NEXT = {
    TaskState.QUEUED: {TaskState.RUNNING, TaskState.FAILED, TaskState.EXPIRED, TaskState.CANCELLED},
    TaskState.RUNNING: {
        TaskState.QUEUED,
        TaskState.WAITING,
        TaskState.DONE,
        TaskState.FAILED,
        TaskState.EXPIRED,
        TaskState.CANCELLED,
    },
    TaskState.WAITING: {TaskState.QUEUED, TaskState.RUNNING, TaskState.EXPIRED, TaskState.CANCELLED},
    TaskState.DONE: set(),
    TaskState.FAILED: set(),
    TaskState.EXPIRED: set(),
    TaskState.CANCELLED: set(),
}
MOST_RUNS = 5  # attempts of a task that are kept with their times
LONGEST_TROUBLE = 500  # characters of why one failed
GIVEN_UP = (TaskState.EXPIRED, TaskState.CANCELLED)  # ended while a worker may still be running it


class CalledTask(msgspec.Struct, gc=False):
    """The task of a request: in memory, until it ends."""

    id: bytes
    client: bytes  # identity on the frontend to answer; the newest, if the request was repeated
    service: str
    action: str
    args: Any  # a map; of a posted task packed (`msgspec.Raw`): it may wait for long, and takes no more memory than counted
    retries: int  # further attempts after the first
    since: float  # monotonic seconds
    deadline: float  # monotonic seconds; the caller waits no longer
    priority: int = 1  # of PRIORITIES
    timeout_s: float = math.inf  # from the time when its deadline was set
    state: TaskState = TaskState.QUEUED
    attempt: int = 0  # of the running or last attempt that counts, from 1
    spared: int = 0  # lost attempts that do not count, since they may not have begun
    suspect: bool = False  # a worker was lost with it: it is given to a worker that holds nothing else
    worker: str = ""  # name of the worker that runs it or ran it last
    started: float = 0.0
    troubles: list[str] = []  # reasons of failed attempts, in order
    runs: tuple[Run, ...] = ()  # the last attempts that have ended, of a posted task
    size: int = 0  # bytes of its arguments; 0 of a call whose frame was not large
    trace: TaskTrace | None = None  # the caller's trace context, if it sent one
    posted: bool = False  # in the store, without a waiting caller: its end is recorded there instead of being sent

    @classmethod
    def of(cls, client: bytes, request: Request, now: float, timeout_s: float, retries: int) -> "CalledTask":
        """Return the task of a request."""
        what = (request.id, client, request.service, request.action, request.args)
        return cls(*what, retries, now, now + timeout_s, request.options.get("priority", 1), timeout_s)

    def become(self, state: TaskState) -> None:
        """Change to another state, if the table allows it."""
        if state not in NEXT[self.state]:
            raise AssertionError(f"task {self.id.hex()} cannot go from {self.state.value} to {state.value}")
        self.state = state

    def ran(self, run_s: float | None, trouble: str = "") -> None:
        """Record an attempt that ended after `run_s`, with the reason of its failure; of the last ones of a posted task only."""
        if self.posted:
            run = Run(self.attempt, self.worker, self.started - self.since, run_s, trouble[:LONGEST_TROUBLE])
            self.runs = (*self.runs[1 - MOST_RUNS :], run)

    def error(self, code: str, text: str, details: dict[str, Any] | None = None) -> Error:
        """Return the answer of a task that was not done."""
        return Error(self.id, code, text, {**(details or {}), "attempts": self.attempt, "troubles": self.troubles[-5:]})

    def why_expired(self, alive: int) -> str:
        """Return the reason of an expiry in one sentence; `alive` is the number of the service's workers."""
        waited_s = max(0.0, self.deadline - self.since)  # its time may have ended while no broker ran
        match self.state:
            case TaskState.RUNNING:
                return f"not done within {waited_s:.3g} s: worker {self.worker} is at attempt {self.attempt}"
            case TaskState.WAITING:
                last = self.troubles[-1] if self.troubles else "the last one has no result"
                return f"not done within {waited_s:.3g} s, after {self.attempt} attempts: {last}"
        if not alive:
            return f"service {self.service!r} has no worker: none took the task within {waited_s:.3g} s; see `hulak workers`"
        workers = "1 worker, which was" if alive == 1 else f"{alive} workers, which were"
        return f"service {self.service!r} has {workers} busy: none took the task within {waited_s:.3g} s"


AGEING_S = 10.0  # a task of the next lower priority is served as if it had come this time later
PRIORITIES = (0, 1, 2)  # high, normal, low
FIRST = -1  # the priority of tasks to be retried: before all others
MOST_SEARCHED = 1000  # tasks to be retried, in the search for the oldest task


class TaskQueue:
    """The tasks that could run now, by service.

    A task to be retried goes first. Of the others the earliest goes first; a task of a lower priority counts as having come
    `AGEING_S` later for each step: so urgent tasks go before others, and no task waits without end. Suspects are in a separate
    queue, in their order: only `take_suspect` returns them.
    """

    def __init__(self) -> None:
        # services with waiting tasks only
        self.by_service: dict[str, dict[int, OrderedDict[bytes, CalledTask]]] = {}
        self.suspects: dict[str, dict[bytes, CalledTask]] = {}  # likewise

    def _lanes(self) -> Iterator[dict[bytes, CalledTask]]:
        yield from self.suspects.values()
        for lanes in self.by_service.values():
            yield from lanes.values()

    def __len__(self) -> int:
        return sum(map(len, self._lanes()))

    def __iter__(self) -> Iterator[CalledTask]:
        return (task for lane in self._lanes() for task in lane.values())

    def add(self, task: CalledTask, *, first: bool = False) -> None:
        """Add a task at the end of its priority, or before all others; a suspect behind the other suspects."""
        if task.suspect:
            self.suspects.setdefault(task.service, {})[task.id] = task
            return
        lanes = self.by_service.get(task.service)
        if lanes is None:
            lanes = self.by_service[task.service] = {}
        number = FIRST if first else task.priority
        lane = lanes.get(number)
        if lane is None:
            lane = lanes[number] = OrderedDict()
        lane[task.id] = task
        lane.move_to_end(task.id, last=not first)

    def extend(self, tasks: Sequence[CalledTask]) -> None:
        """Add new tasks at the ends of their priorities, in their order."""
        for task in tasks:
            self.add(task)

    def has(self, service: str) -> bool:
        """Return whether any task of the service waits."""
        return service in self.by_service or service in self.suspects

    def remove(self, task: CalledTask) -> None:
        """Remove a task; an unknown one is ignored."""
        if task.suspect:
            self._take_suspect(task.service, task.id)
            return
        lanes = self.by_service.get(task.service, {})
        for number in [number for number, lane in lanes.items() if task.id in lane]:
            del lanes[number][task.id]
            if not lanes[number]:
                del lanes[number]
        if not lanes:
            self.by_service.pop(task.service, None)

    def take(self, service: str) -> CalledTask | None:
        """Remove and return the service's next task; None if none waits."""
        lanes = self.by_service.get(service)
        if lanes is None:
            return None
        number = next(iter(lanes))
        if len(lanes) > 1:
            number = min(lanes, key=lambda lane: self._rank(lane, lanes[lane]))
        _, task = lanes[number].popitem(last=False)
        if not lanes[number]:
            del lanes[number]
            if not lanes:
                del self.by_service[service]
        return task

    def take_suspect(self, service: str) -> CalledTask | None:
        """Remove and return the service's first suspect; None if none waits."""
        return self._take_suspect(service, next(iter(self.suspects.get(service, ())), b""))

    def _take_suspect(self, service: str, task_id: bytes) -> CalledTask | None:
        lane = self.suspects.get(service, {})
        task = lane.pop(task_id, None)
        if not lane:
            self.suspects.pop(service, None)
        return task

    def take_many(self, service: str, most: int) -> list[CalledTask]:
        """Remove and return the service's next tasks, in the order of `take`, at most `most`."""
        lanes = self.by_service.get(service, {})
        if len(lanes) == 1 and most > 0:  # nearly always
            (lane,) = lanes.values()
            pop = lane.popitem
            taken = [pop(last=False)[1] for _ in range(min(most, len(lane)))]
            if not lane:
                del self.by_service[service]
            return taken
        taken = []
        while len(taken) < most and (task := self.take(service)) is not None:
            taken.append(task)
        return taken

    def _rank(self, number: int, lane: OrderedDict[bytes, CalledTask]) -> tuple[bool, float]:
        head = next(iter(lane.values()))
        return number != FIRST, head.since + number * AGEING_S

    def count(self, service: str) -> int:
        """Return the number of the service's waiting tasks."""
        return sum(map(len, self.by_service.get(service, {}).values())) + len(self.suspects.get(service, ()))

    def oldest(self, service: str) -> float | None:
        """Return when the service's oldest waiting task was accepted, in monotonic seconds; None if none waits.

        Tasks wait in the order of their acceptance, but for those to be retried and suspects: of these, the `MOST_SEARCHED`
        are compared that have waited for longest, so that the cost is bounded.
        """
        lanes = self.by_service.get(service, {})
        heads = [next(iter(lane.values())).since for number, lane in lanes.items() if number != FIRST]
        to_retry = islice(reversed(lanes.get(FIRST, OrderedDict()).values()), MOST_SEARCHED)
        suspects = islice(self.suspects.get(service, {}).values(), MOST_SEARCHED)
        return min((*heads, *(task.since for task in to_retry), *(task.since for task in suspects)), default=None)

    def services(self) -> list[str]:
        """Return the services with waiting tasks, suspects not included."""
        return list(self.by_service)

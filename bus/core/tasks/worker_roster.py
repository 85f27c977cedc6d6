"""The live workers, and the free ones: two separate facts. PROTOCOL.md section 5. Pure.

A heartbeat shows that a worker is alive, not that it is ready: a worker is ready if it offered credit and has some left.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

Card = TypeVar("Card")

GRAIN_S = 0.0005  # of short tasks that go to a worker that is already running: waking another one costs as much, and half a core
MOST_GRAIN = 128
RUNNING_S = 0.002  # time after its last result in which a worker counts as running short tasks, not a long one
MOST_SERVICES = 1000  # services whose counts are kept: their names come from workers


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as the broker sees it."""

    identity: bytes  # its address at the backend; a new one after each reconnection
    name: str  # kept over reconnections
    service: str
    credit: int  # number of tasks that it offered to hold at a time
    lease_until: float  # monotonic seconds; a worker that is silent beyond it is dead
    since: float
    lease_s: float = 1.5  # longest tolerated silence
    held: dict[bytes, int] = field(default_factory=dict)  # task id -> attempt
    missed: dict[tuple[bytes, int], float] = field(
        default_factory=dict
    )  # held tasks, and since when its heartbeats do not name them
    strays: set[tuple[bytes, int]] = field(default_factory=set)  # attempts that it still runs, though they were given up
    info: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    timer: bytes = b""  # the key of its hard limit
    grain: int = 1  # tasks that take `GRAIN_S`, by its report
    answered: float = 0.0  # when it ended a task last, monotonic seconds
    retiring: bool = False
    traces: bool = False  # it wants trace contexts
    alone: bool = False  # it holds a suspect, which must stay alone; or it is to become free for one

    @property
    def free(self) -> int:
        """The number of further tasks that it may get now, suspects not included."""
        return 0 if self.retiring or self.alone else self.credit - len(self.held) - len(self.strays)

    def update_report(self, report: dict[str, Any]) -> None:
        """Record its report: very short tasks are assigned to it several at a time."""
        self.report = report
        task_s = report.get("task_s")
        self.grain = int(min(MOST_GRAIN, GRAIN_S / task_s)) if isinstance(task_s, float) and 0 < task_s < GRAIN_S else 1

    @property
    def has_left(self) -> bool:
        """Whether a disconnected worker was leaving anyway (its GOODBYE may still be queued)."""
        return (self.retiring or not self.credit) and not self.held

    @property
    def state(self) -> str:
        """Its state for people: busy, ready, retiring or idle (no credit)."""
        if self.retiring:
            return "retiring"
        if self.held or self.strays:
            return "busy"
        return "ready" if self.credit else "idle"


class WorkerRoster:
    """All live workers, by identity and by name."""

    def __init__(self) -> None:
        self.by_identity: dict[bytes, Worker] = {}
        self._by_name: dict[str, Worker] = {}
        self.changes = 0  # grows when a worker registers, leaves or retires
        self._by_service: dict[str, list[Worker]] = {}
        self._past: dict[str, tuple[int, int]] = {}  # service -> attempts done and failed by workers that left

    def __iter__(self) -> Iterator[Worker]:
        return iter(self.by_identity.values())

    def __len__(self) -> int:
        return len(self.by_identity)

    def at(self, identity: bytes) -> Worker | None:
        """Return a worker by its present identity."""
        return self.by_identity.get(identity)

    def named(self, name: str) -> Worker | None:
        """Return a worker by its name."""
        return self._by_name.get(name)

    def add(self, worker: Worker) -> None:
        """Add a worker; its name and identity must be new."""
        self.by_identity[worker.identity] = worker
        self._by_name[worker.name] = worker
        self.changes += 1
        self._by_service.setdefault(worker.service, []).append(worker)

    def move(self, worker: Worker, identity: bytes) -> None:
        """Record that a worker reconnected under another identity."""
        del self.by_identity[worker.identity]
        worker.identity = identity
        self.by_identity[identity] = worker

    def remove(self, worker: Worker) -> None:
        """Remove a worker."""
        del self.by_identity[worker.identity]
        del self._by_name[worker.name]
        self._by_service[worker.service].remove(worker)
        if not self._by_service[worker.service]:
            del self._by_service[worker.service]
        self._keep_past(worker)
        self.changes += 1

    def _keep_past(self, worker: Worker) -> None:
        done, failed = self._past.get(worker.service, (0, 0))
        if worker.service in self._past or len(self._past) < MOST_SERVICES:
            self._past[worker.service] = (done + worker.done, failed + worker.failed)

    def attempts(self) -> dict[str, dict[str, int]]:
        """Return the attempts done and failed by each service's workers, including workers that left."""
        counts = dict(self._past)
        for worker in self:
            done, failed = counts.get(worker.service, (0, 0))
            counts[worker.service] = (done + worker.done, failed + worker.failed)
        return {service: {"done": done, "failed": failed} for service, (done, failed) in counts.items()}

    def retire(self, worker: Worker) -> None:
        """Record that a worker was asked to leave."""
        worker.retiring = True
        self.changes += 1

    def empty(self, service: str) -> list[Worker]:
        """Return the workers of a service that may get a task and hold none."""
        return [worker for worker in self._able(service) if not worker.held and not worker.strays]

    def keep_one(self, service: str) -> None:
        """Reserve one of a service's workers: it gets no task until it holds none. One at a time."""
        able = [worker for worker in self._able(service) if worker.held]
        if able and not any(worker.alone for worker in able):
            min(able, key=lambda worker: (bool(worker.strays), len(worker.held))).alone = True

    def _able(self, service: str) -> list[Worker]:
        return [worker for worker in self._by_service.get(service, ()) if worker.credit > 0 and not worker.retiring]

    def room(self, service: str) -> int:
        """Return the number of further tasks that a service's workers may get now."""
        return sum(max(0, worker.free) for worker in self._by_service.get(service, ()))

    def deal(self, now: float, service: str, tasks: list[Card]) -> list[tuple[Worker, list[Card]]]:
        """Assign the service's next tasks to its workers.

        In order, each task goes to the worker with the fewest tasks at that moment. But very short tasks go to workers that are
        already running, as many as take `GRAIN_S` in total, before another worker is woken; that one gets several at a time.

        Returns:
            workers and the tasks of each, in order; together the first of the tasks, as many as there is room for.
        """
        workers = self._by_service.get(service, ())
        able = workers if len(workers) == 1 else [worker for worker in workers if worker.free > 0]
        if len(able) == 1:
            free = able[0].free
            return [(able[0], tasks[:free])] if free > 0 else []
        hands: list[list[Card]] = [[] for _ in able]
        at = 0
        for worker, hand in zip(able, hands, strict=True):
            if worker.grain > len(worker.held) and now - worker.answered < RUNNING_S:
                hand += tasks[at : at + min(worker.grain - len(worker.held), worker.free)]
                at += len(hand)
        heap = [(len(worker.held) + len(hands[number]), number) for number, worker in enumerate(able)]
        heapq.heapify(heap)
        while at < len(tasks) and heap:
            holds, number = heap[0]
            worker, hand = able[number], hands[number]
            count = min(worker.grain, worker.free - len(hand), len(tasks) - at)
            hand += tasks[at : at + count]
            at += count
            if count and worker.free > len(hand):
                heapq.heapreplace(heap, (holds + count, number))
            else:
                heapq.heappop(heap)
        return [(worker, hand) for worker, hand in zip(able, hands, strict=True) if hand]

"""Who is alive and who is ready; two facts, never one. PROTOCOL.md section 5. Pure.

A heartbeat keeps a worker alive and says nothing of its being ready: ready is who offered credit and has not used it up.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

Card = TypeVar("Card")

GRAIN_S = 0.0005  # of work that goes to who is at work already: waking another for it costs about as much, and half a core
MOST_GRAIN = 128
AWAKE_S = 0.002  # after it answered last a worker is taken to be at work on tasks of that sort, and not on a long one among them
MOST_SERVICES = 1000  # whose past is remembered: their names come from workers


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as the broker sees it."""

    identity: bytes  # where the backend reaches it; another one after each reconnection
    name: str  # its own, kept over reconnections
    service: str
    credit: int  # how many tasks it offered to hold at a time
    lease_until: float  # monotonic seconds; silence beyond it is death
    since: float
    lease_s: float = 1.5  # how long its silence is borne
    held: dict[bytes, int] = field(default_factory=dict)  # task id -> attempt
    missed: dict[tuple[bytes, int], float] = field(default_factory=dict)  # held, but not named by its heartbeats since then
    strays: set[tuple[bytes, int]] = field(default_factory=set)  # attempts it is still at, though they were given up
    info: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    timer: bytes = b""  # the key of its hard limit
    grain: int = 1  # tasks that take `GRAIN_S`, by what it reports
    answered: float = 0.0  # when it ended a task last, monotonic seconds
    retiring: bool = False
    alone: bool = False  # what it holds, a suspect, is to stay alone; or it is to become free for one

    @property
    def free(self) -> int:
        """How many more tasks it may be given now, suspects left out."""
        return 0 if self.retiring or self.alone else self.credit - len(self.held) - len(self.strays)

    def hear(self, report: dict[str, Any]) -> None:
        """Take note of what it reports: tasks that are very short go to it several in a row."""
        self.report = report
        task_s = report.get("task_s")
        self.grain = int(min(MOST_GRAIN, GRAIN_S / task_s)) if isinstance(task_s, float) and 0 < task_s < GRAIN_S else 1

    @property
    def has_left(self) -> bool:
        """Tell of one that is gone whether it had gone by itself: its goodbye may lie unread behind what found it gone."""
        return (self.retiring or not self.credit) and not self.held

    @property
    def state(self) -> str:
        """One word for people: busy, ready, retiring or idle (no credit)."""
        if self.retiring:
            return "retiring"
        if self.held or self.strays:
            return "busy"
        return "ready" if self.credit else "idle"


class WorkerRoster:
    """All living workers, by where and by who they are."""

    def __init__(self) -> None:
        self.by_identity: dict[bytes, Worker] = {}
        self._by_name: dict[str, Worker] = {}
        self.changes = 0  # grows with everything that changes who may be given work: coming, leaving, retiring
        self._by_service: dict[str, list[Worker]] = {}
        self._past: dict[str, tuple[int, int]] = {}  # service -> attempts done and failed by workers that left

    def __iter__(self) -> Iterator[Worker]:
        return iter(self.by_identity.values())

    def __len__(self) -> int:
        return len(self.by_identity)

    def at(self, identity: bytes) -> Worker | None:
        """Find a worker by its present identity."""
        return self.by_identity.get(identity)

    def named(self, name: str) -> Worker | None:
        """Find a worker by its own name."""
        return self._by_name.get(name)

    def add(self, worker: Worker) -> None:
        """Take a worker in; nobody of this name or identity may be in."""
        self.by_identity[worker.identity] = worker
        self._by_name[worker.name] = worker
        self.changes += 1
        self._by_service.setdefault(worker.service, []).append(worker)

    def move(self, worker: Worker, identity: bytes) -> None:
        """Note that a worker came back under another identity."""
        del self.by_identity[worker.identity]
        worker.identity = identity
        self.by_identity[identity] = worker

    def remove(self, worker: Worker) -> None:
        """Strike a worker off."""
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
        """Count the attempts done and failed by each service's workers, those that left included."""
        found = dict(self._past)
        for worker in self:
            done, failed = found.get(worker.service, (0, 0))
            found[worker.service] = (done + worker.done, failed + worker.failed)
        return {service: {"done": done, "failed": failed} for service, (done, failed) in found.items()}

    def retire(self, worker: Worker) -> None:
        """Note that a worker was asked to leave."""
        worker.retiring = True
        self.changes += 1

    def empty(self, service: str) -> list[Worker]:
        """List the workers of a service that may be given something, and hold nothing."""
        return [worker for worker in self._able(service) if not worker.held and not worker.strays]

    def keep_one(self, service: str) -> None:
        """Give one of a service's workers nothing more until it holds nothing, unless there is such a one."""
        able = [worker for worker in self._able(service) if worker.held]
        if able and not any(worker.alone for worker in able):
            min(able, key=lambda one: (bool(one.strays), len(one.held))).alone = True

    def _able(self, service: str) -> list[Worker]:
        return [worker for worker in self._by_service.get(service, ()) if worker.credit > 0 and not worker.retiring]

    def room(self, service: str) -> int:
        """Count how many more tasks of a service its workers may be given now."""
        return sum(max(0, worker.free) for worker in self._by_service.get(service, ()))

    def deal(self, now: float, service: str, tasks: list[Card]) -> list[tuple[Worker, list[Card]]]:
        """Choose who gets which of the service's next tasks.

        In their order, each goes to who holds fewest then. But tasks that take next to no time go to who is at work already, as
        many as take `GRAIN_S` in all, before they wake another worker; and to that one several in a row.

        Returns:
            workers and what each gets, in order; together the first of the tasks, as many as there is room for.
        """
        workers = self._by_service.get(service, ())
        able = workers if len(workers) == 1 else [worker for worker in workers if worker.free > 0]
        if len(able) == 1:
            free = able[0].free
            return [(able[0], tasks[:free])] if free > 0 else []
        hands: list[list[Card]] = [[] for _ in able]
        at = 0
        for worker, hand in zip(able, hands, strict=True):
            if worker.grain > len(worker.held) and now - worker.answered < AWAKE_S:
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

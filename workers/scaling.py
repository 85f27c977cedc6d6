"""How many workers a service should have, which slots to start and which workers to retire. PROTOCOL.md section 7.4. Pure.

Rule 1: scale up when tasks wait and `busy / total` reaches the threshold; an empty pool reaches any threshold.
Rule 2: scale down by retiring workers that were idle for the idle time; never below the minimum, never a busy one.
Rule 3: a target set by hand overrides both, until it is "auto" again. Idle workers are retired first; a busy worker, if no idle
        one is left, finishes its tasks and takes no new ones.
Rule 4: never wait for an effect: each poll compares the present with the wanted state, so that a lost request is repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hulak.bus.wire.names import SLOTS

YOUNG_S = 5.0  # a worker that exits within startsecs (3 s), even with 0, counts as failed; plus time for its start
PRESSED_S = 0.5  # tasks must wait this long: a broker that was just restarted has tasks before it has workers

UP = frozenset({"running", "starting", "backoff"})
FREE = frozenset({"stopped", "exited"})


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds and settings of one service; see `workers.pools`."""

    min_workers: int = 1
    max_workers: int = SLOTS
    idle_timeout_s: float = 30.0
    scaling_threshold: float = 0.8  # share of busy workers, 0 to 1


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as supervisord sees it."""

    name: str  # "nepse_00"
    state: str  # in lower case
    pid: int = 0  # 0: none
    due: bool = False  # supervisord gave it up, and it may be tried again now: see `workers.revival`


@dataclass(frozen=True, slots=True)
class PoolWorker:
    """A worker as the broker sees it."""

    name: str
    slot: str  # empty: it was started by hand
    pid: int
    busy: bool  # holds a task
    handled: int  # tasks done and failed
    age_s: float  # since it registered with this broker
    retiring: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The changes to make now."""

    wanted: int  # slots
    start: tuple[str, ...] = ()  # slots
    retire: tuple[str, ...] = ()  # workers, by name, through the broker
    stop: tuple[str, ...] = ()  # slots whose process is too young to be retired, through supervisord
    why: str = ""  # reason why the number of wanted slots changed; empty: it did not


@dataclass(slots=True)
class _Seen:
    handled: int
    idle_since: float


@dataclass(slots=True)
class Scaling:
    """Decides for one service, poll after poll; remembers how long workers have been idle."""

    options: Options
    wanted: int | None = None  # None: before the first poll, which adopts the running ones
    _pressed_since: float | None = None
    _seen: dict[str, _Seen] = field(default_factory=dict)  # worker -> its last activity

    def decide(
        self, now: float, workers: Sequence[PoolWorker], slots: Sequence[Slot], waiting: int, target: int | None = None
    ) -> Decision:
        """Compare the present state with the wanted one.

        Args:
            now: monotonic seconds.
            workers: all workers of the service that the broker knows.
            slots: all slots of the service that supervisord knows.
            waiting: tasks that are ready and have no worker.
            target: the number of workers set by hand; None: automatic.
        """
        self._note(now, workers)
        by_slot = {worker.slot: worker for slot in slots for worker in workers if _is_in(worker, slot)}
        leaving = {name for name, worker in by_slot.items() if worker.retiring}
        staying = [slot for slot in slots if slot.state in UP and slot.name not in leaving]
        by_hand = sum(not worker.slot and not worker.retiring for worker in workers)
        before = self.wanted = self._bounded(len(staying)) if self.wanted is None else self.wanted
        retire, stop = self._doubles(workers, by_slot), list[str]()
        if target is not None:
            self.wanted = self._bounded(target)
            surplus = self._surplus(staying, by_slot)
            retire += [by_slot[slot.name].name for slot in surplus if not _is_young(slot, by_slot)]
            stop = [slot.name for slot in surplus if _is_young(slot, by_slot)]
        elif waiting:
            registered = [worker for worker in workers if not worker.retiring]
            self._grow(now, sum(worker.busy for worker in registered), len(staying) + by_hand, len(registered), waiting)
        else:
            self._pressed_since = None
            idle = self._idle(now, staying, by_slot)
            self.wanted = self._bounded(len(staying) - len(idle)) if idle else self.wanted
            retire += [worker.name for worker in idle]
        start = _starts(slots, self.wanted - len(staying))
        why = "" if self.wanted == before else self._why(target, waiting)
        return Decision(self.wanted, start, tuple(retire), tuple(stop), why)

    def _bounded(self, count: int) -> int:
        return max(self.options.min_workers, min(self.options.max_workers, count))

    def _why(self, target: int | None, waiting: int) -> str:
        if target is not None:
            return "set by hand"
        return f"{waiting} tasks wait" if waiting else f"idle for {self.options.idle_timeout_s:g} s"

    def _note(self, now: float, workers: Sequence[PoolWorker]) -> None:
        """Record since when each worker has been idle; a task that began and ended between two polls counts as activity."""
        names = {worker.name for worker in workers}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        for worker in workers:
            seen = self._seen.setdefault(worker.name, _Seen(worker.handled, now))
            if worker.busy or worker.handled != seen.handled:
                seen.handled, seen.idle_since = worker.handled, now

    def _grow(self, now: float, busy: int, total: int, registered: int, waiting: int) -> None:
        assert self.wanted is not None
        self._pressed_since = now if self._pressed_since is None else self._pressed_since
        if now - self._pressed_since < PRESSED_S or busy < self.options.scaling_threshold * total:
            return
        # Workers that are starting are not added again: the same waiting tasks do not start more workers at each poll.
        self.wanted = max(self.wanted, self._bounded(registered + waiting))

    def _idle(self, now: float, staying: Sequence[Slot], by_slot: dict[str, PoolWorker]) -> list[PoolWorker]:
        here = [by_slot[slot.name] for slot in staying if slot.name in by_slot]
        spare = max(0, len(here) - self.options.min_workers)
        idle = [
            worker
            for worker in here
            if not worker.busy
            and worker.age_s >= YOUNG_S
            and now - self._seen[worker.name].idle_since >= self.options.idle_timeout_s
        ]
        return idle[::-1][:spare]  # the last slots first: the first one starts by itself

    def _surplus(self, staying: Sequence[Slot], by_slot: dict[str, PoolWorker]) -> list[Slot]:
        assert self.wanted is not None

        def cost(slot: Slot) -> tuple[bool, bool, bool]:
            worker = by_slot.get(slot.name)
            return worker is not None and worker.busy, worker is not None, _is_young(slot, by_slot)

        last_first = staying[::-1]
        return sorted(last_first, key=cost)[: max(0, len(staying) - self.wanted)]

    def _doubles(self, workers: Sequence[PoolWorker], by_slot: dict[str, PoolWorker]) -> list[str]:
        """List workers whose slot has another process now: they were left behind by a supervisord that was killed."""
        return [
            worker.name
            for worker in workers
            if worker.slot in by_slot and worker is not by_slot[worker.slot] and not worker.retiring and worker.age_s >= YOUNG_S
        ]


def _starts(slots: Sequence[Slot], count: int) -> tuple[str, ...]:
    """Choose the slots to start; a slot that supervisord gave up only if no other is free.

    A STOPPING slot is not free: supervisord reports success for starting it, and does nothing.
    """
    free = [slot for slot in slots if slot.state in FREE or slot.due]
    return tuple(slot.name for slot in sorted(free, key=lambda slot: slot.due)[: max(0, count)])


def _is_in(worker: PoolWorker, slot: Slot) -> bool:
    return worker.slot == slot.name and worker.pid == slot.pid


def _is_young(slot: Slot, by_slot: dict[str, PoolWorker]) -> bool:
    worker = by_slot.get(slot.name)
    return worker is None or worker.age_s < YOUNG_S

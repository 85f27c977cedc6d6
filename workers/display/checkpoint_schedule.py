"""Which displays are checkpointed, and when; and which checkpoints may be restored. Pure.

Checkpoints are rare and evenly spread: a display at most every `EVERY_S`, one per iteration, and all together a small share of
the time, so that no heartbeat is late. Only changed displays are written; every `REFRESH_S` also unchanged ones, so that `upto`
stays recent, and within the journal.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from hulak.bus.errors import ProtocolError
from hulak.workers.display import checkpoint
from hulak.workers.display.checkpoint import Checkpoint
from hulak.workers.display.managed_display import JournalPlace, MakeState, ManagedDisplay

EVERY_S = 5.0  # minimum between two checkpoints of a display: bounds the ticks to fold again, and the writing to 40 kB/s
REFRESH_S = 60.0  # between two checkpoints of an unchanged display
PACE_S = 0.01  # minimum between two checkpoints of any displays
SHARE = 20  # the pause before the next checkpoint, in durations of the last one: 5 % of the time


class Files(Protocol):
    """The files of checkpoints; see `workers.display.checkpoint_files.CheckpointFiles`."""

    def load(self, display: str) -> bytes | None:
        """Return the file of a display, or None."""

    def save(self, display: str, data: bytes) -> bool:
        """Write a checkpoint; false if that is not possible now."""

    def drop(self, displays: Collection[str]) -> None:
        """Remove the checkpoints of displays."""

    def sweep(self, known: Collection[str]) -> None:
        """Remove the checkpoints of all other displays."""


class CheckpointSchedule:
    """The checkpoints of one worker's displays.

    Args:
        files: their files.
        clock: seconds, to measure the cost of a checkpoint.
        note: logs a checkpoint that cannot be restored or written: an event, and its fields.
    """

    def __init__(self, files: Files, clock: Callable[[], float], note: Callable[[str, Mapping[str, Any]], None]) -> None:
        self.files = files
        self.clock = clock
        self.note = note
        self.counters: Counter[str] = Counter()  # written, used, refused, failed
        self._due: OrderedDict[str, float] = OrderedDict()  # display -> when it is due, in monotonic seconds, ascending
        self._next = 0.0
        self._known: frozenset[str] | None = None

    # Restoring

    def begin(self, held: ManagedDisplay, make: MakeState) -> None:
        """Begin a display from its checkpoint, or else from its row; raises any exception of the state."""
        held.begin(make)
        stored = None if held.distrusted else self._load(held)
        if stored is None:
            return
        try:
            held.restore(stored)
        except Exception as error:  # noqa: BLE001 - the journal has every tick of the state
            self.refuse(held, repr(error)[:300])
            held.begin(make)
        else:
            self.counters["used"] += 1

    def _load(self, held: ManagedDisplay) -> Checkpoint | None:
        data = self.files.load(held.id)
        if data is None:
            return None
        try:
            stored = checkpoint.decode(data)
        except ProtocolError as error:
            self.refuse(held, str(error))
            return None
        if not held.fits(stored):
            self.refuse(held, f"it is of {stored.display!r} and {stored.symbol}, or has another init or start")
            return None
        return stored

    def refuse(self, held: ManagedDisplay, why: str) -> None:
        """Refuse the checkpoint of a display, which is then built from the journal."""
        held.distrusted = True
        self.counters["refused"] += 1
        self.note("checkpoint refused", {"display": held.id, "why": why})

    # Writing

    def advance(self, displays: Mapping[str, ManagedDisplay], now: float, place: JournalPlace) -> None:
        """Write the checkpoint of the display that is due, if any.

        Args:
            displays: the held displays.
            now: monotonic seconds.
            place: the position of live displays.
        """
        due = self._due
        if now < self._next:
            return
        while due:
            display = next(iter(due))
            if due[display] > now:
                return
            held = displays.get(display)
            if held is None:
                del due[display]
                continue
            if not self._is_due(held, now, place):
                due[display] = now + EVERY_S
                due.move_to_end(display)
                continue
            began = self.clock()
            if self.write(held, now):
                due[display] = now + EVERY_S
                due.move_to_end(display)
            self._next = now + max(PACE_S, SHARE * (self.clock() - began))
            return

    def schedule(self, held: ManagedDisplay, now: float) -> None:
        """Schedule checkpoints of a display."""
        held.saved_at = now
        self._due.setdefault(held.id, now + EVERY_S)

    def unwritten(self, displays: Iterable[ManagedDisplay], place: JournalPlace) -> list[ManagedDisplay]:
        """List the displays that have changed since their last checkpoint."""
        return [held for held in displays if held.saved != held.version and held.state is not None and held.reach(place)]

    @staticmethod
    def _is_due(held: ManagedDisplay, now: float, place: JournalPlace) -> bool:
        changed = held.saved != held.version or now - held.saved_at >= REFRESH_S
        return changed and held.state is not None and held.reach(place)

    def write(self, held: ManagedDisplay, now: float) -> bool:
        """Write the checkpoint of a display now; false if that is not possible at present."""
        try:
            data = checkpoint.encode(held.checkpoint())
        except Exception as error:  # noqa: BLE001 - without a checkpoint the display is built from the journal
            self.counters["failed"] += 1
            self.note("checkpoint failed", {"display": held.id, "why": repr(error)[:300]})
        else:
            if not self.files.save(held.id, data):
                return False
            self.counters["written"] += 1
        held.saved, held.saved_at = held.version, now
        return True

    def next_due(self) -> float | None:
        """Return when `advance` is due, in monotonic seconds; None if never."""
        return max(self._next, next(iter(self._due.values()))) if self._due else None

    # Removing

    def set_displays(self, known: Collection[str]) -> None:
        """Remove the checkpoints of displays that no longer exist.

        Args:
            known: all existing displays, of all workers.
        """
        before, self._known = self._known, frozenset(known)
        if before is None:
            self.files.sweep(self._known)
        elif before - self._known:
            self.files.drop(before - self._known)

    def report(self) -> dict[str, int]:
        """Return the counts of checkpoints that were written, used, refused, and that failed to be written."""
        return {f"checkpoints_{name}": self.counters[name] for name in ("written", "used", "refused", "failed")}

"""Which displays are written down, and when; and which of what was written down may be taken up. Pure.

Seldom and evenly: a display at most every `EVERY_S`, one a turn, and all of them together no more than a small share of the time,
so that no heartbeat is late. Only what has changed; but now and then also what has not, so that `upto` stays near the present,
and within what the journal still has.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from hulak.bus.errors import ProtocolError
from hulak.workers.display import checkpoint
from hulak.workers.display.checkpoint import Checkpoint
from hulak.workers.display.managed_display import JournalPlace, MakeState, ManagedDisplay

EVERY_S = 5.0  # between two checkpoints of a display, at least: some ticks to fold again, and 40 kB/s to write at the most
REFRESH_S = 60.0  # between two of one that nothing happened to
PACE_S = 0.01  # between two of any displays, at least
SHARE = 20  # times of what one cost pass before the next: 5 % of the time


class Files(Protocol):
    """Where checkpoints lie; see `workers.display.checkpoint_files.CheckpointFiles`."""

    def load(self, display: str) -> bytes | None:
        """Read what there is of a display."""

    def save(self, display: str, data: bytes) -> bool:
        """Have a checkpoint written; false if it is not possible now."""

    def drop(self, displays: Collection[str]) -> None:
        """Have some removed."""

    def sweep(self, known: Collection[str]) -> None:
        """Have all others removed."""


class CheckpointSchedule:
    """The checkpoints of one worker's displays.

    Args:
        files: where they lie.
        clock: seconds, for what one costs.
        note: told what cannot be taken up or written down: an event, and facts.
    """

    def __init__(self, files: Files, clock: Callable[[], float], note: Callable[[str, Mapping[str, Any]], None]) -> None:
        self.files = files
        self.clock = clock
        self.note = note
        self.counters: Counter[str] = Counter()  # written, used, refused, failed
        self._due: OrderedDict[str, float] = OrderedDict()  # display -> when to look at it, in monotonic seconds, ascending
        self._next = 0.0
        self._known: frozenset[str] | None = None

    # Taking up

    def begin(self, held: ManagedDisplay, make: MakeState) -> None:
        """Begin a display with what was written down of it, or else as its row says; raises whatever a state raises."""
        held.begin(make)
        found = None if held.distrusted else self._found(held)
        if found is None:
            return
        try:
            held.take_up(found)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the journal has all it was made of
            self.refuse(held, repr(error)[:300])
            held.begin(make)
        else:
            self.counters["used"] += 1

    def _found(self, held: ManagedDisplay) -> Checkpoint | None:
        data = self.files.load(held.id)
        if data is None:
            return None
        try:
            found = checkpoint.decode(data)
        except ProtocolError as error:
            self.refuse(held, str(error))
            return None
        if not held.fits(found):
            self.refuse(held, f"it is of {found.display!r} and {found.symbol}, or of another init or beginning")
            return None
        return found

    def refuse(self, held: ManagedDisplay, why: str) -> None:
        """Have a display built up from the journal: what was written down of it is not a state of it."""
        held.distrusted = True
        self.counters["refused"] += 1
        self.note("checkpoint refused", {"display": held.id, "why": why})

    # Writing down

    def look(self, displays: Mapping[str, ManagedDisplay], now: float, place: JournalPlace) -> None:
        """Write down the display that is due, if one is.

        Args:
            displays: that are held.
            now: monotonic seconds.
            place: how far they are.
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

    def watch(self, held: ManagedDisplay, now: float) -> None:
        """Have a display written down from now on."""
        held.saved_at = now
        self._due.setdefault(held.id, now + EVERY_S)

    def rest(self, displays: Iterable[ManagedDisplay], place: JournalPlace) -> list[ManagedDisplay]:
        """List what has changed since it was written down."""
        return [held for held in displays if held.saved != held.version and held.state is not None and held.reach(place)]

    @staticmethod
    def _is_due(held: ManagedDisplay, now: float, place: JournalPlace) -> bool:
        changed = held.saved != held.version or now - held.saved_at >= REFRESH_S
        return changed and held.state is not None and held.reach(place)

    def write(self, held: ManagedDisplay, now: float) -> bool:
        """Write a display down now; false if that is not possible at present."""
        try:
            data = checkpoint.encode(held.checkpoint())
        except Exception as error:  # noqa: BLE001 - what cannot be written down is built up from the journal
            self.counters["failed"] += 1
            self.note("checkpoint failed", {"display": held.id, "why": repr(error)[:300]})
        else:
            if not self.files.save(held.id, data):
                return False
            self.counters["written"] += 1
        held.saved, held.saved_at = held.version, now
        return True

    def next_due(self) -> float | None:
        """When `look` has something to do, in monotonic seconds; None if nothing."""
        return max(self._next, next(iter(self._due.values()))) if self._due else None

    # What is no more

    def know(self, known: Collection[str]) -> None:
        """Remove what there is of displays that are no more.

        Args:
            known: all displays there are, whoever holds them.
        """
        before, self._known = self._known, frozenset(known)
        if before is None:
            self.files.sweep(self._known)
        elif before - self._known:
            self.files.drop(before - self._known)

    def report(self) -> dict[str, int]:
        """Count what was written down, taken up, refused, and could not be written down."""
        return {f"checkpoints_{name}": self.counters[name] for name in ("written", "used", "refused", "failed")}

"""Displays that are not live yet: waiting, ready (they have a state), or in a backfill. Pure.

A symbol has one backfill at a time, and many symbols have one at once. Displays of a symbol that begin at different places take
turns: displays restored from checkpoints first, since they have the fewest ticks to read.
"""

from collections.abc import Callable

from hulak.bus.wire.messages import Tick
from hulak.workers.display.backfill import Backfill
from hulak.workers.display.managed_display import ManagedDisplay, Phase

MOST_BACKFILLS = 32
HOLD = 100_000  # live ticks held back by all backfills together, at most


class BackfillQueue:
    """The displays of one worker that are not live.

    Args:
        begin: makes the state of a display; returns false if that failed.
        hold: maximum of live ticks held back.
    """

    def __init__(self, begin: Callable[[ManagedDisplay, float], bool], hold: int = HOLD) -> None:
        self.begin = begin
        self.hold = hold
        self.waiting: dict[str, ManagedDisplay] = {}
        self.ready: dict[str, list[ManagedDisplay]] = {}  # by symbol
        self.backfills: dict[str, Backfill] = {}  # by symbol
        self._held_back = 0  # at least as many as the backfills hold back

    def leave(self, held: ManagedDisplay) -> None:
        """Remove a display from its present place."""
        self.waiting.pop(held.id, None)
        ready = [display for display in self.ready.pop(held.symbol, ()) if display is not held]
        if ready:
            self.ready[held.symbol] = ready
        backfill = self.backfills.get(held.symbol)
        if backfill is not None and held in backfill.displays:
            backfill.without(held)
            if not backfill.displays:
                del self.backfills[held.symbol]

    def prepare(self, now: float) -> bool:
        """Make the state of the next waiting display that is due; false if there is none."""
        held = next((display for display in self.waiting.values() if display.retry_at <= now), None)
        if held is None:
            return False
        del self.waiting[held.id]
        if self.begin(held, now):
            held.phase = Phase.READY
            self.ready.setdefault(held.symbol, []).append(held)
        return True

    def start(self, position: int) -> Backfill | None:
        """Begin the next backfill; None if no symbol can have one now.

        Args:
            position: number of the next live tick.
        """
        if len(self.backfills) >= MOST_BACKFILLS:
            return None
        symbol = next((name for name in self.ready if name not in self.backfills), None)
        if symbol is None:
            return None
        ready = self.ready.pop(symbol)
        lead = max(ready, key=lambda display: (display.epoch > 0, display.begins))
        alike = [
            display for display in ready if display.epoch == lead.epoch and (display.begins == lead.begins or not display.epoch)
        ]
        rest = [display for display in ready if display not in alike]
        if rest:
            self.ready[symbol] = rest
        backfill = self.backfills[symbol] = Backfill(alike, position)
        for display in alike:
            display.phase = Phase.CATCHING_UP
        return backfill

    def live(self, number: int, tick: Tick, numbered_ns: int) -> None:
        """Hold back a live tick in its symbol's backfill, if any; beyond the bound, the largest backfill drops its ticks."""
        backfill = self.backfills.get(tick.symbol)
        if backfill is None:
            return
        backfill.live(number, tick, numbered_ns)
        self._held_back += 1
        if self._held_back > self.hold:
            self._held_back = sum(len(other.held) for other in self.backfills.values())
            if self._held_back > self.hold:
                most = max(self.backfills.values(), key=lambda other: len(other.held))
                self._held_back -= len(most.held)
                most.overflow()

    def end(self, backfill: Backfill) -> None:
        """Remove a backfill that has ended."""
        del self.backfills[backfill.symbol]

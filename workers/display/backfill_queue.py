"""Displays on their way to being live: those that wait, those that have a state, and the rounds that bring them up. Pure.

One symbol has one round at a time, and many symbols have theirs at once. Displays of a symbol that begin at different places take
turns: those that were taken up from checkpoints first, since they have least to read.
"""

from collections.abc import Callable

from hulak.bus.wire.messages import Tick
from hulak.workers.display.backfill import Backfill
from hulak.workers.display.managed_display import ManagedDisplay, Phase

MOST_ROUNDS = 32
HOLD = 100_000  # live ticks held back by all rounds together, at most


class BackfillQueue:
    """The displays of one worker that are not live.

    Args:
        begin: gives a display its state; false if that failed.
        hold: live ticks held back at most.
    """

    def __init__(self, begin: Callable[[ManagedDisplay, float], bool], hold: int = HOLD) -> None:
        self.begin = begin
        self.hold = hold
        self.waiting: dict[str, ManagedDisplay] = {}
        self.ready: dict[str, list[ManagedDisplay]] = {}  # by symbol
        self.rounds: dict[str, Backfill] = {}  # by symbol
        self._held_back = 0  # at least as many as the rounds hold back

    def leave(self, held: ManagedDisplay) -> None:
        """Take a display out of wherever it stands."""
        self.waiting.pop(held.id, None)
        ready = [one for one in self.ready.pop(held.symbol, ()) if one is not held]
        if ready:
            self.ready[held.symbol] = ready
        made = self.rounds.get(held.symbol)
        if made is not None and held in made.displays:
            made.without(held)
            if not made.displays:
                del self.rounds[held.symbol]

    def prepare(self, now: float) -> bool:
        """Give the next display that waits, and whose time has come, its state; false if there is none."""
        held = next((one for one in self.waiting.values() if one.retry_at <= now), None)
        if held is None:
            return False
        del self.waiting[held.id]
        if self.begin(held, now):
            held.phase = Phase.READY
            self.ready.setdefault(held.symbol, []).append(held)
        return True

    def start(self, position: int) -> Backfill | None:
        """Begin the next round; None if no symbol can have one now.

        Args:
            position: number of the tick that comes live next.
        """
        if len(self.rounds) >= MOST_ROUNDS:
            return None
        symbol = next((one for one in self.ready if one not in self.rounds), None)
        if symbol is None:
            return None
        ready = self.ready.pop(symbol)
        lead = max(ready, key=lambda one: (one.epoch > 0, one.begins))
        alike = [one for one in ready if one.epoch == lead.epoch and (one.begins == lead.begins or not one.epoch)]
        left = [one for one in ready if one not in alike]
        if left:
            self.ready[symbol] = left
        made = self.rounds[symbol] = Backfill(alike, position)
        for one in alike:
            one.phase = Phase.CATCHING_UP
        return made

    def live(self, number: int, tick: Tick, numbered_ns: int) -> None:
        """Have a tick that comes live held back by the round of its symbol, if it has one; where there is no room, drop most."""
        made = self.rounds.get(tick.symbol)
        if made is None:
            return
        made.live(number, tick, numbered_ns)
        self._held_back += 1
        if self._held_back > self.hold:
            self._held_back = sum(len(one.held) for one in self.rounds.values())
            if self._held_back > self.hold:
                most = max(self.rounds.values(), key=lambda one: len(one.held))
                self._held_back -= len(most.held)
                most.overflow()

    def end(self, made: Backfill) -> None:
        """A round is over."""
        del self.rounds[made.symbol]

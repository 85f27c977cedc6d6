"""Displays that are built up from the journal while live ticks go on: no tick twice, none missing. Pure.

A round takes together what begins at the same time: one way through the journal for all of them, from the first tick that counts
for any up to the live position of that moment. What comes live meanwhile is held back, bounded; if that is not enough, it is
dropped, for it is in the journal, and the round goes on from there to the live position of then.

    journal   first ............ upto |
    live                              | upto+1 ... held back ... then folded, and the displays are live
"""

from collections.abc import Callable, Iterable, Sequence

from bus import frames
from bus.errors import ProtocolError
from bus.frames import NUL, STAMP, tick_topic
from bus.messages import Tick
from bus.subscribing.replica import Ask
from workers.display.held import Held

HOLD = 100_000  # ticks held back by a round, at most
Fold = Callable[[Held, int, Tick], None]


class CatchUp:
    """One round.

    Args:
        displays: that begin.
        position: number of the tick that comes live next.
        hold: ticks held back at most.
    """

    def __init__(self, displays: Iterable[Held], position: int, hold: int = HOLD) -> None:
        self.displays = list(displays)
        self.upto = position - 1
        self.next = min(one.first for one in self.displays)  # what lies before it has been folded
        self.hold = hold
        self.malformed = 0
        self.legs = 1
        self.held: list[tuple[int, Tick]] = []
        self.overflowed = False
        self._arrange()

    def _arrange(self) -> None:
        self.symbols: dict[str, list[Held]] = {}
        for one in self.displays:
            self.symbols.setdefault(one.symbol, []).append(one)
        self._keys = {tick_topic(symbol) + NUL: found for symbol, found in self.symbols.items()}

    @property
    def topic(self) -> str:
        """What to replay: the one symbol, in the numbers of the global order, or all ticks."""
        return f"tick.{next(iter(self.symbols))}*" if len(self.symbols) == 1 else "ticks"

    def ask(self) -> Ask | None:
        """Say what is needed of the journal; None if that is nothing."""
        return Ask(self.next, self.upto) if self.next <= self.upto else None

    def without(self, display: Held) -> None:
        """Leave a display out from now on."""
        self.displays.remove(display)
        self._arrange()

    def live(self, first: int, ticks: Sequence[Tick | None]) -> None:
        """Hold back what comes live.

        Args:
            first: number of the first tick.
            ticks: consecutive; None for what is none.
        """
        if self.overflowed:
            return
        symbols = self.symbols
        self.held += [(number, tick) for number, tick in enumerate(ticks, first) if tick is not None and tick.symbol in symbols]
        if len(self.held) > self.hold:
            self.held, self.overflowed = [], True

    def rows(self, rows: Iterable[Sequence[object]], fold: Fold) -> None:
        """Fold what the journal gave: rows of [number, frame], in order; what came before is passed over."""
        for number, frame in rows:
            assert isinstance(number, int)
            assert isinstance(frame, bytes)
            if not self.next <= number <= self.upto:
                continue
            self.next = number + 1
            cut = frame.find(NUL) + 1
            displays = self._keys.get(frame[:cut])
            if not displays:
                continue
            try:
                tick = frames.decode_tick(frame[cut + STAMP.size :])
            except ProtocolError:
                self.malformed += 1
                continue
            for one in tuple(displays):
                fold(one, number, tick)

    def too_old(self, oldest: int) -> Ask | None:
        """The journal has nothing before `oldest` any more: begin there."""
        for one in self.displays:
            one.incomplete = one.incomplete or one.first < oldest
        self.next = max(self.next, oldest)
        return self.ask()

    def ended(self, further: int | None, position: int) -> Ask | None:
        """A replay ended.

        Args:
            further: where the broker wants to be asked again; None: it had no more.
            position: number of the tick that comes live next.
        Returns:
            what to ask next; None: `finish` comes next.
        """
        if further is not None and further <= self.upto:
            return Ask(further, self.upto)
        self.next = self.upto + 1
        if not self.overflowed:
            return None
        self.upto, self.overflowed = position - 1, False
        self.legs += 1
        return self.ask()

    def finish(self, fold: Fold) -> None:
        """Fold what was held back; then the displays are live."""
        held, self.held = self.held, []
        for number, tick in held:
            for one in tuple(self.symbols.get(tick.symbol, ())):
                fold(one, number, tick)

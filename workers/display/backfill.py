"""Backfill of displays of one symbol from the journal while live ticks continue: no tick twice, none missing. Pure.

A backfill serves all displays that begin at the same place: it reads the symbol's ticks once for all of them, up to the live
position of its start. Ticks that arrive live meanwhile are held back, up to a bound; beyond it they are dropped, since the
journal has them, and the backfill continues from there to the live position of that time.

    journal   first ............ upto |
    live                              | upto+1 ... held back ... then folded, and the displays are live

Displays restored from checkpoints need the broker's confirmation that their numbers are still valid: the request names `epoch`,
and is sent even if no tick is missing.
"""

from collections.abc import Callable, Iterable, Sequence

from hulak.bus.errors import ProtocolError
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.wire import codec
from hulak.bus.wire.codec import STAMP, tick_topic
from hulak.bus.wire.messages import Tick
from hulak.workers.display.managed_display import ManagedDisplay

Fold = Callable[[ManagedDisplay, int, Tick, int], None]  # display, number, tick, when the broker numbered it in ns since 1970 UTC


class Backfill:
    """One backfill.

    Args:
        displays: displays of one symbol; all with an epoch have the same one, and begin at the same number.
        position: number of the next live tick.
    """

    def __init__(self, displays: Iterable[ManagedDisplay], position: int) -> None:
        self.displays = list(displays)
        self.symbol = self.displays[0].symbol
        self.epoch = self.displays[0].epoch  # of the number before `next`; 0: any
        self.upto = position - 1
        self.next = min(display.begins for display in self.displays)  # all ticks before it have been folded
        self.malformed = 0
        self.legs = 1
        self.held: list[tuple[int, Tick, int]] = []
        self.overflowed = False
        self._cut = len(tick_topic(self.symbol)) + 1  # offset of the stamp in a frame

    @property
    def topic(self) -> str:
        """The topic to replay: the symbol alone, in the numbers of the global order."""
        return f"tick.{self.symbol}\0"

    def ask(self) -> Ask | None:
        """Return the range needed from the journal; None if none is needed."""
        if self.next <= self.upto:
            return Ask(self.next, self.upto)
        return Ask(self.next, self.next) if self.epoch else None

    def without(self, display: ManagedDisplay) -> None:
        """Remove a display."""
        self.displays = [member for member in self.displays if member is not display]

    def live(self, number: int, tick: Tick, numbered_ns: int) -> None:
        """Hold back a live tick of the symbol."""
        if not self.overflowed:
            self.held.append((number, tick, numbered_ns))

    def overflow(self) -> None:
        """Drop the ticks that were held back: they exceed the bound, and the journal has them."""
        self.held, self.overflowed = [], True

    def rows(self, rows: Iterable[Sequence[object]], fold: Fold) -> None:
        """Fold rows of the journal: [number, frame], in order; rows that were folded before are skipped."""
        cut, epoch, last = self._cut, 0, 0
        for number, frame in rows:
            assert isinstance(number, int)
            assert isinstance(frame, bytes)
            if not self.next <= number <= self.upto:
                continue
            self.next, self.epoch = number + 1, 0  # the broker has accepted it
            epoch, _, numbered_ns = STAMP.unpack_from(frame, cut)
            last = number
            try:
                tick = codec.decode_tick(frame[cut + STAMP.size :])
            except ProtocolError:
                self.malformed += 1
                continue
            for display in tuple(self.displays):
                fold(display, number, tick, numbered_ns)
        if epoch:
            for display in self.displays:
                display.upto, display.epoch = last, epoch

    def too_old(self, oldest: int) -> Ask | None:
        """Begin at `oldest`: the journal has nothing before it any more."""
        for display in self.displays:
            display.incomplete = display.incomplete or display.begins < oldest
        self.next = max(self.next, oldest)
        return self.ask()

    def ended(self, further: int | None, position: int) -> Ask | None:
        """Handle the end of a replay.

        Args:
            further: the number at which to continue; None: the replay was complete.
            position: number of the next live tick.
        Returns:
            the next range to request; None: call `finish` next.
        """
        self.epoch = 0  # confirmed
        if further is not None and further <= self.upto:
            return Ask(further, self.upto)
        self.next = max(self.next, self.upto + 1)
        if not self.overflowed:
            return None
        self.upto, self.overflowed = position - 1, False
        self.legs += 1
        return self.ask()

    def finish(self, fold: Fold) -> None:
        """Fold the ticks that were held back; then the displays are live."""
        held, self.held = self.held, []
        for number, tick, numbered_ns in held:
            for display in tuple(self.displays):
                fold(display, number, tick, numbered_ns)

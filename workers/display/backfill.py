"""Displays of one symbol that are brought up from the journal while live ticks go on: no tick twice, none missing. Pure.

A round takes together what begins at the same place: one way through the symbol's ticks for all of them, up to the live position
of that moment. What comes live meanwhile is held back, bounded; if that is not enough, it is dropped, for it is in the journal,
and the round goes on from there to the live position of then.

    journal   first ............ upto |
    live                              | upto+1 ... held back ... then folded, and the displays are live

Displays that were taken up from checkpoints need the broker's word that the numbers are still what they were: `epoch` is asked
with, and even where nothing is missing something is asked.
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
    """One round.

    Args:
        displays: of one symbol; those with an epoch all have the same one, and begin at the same number.
        position: number of the tick that comes live next.
    """

    def __init__(self, displays: Iterable[ManagedDisplay], position: int) -> None:
        self.displays = list(displays)
        self.symbol = self.displays[0].symbol
        self.epoch = self.displays[0].epoch  # under which the number before `next` was given; 0: any
        self.upto = position - 1
        self.next = min(one.begins for one in self.displays)  # what lies before it has been folded
        self.malformed = 0
        self.legs = 1
        self.held: list[tuple[int, Tick, int]] = []
        self.overflowed = False
        self._cut = len(tick_topic(self.symbol)) + 1  # of a frame, where its stamp begins

    @property
    def topic(self) -> str:
        """What to replay: the symbol alone, in the numbers of the global order."""
        return f"tick.{self.symbol}\0"

    def ask(self) -> Ask | None:
        """Say what is needed of the journal; None if that is nothing."""
        if self.next <= self.upto:
            return Ask(self.next, self.upto)
        return Ask(self.next, self.next) if self.epoch else None

    def without(self, display: ManagedDisplay) -> None:
        """Leave a display out from now on."""
        self.displays = [one for one in self.displays if one is not display]

    def live(self, number: int, tick: Tick, numbered_ns: int) -> None:
        """Hold back a tick of the symbol that comes live."""
        if not self.overflowed:
            self.held.append((number, tick, numbered_ns))

    def overflow(self) -> None:
        """Drop what was held back: it is more than there is room for, and can be had from the journal."""
        self.held, self.overflowed = [], True

    def rows(self, rows: Iterable[Sequence[object]], fold: Fold) -> None:
        """Fold what the journal gave: rows of [number, frame], in order; what came before is passed over."""
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
            for one in tuple(self.displays):
                fold(one, number, tick, numbered_ns)
        if epoch:
            for one in self.displays:
                one.upto, one.epoch = last, epoch

    def too_old(self, oldest: int) -> Ask | None:
        """The journal has nothing before `oldest` any more: begin there."""
        for one in self.displays:
            one.incomplete = one.incomplete or one.begins < oldest
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
        self.epoch = 0  # it was the right one
        if further is not None and further <= self.upto:
            return Ask(further, self.upto)
        self.next = max(self.next, self.upto + 1)
        if not self.overflowed:
            return None
        self.upto, self.overflowed = position - 1, False
        self.legs += 1
        return self.ask()

    def finish(self, fold: Fold) -> None:
        """Fold what was held back; then the displays are live."""
        held, self.held = self.held, []
        for number, tick, numbered_ns in held:
            for one in tuple(self.displays):
                fold(one, number, tick, numbered_ns)

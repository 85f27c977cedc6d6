"""One display as its worker holds it: its row, its state, and where it stands between journal and live ticks. Pure.

A display goes from WAITING to READY when its state is made or taken up, at its turn to CATCHING_UP, and to LIVE when it has all
ticks of the past.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp, Tick
from hulak.bus.wire.names import OWNED_BY_DISPLAYS
from hulak.workers.display.checkpoint import Checkpoint, fingerprint
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init
from hulak.workers.display.quantities.tick_filter import AHEAD_MS, believed_until

MOST_SKIPPED = 1000  # ticks that a display cannot take and leaves out; beyond, it is not the ticks
HEALTHY_S = 60.0  # so long live, and what failed before is forgotten
JournalPlace = tuple[int, int]  # number of the last tick that live displays have; the epoch it was numbered under, 0 if unknown
MakeState = Callable[[str, Init, DisplayConfig], DisplayState]


class Phase(Enum):
    """Where a display is."""

    WAITING = "waiting"  # for its turn to be built up, or to be tried again
    READY = "ready"  # has a state, and waits for the journal
    CATCHING_UP = "catching up"  # from the journal
    LIVE = "live"


@dataclass(slots=True, eq=False)
class ManagedDisplay:
    """One display.

    Args:
        id: of the display.
        symbol: exactly as in its ticks.
        token: of the present assignment.
        init: of the row.
        first: number, in the one global order, of the first tick that counts.
        config: in force.
    """

    id: str
    symbol: str
    token: int
    init: Mapping[str, Any]
    first: int
    config: DisplayConfig
    state: DisplayState | None = None
    phase: Phase = Phase.WAITING
    number: int = 0  # of the last tick folded
    received_ns: int = 0  # when the feed received it
    running: int = 0  # states published under the present token
    due: float = 0.0  # monotonic seconds; not published before
    attempts: int = 0  # to build it up that failed in a row
    retry_at: float = 0.0
    live_since: float = 0.0
    poison: int = 0  # the tick at which its state failed last
    skipped: set[int] = field(default_factory=set)  # ticks left out, since the state failed at them twice
    incomplete: bool = False  # the journal did not have all its ticks any more
    day_from: int = 0  # number of the first tick of a day that began; 0: none did, or it was told
    begins: int = 0  # number of the first tick that its state still needed when it began
    upto: int = 0  # number up to which every tick of its symbol is in its state, as of `reach`
    epoch: int = 0  # under which that was numbered; 0: unknown
    saved: tuple[int, int] = (0, 0)  # `version` of what was written down last
    saved_at: float = 0.0
    distrusted: bool = False  # what was written down of it is not to be taken up
    stale_since: float = 0.0  # when it was live last, or came

    @classmethod
    def of(cls, row: Mapping[str, Any], config: DisplayConfig) -> "ManagedDisplay":
        """Make it of a row of the topic `displays`."""
        return cls(row["display"], row["symbol"], row["token"], row["init"], row["from"], config)

    def begin(self, make: MakeState) -> None:
        """Begin with a new state, before its first tick."""
        self.state = None
        self.state = make(self.symbol, Init.from_values(self.symbol, self.init), self.config)
        self.number, self.received_ns, self.day_from, self.incomplete = 0, 0, 0, False
        self.begins, self.upto, self.epoch, self.saved = self.first, 0, 0, (0, 0)

    def fits(self, found: Checkpoint) -> bool:
        """Tell whether this is a state of the display as its row has it now."""
        row = fingerprint(self.symbol, self.init, self.first)
        return found.display == self.id and row in (found.grew_from, found.day)

    def take_up(self, found: Checkpoint) -> None:
        """Go on, having begun, from what was written down; raises whatever the state does where that is none."""
        state = self.state
        assert state is not None, "a display that has not begun has nothing to go on with"
        state.restore(found.state)
        if state.config != self.config:
            state.configure(self.config)
        told = fingerprint(self.symbol, self.init, self.first) != found.grew_from  # the row says what that day began with
        self.number, self.received_ns = found.number, found.received_ns
        self.day_from, self.incomplete = (0, False) if told else (found.day_from, found.incomplete)
        self.skipped |= set(found.skipped)
        self.upto, self.epoch, self.begins = found.upto, found.epoch, found.upto + 1
        self.saved = self.version

    @property
    def version(self) -> tuple[int, int]:
        """What is another one when there is something new to write down."""
        return self.number, len(self.skipped)

    def reach(self, place: JournalPlace) -> bool:
        """Note how far its state is; false as long as the epoch is unknown, without which nothing can be written down."""
        if self.phase is Phase.LIVE and place[1] and place[0] > self.upto:  # what was taken up may be ahead of what comes live
            self.upto, self.epoch = place
        return self.epoch > 0

    def checkpoint(self) -> Checkpoint:
        """Write down the state as it is at `upto`; raises whatever the state does."""
        assert self.state is not None, "a display that has not begun has nothing to write down"
        return Checkpoint(
            display=self.id,
            symbol=self.symbol,
            grew_from=fingerprint(self.symbol, self.init, self.first),
            day=fingerprint(self.symbol, self.day(), self.day_from) if self.day_from else b"",
            day_from=self.day_from,
            upto=self.upto,
            epoch=self.epoch,
            number=self.number,
            received_ns=self.received_ns,
            incomplete=self.incomplete,
            skipped=sorted(self.skipped),
            state=self.state.dump(),
        )

    def fold(self, number: int, tick: Tick, numbered_ns: int) -> None:
        """Take one tick in, which the broker numbered at that time, ns since 1970 UTC; raises whatever the state does."""
        if number < self.begins or number in self.skipped:  # the broker may be ahead of what has come here
            return
        state = self.state
        assert state is not None, "a display that has not begun has no ticks"
        day, at_ms, received_ns = state.day_init, tick.timestamp, tick.received_ns
        # `believed_until`, without a call for nearly every tick
        until_ms = received_ns // 1_000_000 + AHEAD_MS if received_ns else believed_until(0, numbered_ns)
        state.fold(tick.bid or 0.0, tick.ask or 0.0, at_ms, at_ms, until_ms, tick.source)  # 0: that side of the book is empty
        if state.day_init is not day:
            self.day_from = number
        self.number, self.received_ns = number, received_ns

    def failed(self, now: float) -> int:
        """Count a failure; returns how many there were in a row."""
        if self.phase is Phase.LIVE and now - self.live_since >= HEALTHY_S:
            self.attempts = 0
        self.attempts += 1
        return self.attempts

    def poisoned(self, number: int) -> bool:
        """Note at which tick the state failed; at the same one again, true: it is left out from now on."""
        again = self.poison == number and len(self.skipped) < MOST_SKIPPED
        if again:
            self.skipped.add(number)
        self.poison = number
        return again

    def day_written(self, first: int, init: Mapping[str, Any]) -> None:
        """Note that the broker has written a day's beginning; if another has begun since, that one is still to be told."""
        if self.day_from == first:
            self.first, self.init, self.day_from, self.incomplete = first, init, 0, False
            self.skipped = {number for number in self.skipped if number >= first}

    def told(self, config_version: int, now_ns: int) -> dict[str, Any]:
        """Make the map that is published."""
        assert self.state is not None, "a display that has not begun has no state"
        return {
            **self.state.snapshot(),
            "display": self.id,
            "catching_up": self.phase is not Phase.LIVE,
            "incomplete": self.incomplete,
            "number": self.number,
            "received_ns": self.received_ns,
            "published_ns": now_ns,
            "config_version": config_version,
        }

    def publication(self, config_version: int, now_ns: int) -> bytes:
        """Make the next message of the topic `display.<id>`, PROTOCOL.md section 11; raises whatever the state does."""
        stamp = Stamp(self.token, self.running + 1, self.received_ns)
        return codec.encode_publication(
            OWNED_BY_DISPLAYS + self.id.encode(), stamp, codec.pack(self.told(config_version, now_ns))
        )

    def day(self) -> dict[str, Any]:
        """Say what the present day began with, as an init map: it and the ticks from `day_from` on make the same state."""
        assert self.state is not None, "a display that has not begun has no day"
        init = self.state.day_init
        bars = [{"timestamp": bar.timestamp, "high": bar.high, "low": bar.low} for bar in init.daily_bars]
        told: dict[str, Any] = {"digits": init.digits, "adr": init.adr_width, "daily_bars": bars, "timestamp": init.timestamp}
        told |= {"only_source": init.only_source, "kept_source": init.kept_source, "late_ticks": init.late_ticks or None}
        return {name: value for name, value in told.items() if value is not None and value != []}

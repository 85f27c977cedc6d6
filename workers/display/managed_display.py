"""One display of a worker: its row, its state, and its position between journal and live ticks. Pure.

A display changes from WAITING to READY when its state is made or restored, to CATCHING_UP when its backfill begins, and to LIVE
when it has all past ticks.
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

MOST_SKIPPED = 1000  # ticks that a display skips; with more, the ticks are not the cause
HEALTHY_S = 60.0  # after being live this long, earlier failures are forgotten
JournalPlace = tuple[int, int]  # number of the last tick of live displays; the epoch of that number, 0 if unknown
MakeState = Callable[[str, Init, DisplayConfig], DisplayState]


class Phase(Enum):
    """The phase of a display."""

    WAITING = "waiting"  # to be built, or built again
    READY = "ready"  # has a state, and waits for its backfill
    CATCHING_UP = "catching up"  # in a backfill
    LIVE = "live"


@dataclass(slots=True, eq=False)
class ManagedDisplay:
    """One display.

    Args:
        id: of the display.
        symbol: exactly as in its ticks.
        token: the fencing token of the present assignment.
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
    due: float = 0.0  # not published before, monotonic seconds
    attempts: int = 0  # failed attempts in a row
    retry_at: float = 0.0
    live_since: float = 0.0
    poison: int = 0  # number of the tick at which its state failed last
    skipped: set[int] = field(default_factory=set)  # ticks that are skipped, since the state failed at them twice
    incomplete: bool = False  # the journal no longer had all its ticks
    day_from: int = 0  # number of the first tick of a new day; 0: none, or the broker has stored it
    begins: int = 0  # number of the first tick that its state needed when it began
    upto: int = 0  # every tick of its symbol up to this number is in its state; see `reach`
    epoch: int = 0  # of that number; 0: unknown
    saved: tuple[int, int] = (0, 0)  # `version` at the last checkpoint
    saved_at: float = 0.0
    distrusted: bool = False  # its checkpoint must not be used
    stale_since: float = 0.0  # when it was last live, or was added

    @classmethod
    def of(cls, row: Mapping[str, Any], config: DisplayConfig) -> "ManagedDisplay":
        """Return a display from a row of the topic `displays`."""
        return cls(row["display"], row["symbol"], row["token"], row["init"], row["from"], config)

    def begin(self, make: MakeState) -> None:
        """Begin with a new state, before its first tick."""
        self.state = None
        self.state = make(self.symbol, Init.from_values(self.symbol, self.init), self.config)
        self.number, self.received_ns, self.day_from, self.incomplete = 0, 0, 0, False
        self.begins, self.upto, self.epoch, self.saved = self.first, 0, 0, (0, 0)

    def fits(self, stored: Checkpoint) -> bool:
        """Return whether a checkpoint matches the present row of the display."""
        row = fingerprint(self.symbol, self.init, self.first)
        return stored.display == self.id and row in (stored.grew_from, stored.day)

    def restore(self, stored: Checkpoint) -> None:
        """Restore a display that has begun from a checkpoint; raises any exception of the state."""
        state = self.state
        assert state is not None, "a display that has not begun has no state to restore"
        state.restore(stored.state)
        if state.config != self.config:
            state.configure(self.config)
        is_stored = fingerprint(self.symbol, self.init, self.first) != stored.grew_from  # the row has the start of that day
        self.number, self.received_ns = stored.number, stored.received_ns
        self.day_from, self.incomplete = (0, False) if is_stored else (stored.day_from, stored.incomplete)
        self.skipped |= set(stored.skipped)
        self.upto, self.epoch, self.begins = stored.upto, stored.epoch, stored.upto + 1
        self.saved = self.version

    @property
    def version(self) -> tuple[int, int]:
        """A value that differs when a new checkpoint would differ."""
        return self.number, len(self.skipped)

    def reach(self, place: JournalPlace) -> bool:
        """Update the position of its state; false while the epoch is unknown, which a checkpoint needs."""
        if self.phase is Phase.LIVE and place[1] and place[0] > self.upto:  # a restored state may be ahead of live ticks
            self.upto, self.epoch = place
        return self.epoch > 0

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint of the state at `upto`; raises any exception of the state."""
        assert self.state is not None, "a display that has not begun has no checkpoint"
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
        """Fold one tick; `numbered_ns` is when the broker numbered it, ns since 1970 UTC. Raises any exception of the state."""
        if number < self.begins or number in self.skipped:  # the broker may be ahead of the ticks received here
            return
        state = self.state
        assert state is not None, "a display that has not begun has no ticks"
        day, at_ms, received_ns = state.day_init, tick.timestamp, tick.received_ns
        # `believed_until`, without a function call for most ticks
        until_ms = received_ns // 1_000_000 + AHEAD_MS if received_ns else believed_until(0, numbered_ns)
        state.fold(tick.bid or 0.0, tick.ask or 0.0, at_ms, at_ms, until_ms, tick.source)  # 0: this side of the book is empty
        if state.day_init is not day:
            self.day_from = number
        self.number, self.received_ns = number, received_ns

    def failed(self, now: float) -> int:
        """Count a failure; return the number of failures in a row."""
        if self.phase is Phase.LIVE and now - self.live_since >= HEALTHY_S:
            self.attempts = 0
        self.attempts += 1
        return self.attempts

    def poisoned(self, number: int) -> bool:
        """Record the tick at which the state failed; true if it failed there before: that tick is skipped from now on."""
        again = self.poison == number and len(self.skipped) < MOST_SKIPPED
        if again:
            self.skipped.add(number)
        self.poison = number
        return again

    def day_stored(self, first: int, init: Mapping[str, Any]) -> None:
        """Record that the broker has stored the start of a day; if another day has begun since, that one is still to be sent."""
        if self.day_from == first:
            self.first, self.init, self.day_from, self.incomplete = first, init, 0, False
            self.skipped = {number for number in self.skipped if number >= first}

    def as_map(self, config_version: int, now_ns: int) -> dict[str, Any]:
        """Return the map that is published."""
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
        """Return the next message of the topic `display.<id>`, PROTOCOL.md section 11; raises any exception of the state."""
        stamp = Stamp(self.token, self.running + 1, self.received_ns)
        return codec.encode_publication(
            OWNED_BY_DISPLAYS + self.id.encode(), stamp, codec.pack_plain(self.as_map(config_version, now_ns))
        )

    def day(self) -> dict[str, Any]:
        """Return the start of the present day as an init map: it and the ticks from `day_from` on give the same state."""
        assert self.state is not None, "a display that has not begun has no day"
        init = self.state.day_init
        bars = [{"timestamp": bar.timestamp, "high": bar.high, "low": bar.low} for bar in init.daily_bars]
        values: dict[str, Any] = {"digits": init.digits, "adr": init.adr_width, "daily_bars": bars, "timestamp": init.timestamp}
        values |= {"only_source": init.only_source, "kept_source": init.kept_source, "late_ticks": init.late_ticks or None}
        return {name: value for name, value in values.items() if value is not None and value != []}

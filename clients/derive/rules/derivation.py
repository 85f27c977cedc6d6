"""All derived messages, as a function of the numbered messages of feeds in their order. PROTOCOL.md section 3.12. Pure.

There is no clock but the stamps and times in these messages. Where time alone makes something due, its maker posts a message of
the topic `state.clock`: its stamp lets the time go on here, and again when the journal is replayed.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from hulak.bus.wire.codec import MAX_TOPIC, pack, unpack
from hulak.bus.wire.names import ALERT_TOPICS, BAR_TOPICS, EVERY_TOPICS, STATE_TOPICS
from hulak.clients.derive.rules.alert_book import AlertBook, BookState, Firing, Message
from hulak.clients.derive.rules.bar_maker import BarMaker, BarState, MadeBar
from hulak.clients.derive.rules.intervals import GRID_MS, is_wanted, time_ms
from hulak.clients.derive.rules.quality import Quality, QualityState, SymbolState
from hulak.clients.derive.rules.quote import MarketState, market_of, quote_of
from hulak.clients.derive.rules.source_clock import AHEAD_MS

CLOCK = "clock"  # the rest of the topic of a message that lets the time go on
CLOCK_TOPIC = STATE_TOPICS.decode() + CLOCK
MOST_SYMBOLS = 100_000  # further ones are ignored
SET_BACK_MS = 60_000  # a stamp further behind the largest one shows that the broker's clock was set back


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """The topics to make."""

    bars: tuple[str, ...] = ()  # intervals, as `intervals` returns them
    every: tuple[str, ...] = ()  # times of conflated topics, as `conflations` returns them
    states: bool = False
    symbols: tuple[str, ...] = ()  # whole names, or beginnings with a star; none means all
    stale_ms: int = 60_000
    alerts: bool = False  # whether they are evaluated; their definitions are not settings

    @property
    def topics(self) -> bool:
        """Whether it asks for topics of ticks."""
        return bool(self.bars or self.every or self.states)


class Derived(NamedTuple):
    """A message to post."""

    family: str  # bar, every, state or alert
    name: str  # the rest of the topic
    body: dict[str, Any]

    @property
    def topic(self) -> str:
        """Return the whole topic."""
        return f"{self.family}.{self.name}"


class DerivationState(msgspec.Struct, array_like=True):
    """All that is known, for a checkpoint."""

    wanted: Wanted
    now: int
    bars: BarState | None
    quality: QualityState | None
    waiting: list[dict[str, bytes]]  # symbol -> packed body, as it would be posted
    slots: list[int]
    alerts: BookState | None


class Derivation:
    """Makes all derived messages.

    Args:
        wanted: which.
        first: number of the first message of feeds that is taken, in the global order.
        stamp_ns: its stamp, or a time before it.
    """

    def __init__(self, wanted: Wanted, first: int = 1, stamp_ns: int = 0) -> None:
        self.wanted = wanted
        self.now = 0  # the largest stamp since the broker's clock was last set back, ms
        whole_from = 0 if first == 1 else stamp_ns // 1_000_000 + AHEAD_MS
        self._bars = BarMaker(wanted.bars, whole_from) if wanted.bars else None
        self._quality = Quality(wanted.stale_ms) if wanted.states else None
        self.alerts = AlertBook() if wanted.alerts else None
        self._every = [time_ms(name) for name in wanted.every]
        self._waiting: list[dict[str, dict[str, Any]]] = [{} for _ in self._every]  # symbol -> body of its newest tick
        self._slots = [0 for _ in self._every]  # in which those ticks came
        self._next = 0  # stamp at which the time is looked at
        self._is_wanted: dict[str, bool] = {}
        self.ignored = 0  # ticks of symbols beyond the limit

    def take(self, time_ns: int, body: object, number: int = 0, epoch: int = 0) -> list[Derived]:
        """Take the next numbered message; return what it makes, in the order in which it is to be posted.

        Args:
            time_ns: the broker's stamp.
            body: as in the topic `ticks`.
            number, epoch: of the message in the global order, which the alerts that fire name.
        """
        now = time_ns // 1_000_000
        made: list[Derived] = []
        if now < self.now - SET_BACK_MS:
            self._set_back(now)
        if now > self.now:
            self.now = now
            if now >= self._next:
                made = self._advance(number, epoch)
        if isinstance(body, dict) and body:
            symbol = body.get("symbol")
            if type(symbol) is str:
                if self.alerts is not None:
                    made += map(_of_firing, self.alerts.tick(symbol, body, Message(number, epoch, self.now)))
                if self._is_wanted.get(symbol) or self._is_new(symbol):
                    made += self._tick(symbol, body)
            elif (self._quality is not None or self.alerts is not None) and (state := market_of(body)) is not None:
                made += self._market(state)
        return made

    def _market(self, state: MarketState) -> list[Derived]:
        if self.alerts is not None:
            self.alerts.market(state, self.now)
        return [] if self._quality is None else self._states(self._quality.market(state, self.now))

    def _set_back(self, now: int) -> None:
        """Let the time go on from `now`: else nothing would become due until the stamps have caught up, for a day say."""
        self.now, self._next = now, 0
        for part in (self._bars, self._quality, self.alerts):
            if part is not None:
                part.set_back(now)

    def due_ns(self) -> int | None:
        """Return the time at which something is due even if no further message comes, ns since 1970 UTC; None: never."""
        dues = [(slot + 1) * every for slot, every, rows in zip(self._slots, self._every, self._waiting, strict=True) if rows]
        parts = [part.due() for part in (self._bars, self._quality, self.alerts) if part is not None]
        dues += [due for due in parts if due is not None]
        return max(min(dues), self._next) * 1_000_000 if dues else None

    def unfinished(self) -> list[Derived]:
        """Return the bars that are not over, as they are now."""
        return [] if self._bars is None else [_of_bar(made) for made in self._bars.unfinished()]

    def begin_posting(self) -> None:
        """Let the next tick of each symbol publish its state, since nothing before was posted."""
        if self._quality is not None:
            self._quality.forget_published()

    def counters(self) -> dict[str, int]:
        """Return the numbers of ticks that are in no bar."""
        bars = self._bars
        return {"late": bars.late, "wrong_times": bars.wrong, "ignored": self.ignored} if bars else {"ignored": self.ignored}

    def _is_new(self, symbol: str) -> bool:
        """Decide about a symbol at its first tick; false for one that is not wanted."""
        known = self._is_wanted
        if symbol in known:
            return False
        if len(known) >= MOST_SYMBOLS:
            self.ignored += 1
            return False
        longest = max((len(name) for name in (*self.wanted.bars, *self.wanted.every)), default=0) + len(EVERY_TOPICS) + 1
        known[symbol] = is_wanted(symbol, self.wanted.symbols) and longest + len(symbol) <= MAX_TOPIC and symbol != CLOCK
        return known[symbol]

    def _tick(self, symbol: str, body: dict[str, Any]) -> list[Derived]:
        quote = quote_of(body)
        if self._bars is not None:
            self._bars.take(symbol, quote, self.now)
        for rows in self._waiting:
            rows[symbol] = body
        if self._quality is None:
            return []
        state = self._quality.tick(symbol, quote.source, self.now, halted=quote.halted)
        return [] if state is None else self._states([state])

    def _advance(self, number: int, epoch: int) -> list[Derived]:
        now = self.now
        self._next = (now // GRID_MS + 1) * GRID_MS
        made = [] if self._bars is None else [_of_bar(row) for row in self._bars.advance(now)]
        made += self._conflated(now)
        if self._quality is not None:
            made += self._states(self._quality.grow_old(now))
        if self.alerts is not None:
            made += map(_of_firing, self.alerts.grow_old(Message(number, epoch, now)))
        made.sort(key=_order)
        return made

    def _conflated(self, now: int) -> Iterator[Derived]:
        for place, every in enumerate(self._every):
            slot = now // every
            if slot == self._slots[place]:
                continue
            for symbol, body in self._waiting[place].items():
                yield Derived(_EVERY, f"{self.wanted.every[place]}.{symbol}", body)
            self._waiting[place].clear()
            self._slots[place] = slot

    def _states(self, rows: list[SymbolState]) -> list[Derived]:
        made = [Derived(_STATE, row.symbol, {"symbol": row.symbol, "state": row.state, "since": row.since}) for row in rows]
        made.sort(key=_order)
        return made

    # Checkpoints

    def dump(self) -> DerivationState:
        """Return all that is known; it shares its parts with this object."""
        bars, quality = self._bars, self._quality
        parts = None if bars is None else bars.dump(), None if quality is None else quality.dump()
        waiting = [{symbol: pack(body) for symbol, body in rows.items()} for rows in self._waiting]
        return DerivationState(
            self.wanted, self.now, *parts, waiting, self._slots, None if self.alerts is None else self.alerts.dump()
        )

    @classmethod
    def loaded(cls, state: DerivationState) -> "Derivation":
        """Continue from what was known."""
        made = cls(state.wanted)
        made.now, made._slots = state.now, state.slots
        made._waiting = [{symbol: unpack(body) for symbol, body in rows.items()} for rows in state.waiting]
        made._next = (state.now // GRID_MS + 1) * GRID_MS
        if made._bars is not None and state.bars is not None:
            made._bars.load(state.bars)
        if made._quality is not None and state.quality is not None:
            made._quality.load(state.quality)
        if state.alerts is not None:
            made.alerts = AlertBook.loaded(state.alerts)
        return made


_BAR, _EVERY, _STATE, _ALERT = (
    root.decode().removesuffix(".") for root in (BAR_TOPICS, EVERY_TOPICS, STATE_TOPICS, ALERT_TOPICS)
)


def _of_firing(firing: Firing) -> Derived:
    return Derived(_ALERT, *firing)


def _of_bar(made: MadeBar) -> Derived:
    return Derived(_BAR, f"{made.interval}.{made.symbol}", made.bar.body(made.symbol, made.interval))


def _order(made: Derived) -> tuple[str, str, int]:
    """Return what messages that are made at once are sorted by: topic, and start of a bar."""
    return made.family, made.name, made.body.get("start", 0) if made.family == _BAR else 0

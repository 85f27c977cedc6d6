"""What one display worker holds, and what it does with it: rows in, ticks in, states out. Pure.

The rows say what is to be held; `reconcile` makes it so. A display that comes is built up from the journal in a round
(`catch_up`) while the others go on. Each tick is routed by its exact symbol. States are conflated: at most `states_per_s` of a
display and second, the first one at once, and only when something changed.

What fails costs one display, never the others; each kind of failure has its way back (the original named five):

    creation        a state cannot be made      tried again after a back-off, for ever
    initialisation  the journal does not answer  begun anew after a back-off
    run time        a state fails at a tick     built up anew from the journal; a tick at which it fails twice is left out
    dispatch        a state cannot be sent      it stays due, and goes out as its newest
    critical        the process ends            the broker gives its displays, and no others, to the next worker
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from bus.core.backoff import Backoff
from bus.core.stats import Histogram
from bus.messages import Tick
from workers.display.catch_up import HOLD, CatchUp
from workers.display.held import Held, MakeState, Phase
from workers.display.state import DisplayConfig, DisplayState
from workers.display.states import CATCHING_UP_S, LATENCY_WINDOW_S, States

CREATION, INITIALISATION, RUN_TIME, DISPATCH = "creation", "initialisation", "run_time", "dispatch"
MOST_ROUNDS = 4
Note = Callable[[str, Mapping[str, Any]], None]


class Desk:
    """Everything one display worker holds.

    Args:
        name: of the worker, as rows have it.
        config_of: gives a display's config, by id.
        backoff: delays between attempts; carries the randomness.
        emit: publishes a display's state; false if it could not be sent now.
        clock: seconds, for what a fold costs.
        note: told what failed: an event, and facts.
        now: monotonic seconds.
        make: a state.
        hold: live ticks held back by a round, at most.
    """

    def __init__(
        self,
        name: str,
        config_of: Callable[[str], DisplayConfig],
        backoff: Backoff,
        emit: Callable[[Held], bool],
        clock: Callable[[], float],
        note: Note,
        now: float,
        make: MakeState = DisplayState,
        hold: int = HOLD,
    ) -> None:
        self.name = name
        self.config_of = config_of
        self.backoff = backoff
        self.clock = clock
        self.note = note
        self.make = make
        self.hold = hold
        self.held: dict[str, Held] = {}
        self.waiting: dict[str, Held] = {}  # those of them that are to be built up
        self.live: dict[str, tuple[Held, ...]] = {}  # by symbol; tuples, so that one may leave while it is gone through
        self.rounds: list[CatchUp] = []
        self.position: int | None = None  # number of the tick that comes next; None before the broker has told
        self.version = 0  # of the rows
        self.states = States(emit, partial(self._failed, RUN_TIME), now)
        self.counters: Counter[str] = Counter()  # ticks, gaps, malformed, rebuilt, skipped
        self.troubles: Counter[str] = Counter()  # by category
        self.fold_us = Histogram(LATENCY_WINDOW_S, now)  # with performance_monitoring

    # What is to be held

    def reconcile(self, body: Mapping[str, Any], now: float) -> None:
        """Hold what these rows give to this worker, and nothing else.

        Args:
            body: of the topic `displays`; one that is older than the last one is passed over.
            now: monotonic seconds.
        """
        if body["version"] < self.version:
            return
        self.version = body["version"]
        mine = {row["display"]: row for row in body["rows"] if row["worker"] == self.name}
        for one in [one for one in self.held.values() if one.id not in mine or mine[one.id]["symbol"] != one.symbol]:
            self._leave(one)
            del self.held[one.id]
            self.states.forget(one)
            self.waiting.pop(one.id, None)
        for row in mine.values():
            held = self.held.get(row["display"])
            if held is None:
                self._take_in(row)
            elif held.token != row["token"]:
                held.token, held.running = row["token"], 0
                if (held.init, held.first) != (row["init"], row["from"]):
                    held.init, held.first = row["init"], row["from"]
                    self._again(held)
                elif held.state is not None:
                    self.states.touch(held, now)

    def _take_in(self, row: Mapping[str, Any]) -> None:
        held = Held.of(row, self._config(row["display"], DisplayConfig()))
        self.held[held.id] = self.waiting[held.id] = held

    def _leave(self, held: Held) -> None:
        """Take a display out of wherever it stands."""
        if held.phase is Phase.LIVE:
            left = tuple(one for one in self.live[held.symbol] if one is not held)
            self.live.pop(held.symbol)
            if left:
                self.live[held.symbol] = left
        elif held.phase is Phase.CATCHING_UP:
            for one in self.rounds:
                if held in one.displays:
                    one.without(held)
            self.rounds = [one for one in self.rounds if one.displays]
        held.phase = Phase.WAITING

    def _again(self, held: Held, retry_at: float = 0.0) -> None:
        """Have a display built up anew."""
        self._leave(held)
        held.state, held.retry_at = None, retry_at
        self.states.forget(held)
        self.waiting[held.id] = held
        self.counters["rebuilt"] += 1

    def resend(self, now: float) -> None:
        """Have every state published again: the broker is another one, which has none."""
        for held in (one for one in self.held.values() if one.phase is Phase.LIVE):
            self.states.touch(held, now)

    def configure(self, now: float) -> None:
        """Take over what changed in the config."""
        for held in self.held.values():
            config = self._config(held.id, held.config)
            if config != held.config:
                held.config = config
                if held.state is not None:
                    self._reconfigure(held, now)

    def _reconfigure(self, held: Held, now: float) -> None:
        assert held.state is not None, "a display that has not begun has nothing to configure"
        try:
            held.state.configure(held.config)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._failed(RUN_TIME, held, error, now)
            return
        held.due = min(held.due, now + 1 / held.config.states_per_s)
        self.states.touch(held, now)

    def _config(self, display: str, otherwise: DisplayConfig) -> DisplayConfig:
        try:
            return self.config_of(display)
        except Exception as error:  # noqa: BLE001 - a config that cannot be must not end the worker
            self._trouble(CREATION, display, error)
            return otherwise

    # Being built up

    def start(self, now: float) -> CatchUp | None:
        """Begin the next round, if displays wait whose time has come; None if nothing is needed of the journal."""
        if self.position is None or len(self.rounds) >= MOST_ROUNDS:
            return None
        ready = [
            one for one in self.held.values() if one.phase is Phase.WAITING and one.retry_at <= now and self._begun(one, now)
        ]
        if not ready:
            return None
        made = CatchUp(ready, self.position, self.hold)
        for one in ready:
            one.phase, one.due = Phase.CATCHING_UP, now + CATCHING_UP_S
            del self.waiting[one.id]
        self.rounds.append(made)
        if made.ask() is None:
            self.finish(made, now)
            return None
        return made

    def _begun(self, held: Held, now: float) -> bool:
        try:
            held.begin(self.make)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._failed(CREATION, held, error, now)
            return False
        return True

    def rows(self, made: CatchUp, rows: Iterable[Sequence[object]], now: float) -> None:
        """Fold what the journal gave for a round."""
        made.rows(rows, lambda held, number, tick: self._fold(held, number, tick, now))

    def finish(self, made: CatchUp, now: float) -> None:
        """End a round: its displays are live from here on."""
        made.finish(lambda held, number, tick: self._fold(held, number, tick, now))
        self.counters["malformed"] += made.malformed
        self.rounds = [one for one in self.rounds if one is not made]
        for held in made.displays:
            held.phase, held.live_since, held.due = Phase.LIVE, now, now
            self.live[held.symbol] = (*self.live.get(held.symbol, ()), held)
            self.states.touch(held, now)

    def abandon(self, made: CatchUp, error: Exception, now: float) -> None:
        """Give a round up: its displays begin anew after a back-off."""
        for held in tuple(made.displays):
            self._failed(INITIALISATION, held, error, now)

    # Ticks

    def take(self, first: int, ticks: Sequence[Tick | None], now: float) -> None:
        """Fold live ticks.

        Args:
            first: number of the first one.
            ticks: consecutive; None for what is none.
            now: monotonic seconds.
        """
        expected = self.position
        self.position = first + len(ticks)
        if expected is not None and first < expected:  # the broker uses numbers again: what was folded is not in its journal
            for held in tuple(self.held.values()):
                self._again(held)
            return
        self.counters["gaps"] += first - (expected or first)
        live, fold = self.live, self._fold
        for number, tick in enumerate(ticks, first):
            if tick is None:
                self.counters["malformed"] += 1
                continue
            for held in live.get(tick.symbol, ()):
                fold(held, number, tick, now)
        for made in self.rounds:
            made.live(first, ticks)

    def _fold(self, held: Held, number: int, tick: Tick, now: float) -> None:
        if held.state is None:  # it has just failed
            return
        self.counters["ticks"] += 1
        began = self.clock() if held.config.performance_monitoring else None
        try:
            held.fold(number, tick)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._poisoned(held, number, error, now)
            return
        if began is not None:
            self.fold_us.add((self.clock() - began) * 1e6, now)
        if held.config.batch_dispatching or held.phase is not Phase.LIVE:
            self.states.changed[held.id] = held
        else:
            self.states.publish_one(held, now)

    def _poisoned(self, held: Held, number: int, error: Exception, now: float) -> None:
        self.counters["skipped"] += held.poisoned(number)
        self._failed(RUN_TIME, held, error, now)

    def _failed(self, category: str, held: Held, error: Exception, now: float) -> None:
        again_s = self.backoff.delay_s(held.failed(now))
        self._trouble(category, held.id, error, number=held.poison, again_s=round(again_s, 3))
        self._again(held, now + again_s)

    def _trouble(self, category: str, display: str, error: Exception, **facts: Any) -> None:
        self.troubles[category] += 1
        self.note("display failed", {"category": category, "display": display, "why": repr(error)[:300], **facts})

    # Days

    def next_due(self) -> float:
        """When something is to be done, in monotonic seconds."""
        return min((self.states.next_due(), *(one.retry_at for one in self.waiting.values())))

    def days(self) -> list[Held]:
        """List displays whose day ended, which the broker has not been told."""
        return [one for one in self.held.values() if one.day_from and one.phase is Phase.LIVE]

    def told_day(self, display: str, first: int, init: Mapping[str, Any]) -> None:
        """Note that the broker has written a day's beginning."""
        held = self.held.get(display)
        if held is not None:
            held.day_written(first, init)

    # What is told

    def report(self, now: float) -> dict[str, Any]:
        """Tell how it goes: displays, those catching up, counters, troubles by category, latencies in microseconds."""
        found: dict[str, Any] = {
            "displays": len(self.held),
            "catching_up": sum(one.phase is not Phase.LIVE for one in self.held.values()),
            **{name: self.counters[name] for name in ("ticks", "gaps", "malformed", "rebuilt", "skipped")},
            **self.states.report(now),
            "troubles": {**self.troubles, DISPATCH: self.states.counters["dropped"]},
        }
        costs = self.fold_us.quantiles(now)
        return found if costs is None else {**found, "fold_us": costs}

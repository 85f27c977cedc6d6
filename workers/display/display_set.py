"""What one display worker holds, and what it does with it: rows in, ticks in, states out. Pure.

The rows say what is to be held; `reconcile` makes it so. A display that comes is brought up from its checkpoint and the journal
(`building`) while the others go on. Each tick is routed by its exact symbol. States are conflated: at most `states_per_s` of a
display and second, the first one at once, and only when something changed.

What fails costs one display, never the others; each kind of failure has its way back (the original named five):

    creation        a state cannot be made      tried again after a back-off, for ever
    initialisation  the journal is silent       asked again, and the display goes on from where it stands
    run time        a state fails at a tick     built up anew from the journal; a tick at which it fails twice is left out
    dispatch        a state cannot be sent      it stays due, and goes out as its newest
    critical        the process ends            the broker gives its displays, and no others, to the next worker
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hulak.bus.backoff import Backoff
from hulak.bus.histogram import Histogram
from hulak.bus.wire.messages import Tick
from hulak.workers.display.backfill import Backfill
from hulak.workers.display.backfill_queue import HOLD, BackfillQueue
from hulak.workers.display.checkpoint_schedule import CheckpointSchedule, Files
from hulak.workers.display.managed_display import JournalPlace, MakeState, ManagedDisplay, Phase
from hulak.workers.display.publish_schedule import CATCHING_UP_S, LATENCY_WINDOW_S, PublishSchedule
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState

CREATION, INITIALISATION, RUN_TIME, DISPATCH = "creation", "initialisation", "run_time", "dispatch"
LogNote = Callable[[str, Mapping[str, Any]], None]


class DisplaySet:
    """Everything one display worker holds.

    Args:
        name: of the worker, as rows have it.
        config_of: gives a display's config, by id.
        backoff: delays between attempts; carries the randomness.
        clock: seconds, for what a fold costs.
        note: told what failed: an event, and facts.
        files: where checkpoints lie.
        now: monotonic seconds.
        make: a state.
        hold: live ticks held back by rounds, at most.
    """

    def __init__(
        self,
        name: str,
        config_of: Callable[[str], DisplayConfig],
        backoff: Backoff,
        clock: Callable[[], float],
        note: LogNote,
        files: Files,
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
        self.held: dict[str, ManagedDisplay] = {}
        self.building = BackfillQueue(self._begun, hold)
        self.live: dict[str, tuple[ManagedDisplay, ...]] = {}  # by symbol; tuples, so that one may leave while it is gone through
        self.position: int | None = None  # number of the tick that comes next; None before the broker has told
        self.epoch = 0  # under which the tick before it was numbered; 0 before the first
        self.version = 0  # of the rows
        self.schedule = PublishSchedule(now)
        self.checkpoints = CheckpointSchedule(files, clock, note)
        self.counters: Counter[str] = Counter()  # ticks, gaps, malformed, rebuilt, skipped
        self.troubles: Counter[str] = Counter()  # by category
        self.fold_us = Histogram(LATENCY_WINDOW_S, now)  # with performance_monitoring

    # What is to be held

    def reconcile(self, body: Mapping[str, Any], now: float) -> None:
        """Hold what these rows give to this worker, and nothing else.

        Args:
            body: of the topic `displays`; one that is older than the last one is passed over.
        """
        if body["version"] < self.version:
            return
        self.version = body["version"]
        self.checkpoints.know({row["display"] for row in body["rows"]})
        mine = {row["display"]: row for row in body["rows"] if row["worker"] == self.name}
        for one in [one for one in self.held.values() if one.id not in mine or mine[one.id]["symbol"] != one.symbol]:
            self._leave(one)
            self.schedule.forget(self.held.pop(one.id))
        for row in mine.values():
            held = self.held.get(row["display"])
            if held is None:
                self._take_in(row, now)
            elif held.token != row["token"]:
                held.token, held.running = row["token"], 0
                if (held.init, held.first) != (row["init"], row["from"]):
                    held.init, held.first = row["init"], row["from"]
                    self._again(held, now)
                elif held.state is not None:
                    self.schedule.touch(held, now)

    def _take_in(self, row: Mapping[str, Any], now: float) -> None:
        held = ManagedDisplay.of(row, self._config(row["display"], DisplayConfig()))
        held.stale_since = now
        self.held[held.id] = self.building.waiting[held.id] = held
        self.checkpoints.watch(held, now)

    def _leave(self, held: ManagedDisplay) -> None:
        """Take a display out of wherever it stands."""
        if held.phase is Phase.LIVE:
            left = tuple(one for one in self.live.pop(held.symbol) if one is not held)
            if left:
                self.live[held.symbol] = left
        self.building.leave(held)
        held.phase = Phase.WAITING

    def _again(self, held: ManagedDisplay, now: float, retry_at: float = 0.0) -> None:
        """Have a display built up anew."""
        held.stale_since = now if held.phase is Phase.LIVE else held.stale_since
        self._leave(held)
        held.state, held.retry_at = None, retry_at
        self.schedule.forget(held)
        self.building.waiting[held.id] = held
        self.counters["rebuilt"] += 1

    def resend(self, now: float) -> None:
        """Have every state published again: the broker is another one, which has none."""
        for held in (one for one in self.held.values() if one.phase is Phase.LIVE):
            self.schedule.touch(held, now)

    def configure(self, now: float) -> None:
        """Take over what changed in the config."""
        for held in self.held.values():
            config = self._config(held.id, held.config)
            if config != held.config:
                held.config = config
                if held.state is not None:
                    self._reconfigure(held, now)

    def _reconfigure(self, held: ManagedDisplay, now: float) -> None:
        assert held.state is not None, "a display that has not begun has nothing to configure"
        try:
            held.state.configure(held.config)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._failed(RUN_TIME, held, error, now)
            return
        held.due = min(held.due, now + 1 / held.config.states_per_s)
        self.schedule.touch(held, now)

    def _config(self, display: str, otherwise: DisplayConfig) -> DisplayConfig:
        try:
            return self.config_of(display)
        except Exception as error:  # noqa: BLE001 - a config that cannot be must not end the worker
            self.trouble(CREATION, display, error)
            return otherwise

    # Being brought up

    @property
    def place(self) -> JournalPlace:
        """How far live displays are."""
        return (self.position or 1) - 1, self.epoch

    def start(self, now: float) -> Backfill | None:
        """Begin the next round that needs something of the journal; None if none can begin now."""
        while self.position is not None and (made := self.building.start(self.position)) is not None:
            for one in made.displays:
                one.due = now + CATCHING_UP_S
            if made.ask() is not None:
                return made
            self.finish(made, now)
        return None

    def _begun(self, held: ManagedDisplay, now: float) -> bool:
        try:
            self.checkpoints.begin(held, self.make)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._failed(CREATION, held, error, now)
            return False
        return True

    def rows(self, made: Backfill, rows: Iterable[Sequence[object]], now: float) -> None:
        """Fold what the journal gave for a round."""
        made.rows(rows, partial(self._fold, now))

    def finish(self, made: Backfill, now: float) -> None:
        """End a round: its displays are live from here on."""
        made.finish(partial(self._fold, now))
        self.counters["malformed"] += made.malformed
        if made.displays:
            self.building.end(made)
        for held in made.displays:
            held.phase, held.live_since, held.due, held.distrusted = Phase.LIVE, now, now, False
            self.live[held.symbol] = (*self.live.get(held.symbol, ()), held)
            self.schedule.touch(held, now)

    def other_epoch(self, made: Backfill, now: float) -> None:
        """The broker has used numbers again since a round's checkpoints: its displays are built up without them."""
        for held in tuple(made.displays):
            self.checkpoints.refuse(held, f"number {held.upto} is not of epoch {held.epoch} any more")
            self._again(held, now)

    # Ticks

    def take(
        self, epoch: int, first: int, ticks: Sequence[Tick | None], numbered_ns: int, now: float
    ) -> Iterator[ManagedDisplay]:
        """Fold live ticks, as far as the iterator is gone through.

        Args:
            epoch, first: under which they were numbered, and the number of the first one.
            ticks: consecutive; None for what is none.
            numbered_ns: when the broker numbered them, ns since 1970 UTC. `now` is in monotonic seconds.
        Yields:
            each display whose state is due as it is now, before the next tick: one that publishes at every tick.
        """
        expected = self.position
        self.position = first + len(ticks)
        self.epoch = epoch if ticks else self.epoch
        if expected is not None and first < expected:  # the broker uses numbers again: what was folded is not in its journal
            for held in tuple(self.held.values()):
                self._again(held, now)
            return
        self.counters["gaps"] += first - (expected or first)
        live, fold, building = self.live, self._fold, self.building
        for number, tick in enumerate(ticks, first):
            if tick is None:
                self.counters["malformed"] += 1
                continue
            for held in live.get(tick.symbol, ()):
                fold(now, held, number, tick, numbered_ns)
                if not held.config.batch_dispatching and held.number == number:
                    yield held
            if building.rounds:
                building.live(number, tick, numbered_ns)

    def _fold(self, now: float, held: ManagedDisplay, number: int, tick: Tick, numbered_ns: int) -> None:
        if held.state is None:  # it has just failed
            return
        self.counters["ticks"] += 1
        began = self.clock() if held.config.performance_monitoring else None
        try:
            held.fold(number, tick, numbered_ns)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self.counters["skipped"] += held.poisoned(number)
            self._failed(RUN_TIME, held, error, now)
            return
        if began is not None:
            self.fold_us.add((self.clock() - began) * 1e6, now)
        self.schedule.changed[held.id] = held

    def publication(self, held: ManagedDisplay, config_version: int, now: float, now_ns: int) -> bytes | None:
        """Make the message of a display whose state is due; None if its state fails at that: it is built up anew."""
        try:
            return held.publication(config_version, now_ns)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self._failed(RUN_TIME, held, error, now)
            return None

    def _failed(self, category: str, held: ManagedDisplay, error: Exception, now: float) -> None:
        again_s = self.backoff.delay_s(held.failed(now))
        self.trouble(category, held.id, error, number=held.poison, again_s=round(again_s, 3))
        if category == RUN_TIME:  # it may have been going wrong for longer than its checkpoint is old
            held.distrusted = True
            self.checkpoints.files.drop([held.id])
        self._again(held, now, now + again_s)

    def trouble(self, category: str, display: str, error: Exception, **facts: Any) -> None:
        """Count a failure, and tell it."""
        self.troubles[category] += 1
        self.note("display failed", {"category": category, "display": display, "why": repr(error)[:300], **facts})

    # Days

    def next_due(self) -> float:
        """When something is to be done, in monotonic seconds."""
        return min((self.schedule.next_due(), *(one.retry_at for one in self.building.waiting.values())))

    def days(self) -> list[ManagedDisplay]:
        """List displays whose day ended, which the broker has not been told."""
        return [one for one in self.held.values() if one.day_from and one.phase is Phase.LIVE]

    def told_day(self, display: str, first: int, init: Mapping[str, Any]) -> None:
        """Note that the broker has written a day's beginning."""
        if (held := self.held.get(display)) is not None:
            held.day_written(first, init)

    # What is told

    def report(self, now: float) -> dict[str, Any]:
        """Tell how it goes: displays, those catching up and for how long, counters, troubles by category, latencies in us."""
        behind = [one for one in self.held.values() if one.phase is not Phase.LIVE]
        found: dict[str, Any] = {
            "displays": len(self.held),
            "catching_up": len(behind),
            "stale_s": round(max((now - one.stale_since for one in behind), default=0.0), 3),
            **{name: self.counters[name] for name in ("ticks", "gaps", "malformed", "rebuilt", "skipped")},
            **self.schedule.report(now),
            **self.checkpoints.report(),
            "troubles": {**self.troubles, DISPATCH: self.schedule.counters["dropped"]},
        }
        costs = self.fold_us.quantiles(now)
        return found if costs is None else {**found, "fold_us": costs}

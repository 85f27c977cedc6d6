"""The displays of one display worker: rows and ticks in, states out. Pure.

The rows define the displays to hold; `reconcile` adds and removes displays accordingly. A new display is built from its
checkpoint and the journal (`building`) while the others continue. Each tick is routed by its exact symbol. States are conflated:
at most `states_per_s` of a display per second, the first one at once, and only after a change.

A failure affects one display, never the others; each kind of failure has its recovery (the original named five):

    creation        a state cannot be made      tried again after a back-off, without limit
    initialisation  the journal does not answer requested again, and the display continues from its position
    run time        a state fails at a tick     built again from the journal; a tick at which it fails twice is skipped
    dispatch        a state cannot be sent      it stays due, and the newest state is sent
    critical        the process ends            the broker assigns its displays, and no others, to another worker
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
    """All displays of one display worker.

    Args:
        name: of the worker, as in rows.
        config_of: returns a display's config, by id.
        backoff: delays between attempts; contains the randomness.
        clock: seconds, to measure the cost of a fold.
        note: logs a failure: an event, and its fields.
        files: the files of checkpoints.
        now: monotonic seconds.
        make: makes a state.
        hold: maximum of live ticks held back by backfills.
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
        self.live: dict[
            str, tuple[ManagedDisplay, ...]
        ] = {}  # by symbol; tuples, so that a display may leave during an iteration
        self.position: int | None = None  # number of the next tick; None before the first message of the broker
        self.epoch = 0  # under which the tick before it was numbered; 0 before the first
        self.version = 0  # of the rows
        self.schedule = PublishSchedule(now)
        self.checkpoints = CheckpointSchedule(files, clock, note)
        self.counters: Counter[str] = Counter()  # ticks, gaps, malformed, rebuilt, skipped
        self.troubles: Counter[str] = Counter()  # by category
        self.fold_us = Histogram(LATENCY_WINDOW_S, now)  # with performance_monitoring

    # Assignment

    def reconcile(self, body: Mapping[str, Any], now: float) -> None:
        """Hold the displays that these rows assign to this worker, and no others.

        Args:
            body: a message of the topic `displays`; a version older than the last one is ignored.
        """
        if body["version"] < self.version:
            return
        self.version = body["version"]
        self.checkpoints.set_displays({row["display"] for row in body["rows"]})
        assigned = {row["display"]: row for row in body["rows"] if row["worker"] == self.name}
        lost = [held for held in self.held.values() if assigned.get(held.id, {}).get("symbol") != held.symbol]
        for display in lost:
            self._leave(display)
            self.schedule.forget(self.held.pop(display.id))
        for row in assigned.values():
            held = self.held.get(row["display"])
            if held is None:
                self._add(row, now)
            elif held.token != row["token"]:
                held.token, held.running = row["token"], 0
                if (held.init, held.first) != (row["init"], row["from"]):
                    held.init, held.first = row["init"], row["from"]
                    self._rebuild(held, now)
                elif held.state is not None:
                    self.schedule.touch(held, now)

    def _add(self, row: Mapping[str, Any], now: float) -> None:
        held = ManagedDisplay.of(row, self._config(row["display"], DisplayConfig()))
        held.stale_since = now
        self.held[held.id] = self.building.waiting[held.id] = held
        self.checkpoints.schedule(held, now)

    def _leave(self, held: ManagedDisplay) -> None:
        """Remove a display from its present place."""
        if held.phase is Phase.LIVE:
            rest = tuple(display for display in self.live.pop(held.symbol) if display is not held)
            if rest:
                self.live[held.symbol] = rest
        self.building.leave(held)
        held.phase = Phase.WAITING

    def _rebuild(self, held: ManagedDisplay, now: float, retry_at: float = 0.0) -> None:
        """Build a display again."""
        held.stale_since = now if held.phase is Phase.LIVE else held.stale_since
        self._leave(held)
        held.state, held.retry_at = None, retry_at
        self.schedule.forget(held)
        self.building.waiting[held.id] = held
        self.counters["rebuilt"] += 1

    def resend(self, now: float) -> None:
        """Schedule every state for publication: another broker has none of them."""
        for held in (display for display in self.held.values() if display.phase is Phase.LIVE):
            self.schedule.touch(held, now)

    def configure(self, now: float) -> None:
        """Apply the changes of the config."""
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
        except Exception as error:  # noqa: BLE001 - a failing state affects this display only
            self._failed(RUN_TIME, held, error, now)
            return
        held.due = min(held.due, now + 1 / held.config.states_per_s)
        self.schedule.touch(held, now)

    def _config(self, display: str, otherwise: DisplayConfig) -> DisplayConfig:
        try:
            return self.config_of(display)
        except Exception as error:  # noqa: BLE001 - an invalid config must not end the worker
            self.trouble(CREATION, display, error)
            return otherwise

    # Backfill

    @property
    def place(self) -> JournalPlace:
        """The position of live displays."""
        return (self.position or 1) - 1, self.epoch

    def start(self, now: float) -> Backfill | None:
        """Begin the next backfill that needs the journal; None if none can begin now."""
        while self.position is not None and (backfill := self.building.start(self.position)) is not None:
            for display in backfill.displays:
                display.due = now + CATCHING_UP_S
            if backfill.ask() is not None:
                return backfill
            self.finish(backfill, now)
        return None

    def _begun(self, held: ManagedDisplay, now: float) -> bool:
        try:
            self.checkpoints.begin(held, self.make)
        except Exception as error:  # noqa: BLE001 - a failing state affects this display only
            self._failed(CREATION, held, error, now)
            return False
        return True

    def rows(self, backfill: Backfill, rows: Iterable[Sequence[object]], now: float) -> None:
        """Fold the journal's rows for a backfill."""
        backfill.rows(rows, partial(self._fold, now))

    def finish(self, backfill: Backfill, now: float) -> None:
        """End a backfill: its displays are live from now on."""
        backfill.finish(partial(self._fold, now))
        self.counters["malformed"] += backfill.malformed
        if backfill.displays:
            self.building.end(backfill)
        for held in backfill.displays:
            held.phase, held.live_since, held.due, held.distrusted = Phase.LIVE, now, now, False
            self.live[held.symbol] = (*self.live.get(held.symbol, ()), held)
            self.schedule.touch(held, now)

    def other_epoch(self, backfill: Backfill, now: float) -> None:
        """Build the displays of a backfill without their checkpoints: the broker has used numbers again since."""
        for held in tuple(backfill.displays):
            self.checkpoints.refuse(held, f"number {held.upto} no longer belongs to epoch {held.epoch}")
            self._rebuild(held, now)

    # Ticks

    def take(
        self, epoch: int, first: int, ticks: Sequence[Tick | None], numbered_ns: int, now: float
    ) -> Iterator[ManagedDisplay]:
        """Fold live ticks, as far as the iterator is consumed.

        Args:
            epoch, first: the epoch of their numbers, and the number of the first one.
            ticks: consecutive ticks; None for a malformed one.
            numbered_ns: when the broker numbered them, ns since 1970 UTC. `now` is in monotonic seconds.
        Yields:
            each display that publishes at every tick, before its next tick is folded.
        """
        expected = self.position
        self.position = first + len(ticks)
        self.epoch = epoch if ticks else self.epoch
        if (
            expected is not None and first < expected
        ):  # the broker uses numbers again: its journal lacks the ticks that were folded
            for held in tuple(self.held.values()):
                self._rebuild(held, now)
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
            if building.backfills:
                building.live(number, tick, numbered_ns)

    def _fold(self, now: float, held: ManagedDisplay, number: int, tick: Tick, numbered_ns: int) -> None:
        if held.state is None:  # it has just failed
            return
        self.counters["ticks"] += 1
        began = self.clock() if held.config.performance_monitoring else None
        try:
            held.fold(number, tick, numbered_ns)
        except Exception as error:  # noqa: BLE001 - a failing state affects this display only
            self.counters["skipped"] += held.poisoned(number)
            self._failed(RUN_TIME, held, error, now)
            return
        if began is not None:
            self.fold_us.add((self.clock() - began) * 1e6, now)
        self.schedule.changed[held.id] = held

    def publication(self, held: ManagedDisplay, config_version: int, now: float, now_ns: int) -> bytes | None:
        """Return the message of a display whose state is due; None if its state fails: the display is then built again."""
        try:
            return held.publication(config_version, now_ns)
        except Exception as error:  # noqa: BLE001 - a failing state affects this display only
            self._failed(RUN_TIME, held, error, now)
            return None

    def _failed(self, category: str, held: ManagedDisplay, error: Exception, now: float) -> None:
        again_s = self.backoff.delay_s(held.failed(now))
        self.trouble(category, held.id, error, number=held.poison, again_s=round(again_s, 3))
        if category == RUN_TIME:  # the fault may be older than its checkpoint
            held.distrusted = True
            self.checkpoints.files.drop([held.id])
        self._rebuild(held, now, now + again_s)

    def trouble(self, category: str, display: str, error: Exception, **facts: Any) -> None:
        """Count and log a failure."""
        self.troubles[category] += 1
        self.note("display failed", {"category": category, "display": display, "why": repr(error)[:300], **facts})

    # Days

    def next_due(self) -> float:
        """Return when something is due, in monotonic seconds."""
        return min((self.schedule.next_due(), *(display.retry_at for display in self.building.waiting.values())))

    def days(self) -> list[ManagedDisplay]:
        """List live displays with a new day that the broker has not stored."""
        return [display for display in self.held.values() if display.day_from and display.phase is Phase.LIVE]

    def day_stored(self, display: str, first: int, init: Mapping[str, Any]) -> None:
        """Record that the broker has stored the start of a display's day."""
        if (held := self.held.get(display)) is not None:
            held.day_stored(first, init)

    # Reports

    def report(self, now: float) -> dict[str, Any]:
        """Return displays, displays that catch up and for how long, counters, failures by category, latencies in us."""
        behind = [display for display in self.held.values() if display.phase is not Phase.LIVE]
        report: dict[str, Any] = {
            "displays": len(self.held),
            "catching_up": len(behind),
            "stale_s": round(max((now - display.stale_since for display in behind), default=0.0), 3),
            **{name: self.counters[name] for name in ("ticks", "gaps", "malformed", "rebuilt", "skipped")},
            **self.schedule.report(now),
            **self.checkpoints.report(),
            "troubles": {**self.troubles, DISPATCH: self.schedule.counters["dropped"]},
        }
        costs = self.fold_us.quantiles(now)
        return report if costs is None else {**report, "fold_us": costs}

"""The process that makes derived topics: reads the numbered ticks, posts what the rules make of them. PROTOCOL.md section 3.12.

Exactly once: the messages are a function of the ticks, and have running numbers of one feed instance, which outlives the process.
After a kill it goes on behind its checkpoint, makes the same messages with the same numbers, and the broker ignores those that it
has. A checkpoint is written when the broker has all messages before it.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import BusError, BusTimeout, ConfigError, Forbidden, HandshakeFailed, ProtocolError
from hulak.bus.process import lifecycle, log, sockets
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.events import TICKS, Event
from hulak.bus.subscriber.history_start import LIVE
from hulak.bus.subscriber.subscriber import Subscriber
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp
from hulak.bus.wire.names import DERIVER
from hulak.clients.calls.client import BusClient
from hulak.clients.derive import checkpoint
from hulak.clients.derive.alert_definitions import AlertDefinitions, Definitions
from hulak.clients.derive.checkpoint import FORMAT, Checkpoint
from hulak.clients.derive.rules.derivation import CLOCK_TOPIC, Derivation, Derived, Wanted
from hulak.clients.derive.rules.intervals import conflations, intervals
from hulak.clients.feeds.publisher import ASK_S, TickPublisher, new_instance

NAME = DERIVER
IDLE_S = 0.1  # between two looks for alerts while there is nothing else to do
TURN_S = 0.02  # between two looks at the ticks: one look at twenty costs less than twenty looks
AT_ONCE = 2_000  # messages between two looks at all else
MOST_UNCONFIRMED = 20_000  # beyond it no ticks are read until the broker has confirmed some
CHECKPOINT_S = 10.0  # between two checkpoints, at least
CHECKPOINT_SHARE = 0.01  # of the time, at most, for packing them
CLOCK_LATE_NS = 50_000_000  # after what is due; else a tick does it
CLOCK_S = 0.1  # between two messages of the clock
ANSWER_S = 10.0
RETRY_S = 1.0
FINISH_S = 1.0


class StartsOver(Exception):
    """The ticks do not continue the ones before: all is made again from the journal."""


def wanted_of(settings: Settings) -> Wanted:
    """Return the contents of the section `[derive]`.

    Raises:
        ConfigError: a list is malformed, or it asks for nothing.
    """
    section = settings.derive
    try:
        bars, every = intervals(section.bars), conflations(section.every)
    except ValueError as error:
        raise ConfigError(f"section [derive]: {error}") from error
    if not (bars or every or section.states or section.alerts):
        raise ConfigError("section [derive] asks for nothing; set derive.bars, derive.every, derive.states or derive.alerts")
    names = tuple(name.strip() for name in section.symbols.split(",") if name.strip())
    return Wanted(bars, every, section.states, names, int(settings.derive.stale_s * 1000), section.alerts)


class Maker:
    """Makes derived topics from one connection to the broker until it ends.

    Args:
        settings: checked.
        home: of the broker, with the checkpoint.
        wanted: the topics to make.
        stop: asked by a signal.
        logger: of this process.
        alerts: the definitions of alerts; None: none are evaluated.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        wanted: Wanted,
        stop: lifecycle.Stop,
        logger: Log,
        alerts: AlertDefinitions | None = None,
    ) -> None:
        self.home, self.wanted, self.stop, self.log = home, wanted, stop, logger
        self._settings = settings
        kept, why = checkpoint.load(home, wanted)
        if kept is None:
            logger.info("begins with the journal", why=why)
        self._kept = kept if kept is not None and kept.epoch else None  # until its last message was seen
        self._fresh = kept is None  # nothing is posted before the journal has been read
        self._derivation = None if kept is None else Derivation.loaded(kept.derivation)
        self._at = (0, 0, 0) if kept is None else (kept.number, kept.epoch, kept.time_ns)
        self._made = 0 if kept is None else kept.posted  # running number of the last message made
        instance = new_instance() if kept is None else kept.instance
        self.accepted = max(self._made, self._ask_accepted(instance))  # the broker has these
        self.publisher = TickPublisher(settings, home, NAME, logger, instance=instance, posted=self.accepted)
        self._pending: tuple[bytes, int] | None = None  # a checkpoint, and the running number that must be safe before it
        self._checkpoint_due = time.monotonic() + CHECKPOINT_S
        self._keep_due = self._clock_due = 0.0
        self.clocks = 0  # messages of the clock
        self.live = False
        self._alerts = alerts
        self._defined: Definitions | None = None  # the definitions that are evaluated

    def _ask_accepted(self, instance: int) -> int:
        with BusClient(self._settings, self.home) as client:
            answer = client.call("hulak.feed", "", {"instance": instance, "oldest": 1}, timeout_s=ANSWER_S)
        return int(answer["taken"])

    def run(self, member: Member) -> None:
        """Read ticks and post until a signal asks to stop.

        Raises:
            StartsOver: the checkpoint or the ticks cannot be continued.
            BusError, HandshakeFailed, BusTimeout: the connection failed.
        """
        try:
            asyncio.run(self._connect())
            with Subscriber("ticks", settings=self._settings, home=self.home, timeout_s=ANSWER_S, **self._past()) as ticks:
                while not self.stop.asked and not self._is_idle():
                    member.beat()
                    if not self._read(ticks):
                        _pause(self.stop, TURN_S)
            asyncio.run(self.publisher.finish(FINISH_S))
            self._checkpoint(now=True)
        finally:
            self.publisher.close()

    def _past(self) -> dict[str, Any]:
        """Return where to begin: with the checkpoint's last message, which must be there, or else behind it."""
        if self._kept is not None:
            return {"from_sequence": self._kept.number}
        if self._derivation is None and not self.wanted.topics:
            return {"last": 1}  # alerts begin behind it; its number is where the maker goes on after a kill
        return {"since": "oldest"} if self._derivation is None else {"from_sequence": self._at[0] + 1}

    async def _connect(self) -> None:
        connecting = asyncio.ensure_future(self.publisher.connect())
        while not self.stop.asked:
            done, _ = await asyncio.wait([connecting], timeout=TURN_S)
            if done:
                connecting.result()
                return
        connecting.cancel()

    def _read(self, ticks: Subscriber) -> bool:
        """Read what is there, bounded, and do all else that is due; true if more may be there."""
        count = 0
        waits = self._alerts is not None and self.live and self._take_over(self._alerts)
        if not waits and len(self.publisher.link.unconfirmed) < MOST_UNCONFIRMED:
            first_s = 0.0 if self.live else TURN_S
            while count < AT_ONCE and (event := ticks.poll(0.0 if count else first_s)) is not None:
                count += 1
                self._take(event)
        now = time.monotonic()
        if now >= self._keep_due:
            self._keep_due = now + ASK_S
            self.publisher.keep()
            self._checkpoint()
        if self.live and not count:
            self._let_time_go_on(now)
        return count == AT_ONCE or (count > 0 and not self.live)

    def _take(self, event: Event) -> None:
        if event.topic == LIVE:
            self._begin_live()
            return
        if event.topic != TICKS:
            return
        stamp = event.stamp
        at = stamp.sequence, stamp.epoch, stamp.time_ns
        if self._kept is not None:
            if at != self._at:
                raise StartsOver(f"message {self._at[0]} of the checkpoint is {at[0]} in the journal, or another one")
            self._kept = None
            return
        if self._derivation is None:
            self._begin(stamp)
        elif self._at[0] and stamp.sequence != self._at[0] + 1:
            raise StartsOver(f"message {stamp.sequence} came behind {self._at[0]}")
        self._at = at
        try:
            body = event.body
        except ProtocolError:  # in a journal of an earlier version
            body = None
        derivation = self._derivation
        assert derivation is not None
        for made in derivation.take(stamp.time_ns, body, stamp.sequence, stamp.epoch):
            self._post(made)

    def _begin(self, stamp: Stamp) -> None:
        """Begin with a first message; where it may be posted at once, with a checkpoint before it."""
        self._derivation = Derivation(self.wanted, stamp.sequence, stamp.time_ns)
        if self.live:
            self._at = stamp.sequence - 1, 0, 0
            if self._defined is not None and self._alerts is not None:
                self._define(self._defined, self._alerts)
            self._checkpoint(now=True)

    def _is_idle(self) -> bool:
        """Return whether there is nothing to do: only alerts are wanted, and none is defined."""
        defined = self._defined
        return not self.wanted.topics and defined is not None and not defined.rules

    def _take_over(self, alerts: AlertDefinitions) -> bool:
        """Let new definitions count, with a checkpoint between the messages before and behind; true while it waits for that.

        So a maker that goes on from any checkpoint has the definitions with which the messages behind it were made.
        """
        alerts.follow(time.monotonic())
        newest, derivation = alerts.newest, self._derivation
        if newest is None or newest is self._defined or self._kept is not None:
            return False
        if derivation is None:  # no message came yet: they count from the first one on
            self._defined = newest
            return False
        if self.publisher.link.unconfirmed.oldest <= self._made:
            self.publisher.keep()
            return True
        self._define(newest, alerts)
        return False

    def _define(self, newest: Definitions, alerts: AlertDefinitions) -> None:
        """Let definitions count from here on; nothing that was posted is unsafe."""
        book = None if self._derivation is None else self._derivation.alerts
        if self._derivation is None or book is None:
            return
        now = self._derivation.now
        try:
            past = {} if book.rules else alerts.past()
            opens = alerts.opens(tuple(rule for rule in newest.rules if rule.id not in book.rules), now)
        except (BusError, BusTimeout) as error:
            self.log.warning("alerts begin without what is known of them", why=str(error))
            past, opens = {}, {}
        book.define(newest.rules, past, opens, now)
        self._defined, self._pending = newest, None
        self._checkpoint(now=True)
        self.log.info("alerts taken over", alerts=len(newest.rules), revision=newest.revision)

    def _begin_live(self) -> None:
        self.live = True
        self.log.info("ticks followed", number=self._at[0], fresh=self._fresh)
        if self._fresh:
            self._fresh = False
            if self._derivation is not None:
                self._derivation.begin_posting()
            self._checkpoint(now=True)

    def _post(self, made: Derived) -> None:
        if self._fresh:
            return
        self._made += 1
        if self._made > self.accepted:
            self.publisher.post_body(made.family, made.name, made.body, time.time_ns())

    def _let_time_go_on(self, now: float) -> None:
        """Post a message of the clock if something is due that no tick makes happen."""
        due_ns = None if self._derivation is None else self._derivation.due_ns()
        if due_ns is None or now < self._clock_due or time.time_ns() < due_ns + CLOCK_LATE_NS:
            return
        self._clock_due = now + CLOCK_S
        time_ns = time.time_ns()
        body = codec.pack({"timestamp": time_ns // 1_000_000})
        frame = codec.encode_publication(CLOCK_TOPIC.encode(), Stamp(0, 0, time_ns), body)  # unnumbered: a lost one is replaced
        try:
            sockets.send_frame(self.publisher.out, frame, sockets.NOBLOCK)
            self.clocks += 1
        except zmq.Again:
            return

    def _checkpoint(self, *, now: bool = False) -> None:
        """Pack a checkpoint when it is time, and write the packed one once the broker has all messages before it."""
        if self._derivation is None or self._kept is not None or self._fresh:
            return
        started = time.monotonic()
        if now or (started >= self._checkpoint_due and self._pending is None):
            link = self.publisher.link
            state = Checkpoint(FORMAT, *self._at, link.instance, self._made, self._derivation.dump())
            self._pending = state.pack(), self._made
            took_s = time.monotonic() - started
            self._checkpoint_due = started + max(CHECKPOINT_S, took_s / CHECKPOINT_SHARE)
        if self._pending is not None and self.publisher.link.unconfirmed.oldest > self._pending[1]:
            try:
                checkpoint.save(self.home, self._pending[0])
            except OSError as error:
                self.log.warning("checkpoint not written", why=f"{error.strerror or error}")
            self._pending = None

    def values(self) -> dict[str, Any]:
        """Return the report; may be called from any thread."""
        derivation = self._derivation
        counts = {} if derivation is None else derivation.counters()
        if self._alerts is not None:
            counts = {**counts, **self._alert_values(self._alerts)}
        state = "connected" if self.live else "catching-up"
        return {**self.publisher.values(), **counts, "program": True, "state": state, "clocks": self.clocks}

    def _alert_values(self, alerts: AlertDefinitions) -> dict[str, Any]:
        """Return what the broker says of the evaluation (section 7.10)."""
        defined, derivation = self._defined, self._derivation
        why = alerts.why
        if not self.live:
            why = f"`hulak derive` reads the journal, and is at message {self._at[0]}"
        book = None if derivation is None else derivation.alerts
        fired, ignored = (0, 0) if book is None else (book.fired, book.ignored)
        revision = 0 if defined is None else defined.revision
        return {"alerts_revision": revision, "alerts_why": why, "alerts_fired": fired, "alerts_ignored": ignored}


def run_derive(settings: Settings, home: Path) -> int:
    """Make derived topics until a stop signal; return the exit code, 0.

    Args:
        settings: checked.
        home: of the broker.
    Raises:
        ConfigError: the section `[derive]` asks for nothing, or is malformed; or another such process runs on this home.
        HandshakeFailed: the broker and this process do not accept each other's keys.
        Forbidden: the roles of its key do not permit it.
    """
    wanted = wanted_of(settings)
    lifecycle.make_home(home)
    stop = lifecycle.Stop()
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process=NAME)
    makers: list[Maker] = []
    alerts = AlertDefinitions(settings, home, logger) if wanted.alerts else None

    def collect() -> dict[str, Any]:
        if makers:
            return makers[-1].values()
        idle = alerts is not None and alerts.newest is not None and not alerts.newest.rules
        return {"program": True, "state": "connected" if idle else "connecting", **(idle_values(alerts) if alerts else {})}

    with (
        lifecycle.only_one(home / "run" / f"{NAME}.lock", "a maker of derived topics"),
        Member(settings, home, logger, kind="feed", name=NAME, collect=collect) as member,
    ):
        while not stop.asked:
            if lifecycle.find_broker(settings, home, "frontend", stop, logger) is None:
                break
            try:
                if alerts is not None and not wanted.topics and not _wait_for_alerts(alerts, home, stop, member):
                    break
                makers[:] = [Maker(settings, home, wanted, stop, logger, alerts)]
                makers[0].run(member)
                makers.clear()
            except (Forbidden, HandshakeFailed):
                raise
            except StartsOver as reason:
                logger.warning("starts over", why=str(reason))
                checkpoint.drop(home)
            except (BusError, BusTimeout) as error:
                logger.warning("begins again", code=error.code, why=str(error))
                if error.code == "TOO_OLD":
                    checkpoint.drop(home)
                _pause(stop, RETRY_S)
    logger.info("stopped")
    return 0


def idle_values(alerts: AlertDefinitions) -> dict[str, Any]:
    """Return the report on alerts while there is nothing to evaluate."""
    newest = alerts.newest
    begins = "`hulak derive` begins" if newest is not None and newest.rules else ""
    return {"alerts_revision": 0 if newest is None else newest.revision, "alerts_why": alerts.why or begins}


def _wait_for_alerts(alerts: AlertDefinitions, home: Path, stop: lifecycle.Stop, member: Member) -> bool:
    """Wait until an alert is defined, without reading ticks; false if a signal asked to stop first."""
    idle = False
    while not stop.asked:
        member.beat()
        alerts.follow(time.monotonic())
        if alerts.newest is not None and alerts.newest.rules:
            return True
        if alerts.newest is not None and not idle:
            idle = True
            checkpoint.drop(home)  # nothing is remembered, so that the ticks until then are not read
        _pause(stop, IDLE_S)
    return False


def _pause(stop: lifecycle.Stop, wait_s: float) -> None:
    """Wait, or until a signal comes."""
    poller = zmq.Poller()
    poller.register(stop.reader, zmq.POLLIN)
    poller.poll(int(wait_s * 1000))
    stop.drain()

"""The display worker process: one thread, one loop around the pure `DisplaySet` and `Session`. PROTOCOL.md sections 5 and 11.

One subscription to all ticks, decoded once for all displays. There is one thread on purpose: a heartbeat of this worker shows
that its displays progress too. Every iteration of the loop is bounded, so that no heartbeat is late.
"""

import gc
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.backoff import Backoff
from hulak.bus.errors import BusTimeout, ProtocolError
from hulak.bus.live_config.scopes import Document
from hulak.bus.process import sockets
from hulak.bus.process.lifecycle import Stop, find_broker
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.resource_usage import Usage
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.chunk_subscriber import ChunkSubscriber
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Goodbye, TaskPart
from hulak.bus.wire.names import DISPLAY_SERVICE, DISPLAYS
from hulak.workers.display.backfill_requests import BackfillRequests
from hulak.workers.display.broker_link import BrokerLink
from hulak.workers.display.checkpoint_files import CheckpointFiles
from hulak.workers.display.display_set import DisplaySet
from hulak.workers.display.managed_display import ManagedDisplay
from hulak.workers.display.memory_trend import MemoryTrend
from hulak.workers.display.quantities.state import DisplayConfig
from hulak.workers.runtime.session import Do, Exit, Run, Send, Session
from hulak.workers.runtime.task_runner import TaskRunner

LONGEST_WAIT_S = 0.05
SLICE = 256  # live ticks folded between two checks of the heartbeat
FOLDING_S = 0.02  # of an iteration, for backfills
LEAVING_S = 1.0  # to write the last checkpoints; without heartbeats, so less than the lease
REPORT_S = 1.0
BACKOFF = (0.5, 15.0)
TOPIC = DISPLAYS[:-1].decode()


class DisplayWorker:
    """The shell of a display worker.

    Args:
        settings: checked.
        home: the broker's folder.
        session: not yet registered.
        stop: set by a signal.
        log: of this process.
    """

    def __init__(self, settings: Settings, home: Path, session: Session, stop: Stop, log: Log) -> None:
        self.settings = settings
        self.home = home
        self.session = session
        self.stop = stop
        self.log = log
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.usage = Usage()
        self.trend = MemoryTrend(time.monotonic())
        self.exit: Exit | None = None
        self.reported = 0.0
        self.report: dict[str, Any] = {}  # replaced as a whole: the member's thread reads it
        self.config_version = 0
        self.rows_at = 0  # sequence of the last message with all displays
        self.pending: Document | None = None  # not yet applied; replaced by the member's thread
        self.member = Member(
            settings,
            home,
            log,
            kind=DISPLAY_SERVICE,
            name=session.name,
            apply=self._configured,
            collect=lambda: self.report,
            deferred=True,
        )
        actions = {"held": self._held, "collect": self._collect}
        self.runner = TaskRunner(lambda: actions, settings.broker.max_message_bytes, log)
        backoff = Backoff(*BACKOFF, random.random)
        now = time.monotonic()
        self.files = CheckpointFiles(home / "displays")
        self.failed = 0  # failed checkpoints that were logged
        how = (self._config_of, backoff, time.perf_counter, self._note, self.files)
        self.display_set = DisplaySet(session.name, *how, now)

    def _config_of(self, display: str) -> DisplayConfig:
        return DisplayConfig.from_values(self.member.display(display))

    def _configured(self, document: Document) -> None:
        self.pending = document

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        self.log.warning(event, **facts)

    # The process's life

    def run(self) -> int:
        """Run until retired or stopped; return the process's exit code."""
        where = {}
        for name in sockets.NAMES:
            address = find_broker(self.settings, self.home, name, self.stop, self.log)
            if address is None:
                return 0
            where[name] = address
        subscriber = self._subscriber()
        if subscriber is None:
            return 0
        backend = where["backend"]
        self.dealer = sockets.connect_dealer(self.context, backend, sndhwm=10_000, rcvhwm=10_000)
        self.link = BrokerLink(self.context, where["collector"], self.settings, self.home)
        self.backfills = BackfillRequests(self.display_set, self.settings, self.home)
        self.subscriber = subscriber
        self.log.info("worker started", worker=self.session.name, service=self.session.service, broker=str(backend))
        with self.member:
            while self.exit is None:
                self._iterate()
        self.log.info("worker stopped", code=self.exit.code, why=self.exit.why)
        self._close()
        return self.exit.code

    def _subscriber(self) -> ChunkSubscriber | None:
        while not self.stop.asked:
            try:
                return ChunkSubscriber(TOPIC, settings=self.settings, home=self.home, name=self.session.name.partition("/")[0])
            except BusTimeout:
                continue
        return None

    def _write_checkpoints(self) -> None:
        """Write the checkpoints of changed displays, as far as time permits.

        Before the GOODBYE: on it the broker assigns the displays to other workers, which read these files at once.
        """
        until = time.monotonic() + LEAVING_S
        for held in self.display_set.checkpoints.unwritten(self.display_set.held.values(), self.display_set.place):
            if not self.files.flush(until):
                break
            self.display_set.checkpoints.write(held, time.monotonic())
        self.files.end(max(0.0, until - time.monotonic()))

    def _close(self) -> None:
        self.backfills.close()
        self.subscriber.close()
        self.link.close()
        self.dealer.close(linger=500)  # ms to send the GOODBYE
        self.context.term()

    # One iteration

    def _iterate(self) -> None:
        self._poll()
        now = time.monotonic()
        self.member.beat()
        self._heartbeat(now)
        if self.exit is None:
            self._configure(now)
            now = self._receive(now)
        if self.exit is None:
            self._work(now)

    def _receive(self, now: float) -> float:
        """Handle what the subscriber has received, until the worker leaves; return the time."""
        chunks, events = self.subscriber.poll()
        if self.display_set.position is None:
            self.display_set.position = self.subscriber.position if not chunks else chunks[0].first
        for event in events:
            self.rows_at = event.stamp.sequence
            self.display_set.reconcile(event.body, now)
        if self.subscriber.last_sequence(TOPIC) > self.rows_at:
            self.link.ask_rows(now)
        for chunk in chunks:
            for at in range(0, len(chunk.items), SLICE):
                items = chunk.items[at : at + SLICE]
                self._publish(self.display_set.take(chunk.epoch, chunk.first + at, items, chunk.time_ns, now), now)
                self._publish(self.display_set.schedule.due(now), now)
                now = self._heartbeat_if_due(now)
                if self.exit is not None:
                    return now
        return self._heartbeat_if_due(now)

    def _work(self, now: float) -> None:
        """Go on with backfills, checkpoints and what the broker is asked; publish and report."""
        self.backfills.begin(now, now + FOLDING_S / 2)
        self.backfills.step(now, now + FOLDING_S)
        self.display_set.checkpoints.advance(self.display_set.held, now, self.display_set.place)
        if self.link.poll():
            self.display_set.resend(now)
        self.link.answers(self.display_set.day_stored, self._all_rows)
        for held in self.display_set.days():
            self.link.send_day(held, now)
        now = time.monotonic()
        self._publish(self.display_set.schedule.due(now), now)
        if now - self.reported >= REPORT_S:
            self._report(now)

    def _all_rows(self, body: dict[str, Any]) -> None:
        self.rows_at = self.subscriber.last_sequence(TOPIC)
        self.display_set.reconcile(body, time.monotonic())

    def _heartbeat_if_due(self, before: float) -> float:
        """Send a heartbeat if one is due, during long work; return the time."""
        now = time.monotonic()
        if now >= self.session.next_due():
            self._heartbeat(now)
        return max(now, before)

    def _poll(self) -> None:
        now = time.monotonic()
        display_set = self.display_set
        dues = (display_set.next_due(), display_set.checkpoints.next_due(), self.session.next_due(), self.backfills.next_due())
        until = min([now + LONGEST_WAIT_S, *(due for due in (*dues, self.subscriber.next_due()) if due is not None)])
        busy = self.backfills.busy
        poller = zmq.Poller()
        for socket in (self.dealer, self.link.requests.socket, *self.subscriber.sockets(), *self.backfills.sockets()):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        poller.register(self.stop.reader, zmq.POLLIN)
        poller.poll(0 if busy else max(0, int((until - now) * 1000) + 1))

    def _configure(self, now: float) -> None:
        document, self.pending = self.pending, None
        if document is not None:
            self.display_set.configure(now)
            self.config_version = document["version"]
            self.member.applied(document["version"])

    def _publish(self, due: Iterable[ManagedDisplay], now: float) -> None:
        """Publish states that are due."""
        link, schedule = self.link, self.display_set.schedule
        for held in due:
            if not link.ready:
                schedule.unsent(held, now)
                continue
            now_ns = time.time_ns()
            frame = self.display_set.publication(held, self.config_version, now, now_ns)
            if frame is None:
                continue
            if link.send(frame):
                schedule.sent(held, now, now_ns)
            else:
                schedule.unsent(held, now)

    def _report(self, now: float) -> None:
        self.reported = now
        rss = self.usage.rss_bytes()
        self.trend.add(now, rss)
        if self.files.failed > self.failed:
            self.failed = self.files.failed
            self.log.warning("checkpoints not written", why=self.files.why, failed=self.failed)
        self.report = {
            **self.display_set.report(now),
            **self.subscriber.counters(),
            "rss_bytes": rss,
            "memory": self.trend.as_dict(),
        }

    # The session

    def _heartbeat(self, now: float) -> None:
        session = self.session
        while self.dealer.poll(0):
            try:
                message = codec.decode_to_worker(self.dealer.recv_multipart()[-1])
            except ProtocolError as error:
                self.log.warning("frame refused", code=error.code, why=str(error))
                continue
            before = session.epoch
            self._do(session.received(now, message))
            if before is None and session.epoch is not None:
                self.display_set.resend(now)  # this may be another broker, which has no states
        if self.stop.asked:
            self.stop.drain()
            self._do(session.leave(now, "stopped by a signal", self.settings.task.drain_s))
        if now >= session.next_due():
            self._do(session.advance(now, self._about()))

    def _about(self) -> dict[str, Any]:
        return {name: self.report[name] for name in ("displays", "catching_up", "rss_bytes") if name in self.report}

    def _do(self, actions: list[Do]) -> None:
        for action in actions:
            match action:
                case Send(message, frame):
                    if isinstance(message, Goodbye):
                        self._write_checkpoints()
                    try:
                        self.dealer.send(frame or codec.encode(message), zmq.NOBLOCK)
                    except zmq.Again:
                        self.session.unsent(action)
                case Run(task):
                    self._do(self.session.finished(time.monotonic(), [self.runner.carry_out(task, self._send_part)]))
                case Exit():
                    self.exit = self.exit or action

    def _send_part(self, part: TaskPart, frame: bytes) -> None:
        self._do(self.session.part(part, frame))

    # Actions

    def _held(self, args: Mapping[str, Any]) -> Any:
        del args
        rows = [{"display": held.id, "phase": held.phase.value, "number": held.number} for held in self.display_set.held.values()]
        return {"worker": self.session.name, "displays": rows}

    def _collect(self, args: Mapping[str, Any]) -> Any:
        """Run the garbage collector now."""
        del args
        return {"worker": self.session.name, "collected": gc.collect()}

"""The broker: one thread, one poll loop, four sockets around the pure `Bus`. PROTOCOL.md.

A turn of the loop takes what has arrived, bounded per socket, so that neither ticks nor tasks hold up the other; messages of
one turn go out before the next. Whatever a peer sends is decoded at the edge: what does not decode is counted, logged once per
peer, answered where that is possible, and costs nobody else anything.
"""

import contextlib
import gc
import itertools
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import structlog
import zmq
from zmq.backend import zmq_poll

from bus import sockets
from bus.config_desk import ConfigDesk
from bus.core import control
from bus.core.backoff import Backoff
from bus.core.bus import Bus, Limits
from bus.core.effects import Begun, Delayed, Effect, Ended, Note, ToClient
from bus.daemon import Stop, boot_id
from bus.desk import TickDesk
from bus.display_desk import DisplayDesk
from bus.errors import ConfigError, ProtocolError
from bus.journal import Journal
from bus.majordomo import MMI, Majordomo
from bus.messages import ID_BYTES, Error, Reply, Request
from bus.outbox import Outbox
from bus.peers import Peers
from bus.settings import Settings
from bus.targets import SCALE, TargetDesk
from bus.task_desk import TaskDesk, policy_of
from bus.version import VERSION

REPLAY = "hulak.replay"
OUR_OWN = (control.PREFIX, MMI)  # services that the broker answers itself
BEAT_S = 0.25  # between two heartbeats of the topics
MAX_MESSAGES = 64  # a turn and ROUTER, but for the rest of a frame of several: no tick is held up for more than a few ms
GARBAGE = 20_000  # objects that may be garbage before the collector looks: messages are none, they hold no cycles
Log = structlog.typing.FilteringBoundLogger
Desk = Callable[[bytes, Request, float], None]  # answers a control request of a client, now or when it can


class Broker:
    """The shell: sockets, clock, log.

    Args:
        settings: checked.
        home: the folder with `run/` for the ipc sockets.
        stop: set by a signal.
        log: of this process.
    Raises:
        ConfigError: an address cannot be bound.
    """

    def __init__(self, settings: Settings, home: Path, stop: Stop, log: Log) -> None:
        self.settings = settings
        self.home = home
        self.stop = stop
        self.log = log
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.process = psutil.Process()
        now = time.monotonic()
        bounds = (settings.scaling.min_workers, settings.scaling.max_workers)
        limits = Limits(settings.broker.max_topics, settings.broker.max_tick_bytes, *bounds, settings.display.max_displays)
        backoff = Backoff(settings.task.backoff_base_s, settings.task.backoff_cap_s, random.random)
        journal = Journal(home / "journal", settings.journal, boot_id(), time.time_ns)
        self.recovered = journal.open()
        policy = policy_of(settings)
        self.bus = Bus(self.recovered.state.epoch, VERSION, limits, policy, self._reject_tick, now, backoff, journal.ordinals)
        self.bus.restore(self.recovered.state)
        self.majordomo = Majordomo(self.bus.dispatcher, settings.task.mdp_lease_s, settings.broker.max_message_bytes)
        reject = partial(self._reject, "backend")
        self.peers = Peers(self.bus.dispatcher, self.majordomo, lambda: os.urandom(ID_BYTES), reject)
        try:
            self.desk = TickDesk(self.context, settings, home, journal, self.bus, self._reject_at, log)
            self.frontend = sockets.bind(self.context, settings.broker, home, "frontend")
            self.backend = sockets.bind(self.context, settings.broker, home, "backend")
        except ConfigError:
            self.context.destroy(linger=0)
            journal.close()
            raise
        try:
            self.tasks = TaskDesk(settings, home, self.bus.dispatcher, self._reach, self._carry_out, log)
            self.config = ConfigDesk(settings, self.tasks.store, self.bus, self.desk.publish, self._reach, log)
            how = (self.tasks.store, self.config, self._reach, self.desk.publish)
            self.displays = DisplayDesk(settings, self.bus, *how, log)
        except ConfigError:
            self.context.destroy(linger=0)
            self.desk.close()
            raise
        self.targets = TargetDesk(self.bus, self.tasks.store, self._reach, self._carry_out)
        self.targets.restore(self.tasks.targets)
        self.desks: dict[str, Desk] = {REPLAY: self._replay, SCALE: self.targets.serve}
        self.came_by: zmq.Frame | None = None  # the last frame of the client whose requests are being accepted
        self.desks |= self.tasks.services | self.config.services | self.displays.services
        self.beat_due = now
        self.outbox = Outbox(self.frontend, self.backend, self.peers, self.bus)
        self.poller = zmq.Poller()
        self.desk.register(self.poller)
        for socket in (self.frontend, self.backend, stop.reader, self.tasks.store.reader):
            self.poller.register(socket, zmq.POLLIN)

    # A daemon's life

    def run(self) -> None:
        """Serve until a signal asks to stop; then drain and close."""
        self.log.info("broker started", epoch=self.bus.epoch, version=VERSION, **self._addresses())
        told = self.recovered
        self.log.info(
            "journal opened",
            ticks=told.state.ticks,
            read=told.read,
            corrupt_bytes=told.corrupt_bytes,
            torn_bytes=told.torn_bytes,
            new_epoch=told.why_new_epoch,
        )
        gc.freeze()  # what is here stays: the collector need not look at it again and again
        gc.set_threshold(GARBAGE)
        while not self.stop.asked:
            self._turn(self._next_due())
        self._shut_down()

    def _shut_down(self) -> None:
        """1. take no new tasks, 2. let running ones end for `drain_s`, 3. close; the clients of others repeat them."""
        deadline = time.monotonic() + self.settings.broker.drain_s
        self.poller.unregister(self.frontend)
        while self.bus.stats(time.monotonic(), {})["tasks"]["running"] and time.monotonic() < deadline:
            self._turn(min(deadline, self._next_due()))
        left = len(self.bus.dispatcher.tasks)
        self._carry_out(self.majordomo.farewell(), time.monotonic())
        self._flush(time.monotonic())
        self.tasks.close()
        self.tasks.store.finished()
        self.desk.close()
        self.context.destroy(linger=200)  # ms for what has been sent to leave
        for name in sockets.NAMES:
            path = sockets.ipc_path(self.home, name)
            if path is not None:
                path.unlink(missing_ok=True)
        self.log.info("broker stopped", unfinished_tasks=left, ticks=self.bus.topics.ticks)

    def _turn(self, until: float) -> None:
        wait_ms = max(0, int((until - time.monotonic()) * 1000) + 1)
        ready = dict(zmq_poll(self.poller.sockets, wait_ms))
        now = time.monotonic()
        if self.desk.publisher in ready:
            self.desk.subscriptions()
        if self.desk.collector in ready:
            self.desk.ticks(now)
        if self.frontend in ready:
            self._requests(now)
        if self.backend in ready:
            self._answers(now)
        self._flush(now)
        if self.stop.reader.fileno() in ready:
            self.stop.drain()
        if self.tasks.store.reader.fileno() in ready:
            self.tasks.store.finished()
        if self.desk.replays and now >= self.desk.replays.next_due():
            self.desk.step_replays(now, self._reach)
        if now >= until:
            self._timers(now)
        self.displays.turn(now)
        self._flush(now)

    def _next_due(self) -> float:
        due = min(self.beat_due, self.bus.next_due())
        return min(due, self.desk.replays.next_due()) if self.desk.replays else due

    def _timers(self, now: float) -> None:
        self._carry_out(self.bus.dispatcher.advance(now), now)
        if now >= self.beat_due:
            self.beat_due = now + BEAT_S
            self.desk.beat(now)
            self.tasks.beat(now)
        if now >= self.bus.stats_due:
            self.desk.publish(self.bus.publish_stats(now, time.time_ns(), self._shell()))

    # Clients

    def _requests(self, now: float) -> None:
        receive, frontend, read = sockets.receive, self.frontend, self.peers.requests
        taken: list[Request] = []  # of one client, in a row: accepted together, which costs less than one by one
        whose, count = b"", 0
        with contextlib.suppress(zmq.Again):
            while count < MAX_MESSAGES:
                parts, frame = receive(frontend)
                try:
                    address, requests, unread = read(parts)
                except ProtocolError as error:
                    address, requests, unread = b"", [], [(parts, error)]
                for alone, why in unread:
                    self._reject("frontend", alone[0], why)
                    self._carry_out(self.peers.unread(alone, why), now)
                if address != whose:
                    self._accept(whose, taken, now)
                    whose, taken = address, []
                self.came_by = frame
                taken += requests
                count += len(requests) + len(unread)
        self._accept(whose, taken, now)

    def _accept(self, address: bytes, requests: list[Request], now: float) -> None:
        """Take tasks in, and answer what is asked of the broker itself, in their order."""
        ours = {service for service in {request.service for request in requests} if service.startswith(OUR_OWN)}
        if not ours:  # nearly always
            self._carry_out(self.bus.dispatcher.requests(now, address, requests), now)
            return
        for is_ours, some in itertools.groupby(requests, key=lambda request: request.service in ours):
            if not is_ours:
                self._carry_out(self.bus.dispatcher.requests(now, address, list(some)), now)
                continue
            for request in some:
                self._carry_out(self._serve(address, request, now), now)

    def _serve(self, address: bytes, request: Request, now: float) -> list[Effect]:
        try:
            return self._control(address, request, now)
        except ProtocolError as error:
            self.bus.refused += 1
            return [ToClient(address, Error(request.id, error.code, str(error), error.details))]

    def _control(self, address: bytes, request: Request, now: float) -> list[Effect]:
        desk = self.desks.get(request.service)
        if desk is not None:
            desk(address, request, now)
            return []
        if request.service.startswith(control.PREFIX):
            value, effects = control.answer(self.bus, now, request.service, request.args, self._shell())
            return [ToClient(address, Reply(request.id, value)), *effects]
        return [ToClient(address, Reply(request.id, self.majordomo.inform(request)))]

    def _replay(self, address: bytes, request: Request, now: float) -> None:
        replaced = self.desk.begin_replay(address, request, self.came_by, now)
        if replaced is not None:
            text = "the same client asked for a replay of the same topic again"
            self._carry_out([ToClient(address, Error(replaced, "REPLACED", text))], now)

    # Workers

    def _answers(self, now: float) -> None:
        receive, backend, command = sockets.receive, self.backend, self.peers.command
        effects: list[Effect] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_MESSAGES):
                parts, _ = receive(backend)
                if len(parts) != 2:  # of Majordomo, where what was told before makes a difference
                    self._carry_out(effects, now)
                    effects = []
                try:
                    effects += command(now, parts)
                except ProtocolError as error:
                    self._reject("backend", parts[0], error)
                    effects += self.peers.refused(now, parts, error)
        self._carry_out(effects, now)

    # Effects

    def _carry_out(self, effects: list[Effect], now: float) -> None:
        """Do what the core wants done at `now`; messages go out with the next `_flush`."""
        del now
        for effect in self.outbox.put(effects):
            match effect:
                case Begun() | Delayed() | Ended():
                    self.tasks.note(effect)
                case Note(event, fields):
                    self.log.info(event, **fields)

    def _flush(self, now: float) -> None:
        while lost := self.outbox.flush():
            for address, why in lost:
                self._carry_out(self.bus.dispatcher.lost(now, address, why), now)

    def _reach(self, address: bytes, message: Any) -> bool:
        """Send to a client now, behind what has gathered; false if it is gone or takes nothing more."""
        self._flush(time.monotonic())
        return self.outbox.reach(address, message)

    # What is refused, and what is told

    def _reject_tick(self, error: ProtocolError) -> None:
        self._reject("collector", b"", error)

    def _reject_at(self, socket: str, error: ProtocolError) -> None:
        self._reject(socket, b"", error)

    def _reject(self, socket: str, peer: bytes, error: ProtocolError) -> None:
        if self.bus.rejects.count(socket, peer, error.code):
            self.log.warning("frames refused", socket=socket, peer=peer.hex(), code=error.code, why=str(error))

    def _shell(self) -> dict[str, Any]:
        process = {"pid": os.getpid(), "rss_bytes": self.process.memory_info().rss, "cpu_s": round(time.process_time(), 3)}
        return {"process": process, "journal": self.desk.stats(), "store": self.tasks.stats()}

    def _addresses(self) -> dict[str, str]:
        return {name: getattr(self.settings.broker, name) for name in sockets.NAMES}

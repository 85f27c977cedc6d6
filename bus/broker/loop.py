"""The broker: one thread, one poll loop, four sockets around the pure `BrokerState`. PROTOCOL.md.

An iteration of the loop receives the messages that have arrived, bounded per socket, so that neither ticks nor tasks delay each
other; the messages of one iteration are sent before the next. Messages of peers are decoded at the edge: a malformed one is
counted, logged once per peer, answered where possible, and affects no other peer.
"""

import contextlib
import gc
import os
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.backoff import Backoff
from hulak.bus.broker.alert_service import AlertService
from hulak.bus.broker.bug_guard import BugGuard
from hulak.bus.broker.config_service import ConfigService
from hulak.bus.broker.connections import Connections
from hulak.bus.broker.control_services import SERVICES, ControlHandler, Services
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.display_service import DisplayService
from hulak.bus.broker.effect_runner import EffectRunner
from hulak.bus.broker.key_guard import KeyGuard
from hulak.bus.broker.key_service import KeyService
from hulak.bus.broker.layout_service import LayoutService
from hulak.bus.broker.majordomo import Majordomo
from hulak.bus.broker.outbox import Outbox
from hulak.bus.broker.position_service import PositionService
from hulak.bus.broker.posted_task_service import PostedTaskService, policy_of
from hulak.bus.broker.request_intake import MAX_MESSAGES, RequestIntake
from hulak.bus.broker.scale_service import ScaleService, limits_of
from hulak.bus.broker.schedule_service import ScheduleService
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.storage.journal import Journal
from hulak.bus.broker.store_effects import BrokerEffect
from hulak.bus.broker.tick_keys import TickKeys
from hulak.bus.broker.tick_service import TickService
from hulak.bus.broker.topic_service import TopicService
from hulak.bus.broker.worker_keys import WorkerKeys
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.connection_admission import Bound
from hulak.bus.core.control import StateService
from hulak.bus.core.effects import Effect
from hulak.bus.core.security.callers import Caller
from hulak.bus.errors import ConfigError, ProtocolError
from hulak.bus.process import cpu_scheduling, key_files, listening, sockets
from hulak.bus.process.key_files import BrokerKey
from hulak.bus.process.lifecycle import Stop, boot_id, file_limit, open_files
from hulak.bus.process.log_type import Log
from hulak.bus.process.resource_usage import Usage
from hulak.bus.process.settings import Settings
from hulak.bus.process.socket_poll import SocketPoll
from hulak.bus.version import VERSION
from hulak.bus.wire.messages import ID_BYTES

OWN_FILES = 32  # descriptors that the four sockets take, without a connection
BEAT_S = 0.25  # seconds between two heartbeats of the topics
MAX_READS = 64  # of the workers' socket, before an unreachable worker counts as lost
GARBAGE = 20_000  # objects allocated before the collector runs: messages are no garbage, they hold no cycles


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
        self.settings, self.home, self.stop, self.log = settings, home, stop, log
        self.guard = BugGuard(log)
        self.key = key_files.read_broker_key(home)
        self.entry = listening.TcpEntry("" if self.key is None else self.key.secret, settings.security.loopback == "open")
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        sockets.randomize_identities(int.from_bytes(os.urandom(4)))
        self.usage = Usage()
        now = time.monotonic()
        backoff = Backoff(settings.task.backoff_base_s, settings.task.backoff_cap_s, random.random)
        journal = Journal(home / "journal", settings.journal, boot_id(), time.time_ns)
        state = journal.open(now).state
        limits, policy = limits_of(settings), policy_of(settings)
        self.bus = BrokerState(state.epoch, VERSION, limits, policy, self._reject_tick, now, backoff, journal.ordinals)
        self.bus.restore(state)
        self.majordomo = Majordomo(self.bus.dispatcher, settings.task.mdp_lease_s, settings.broker.max_message_bytes)
        reject = partial(self._reject, "backend")
        self.dialects = Dialects(self.bus.dispatcher, self.majordomo, lambda: os.urandom(ID_BYTES), reject)
        self.database = Database(home)
        self.database.open()
        self.tasks = PostedTaskService(settings, self.database, journal.ages, self.bus.dispatcher, log)
        self.schedules = ScheduleService(self.tasks.posts, settings.task.key_keep_s, self.tasks.moment, log)
        bound = Bound.of(settings.broker.max_connections, file_limit(), len(open_files()) + OWN_FILES)
        self.connections = Connections(self.context, bound, log)
        self.unreachable: dict[bytes, str] = {}  # workers that could not be reached, and why; lost with the next `_flush`
        self.keys = None if self.key is None else self._begin_keys(self.key)
        try:
            rest = (self.connections, self._reject_at, self.guard, log, self.entry)
            self.ticks = TickService(self.context, settings, home, journal, self.bus, *rest)
            self.frontend, self.backend = self._bind("frontend"), self._bind("backend")
        except ConfigError:
            self.context.destroy(linger=0)
            self.connections.close()
            journal.close()
            raise
        self.ticks.open_ring()
        self.config = ConfigService(settings, self.database, self.bus, self.guard, log)
        self.displays = DisplayService(settings, self.bus, self.database, self.config, log)
        self.outbox = Outbox(self.frontend, self.backend, self.dialects, self.bus, self.guard)
        self.effects = EffectRunner(self.outbox, self.ticks.publish, self.database, self.tasks.writers, self.guard, log)
        self.carry_out = self.effects.carry_out
        self.handlers = self._begin_services()
        self.beat_due = now
        peers = (self.dialects, self.bus, self.majordomo)
        self.requests = RequestIntake(self.frontend, *peers, self.handlers, self.carry_out, self._reject, self.guard)
        self.worker_keys = None if self.keys is None else self._enforce(self.keys)
        self.poller = SocketPoll()
        self.used: tuple[zmq.Socket[bytes], ...] | None = None  # sockets used in the last iteration; None: perhaps all
        self.load = cpu_scheduling.LoadRule(now)
        self._register()

    def _register(self) -> None:
        """Let everything that may be read wake the loop."""
        self.ticks.register(self.poller)
        self.connections.register(self.poller)
        for item in (self.frontend, self.backend, self.stop.reader, self.database.reader):
            self.poller.register(item, zmq.POLLIN)
        if self.keys is not None:
            self.poller.register(self.keys.zap.socket, zmq.POLLIN)

    def _begin_services(self) -> dict[str, ControlHandler]:
        """Let each service read its rows; returns the handlers of the control services, by name."""
        scale, topics = ScaleService(self.bus), TopicService(self.bus, self.ticks.journal, self.ticks.state, self.log)
        state = StateService(self.bus, self._shell)
        for service in (self.tasks, self.config, self.displays, scale, self.schedules):
            self.carry_out(service.begin())
        self.database.start()
        rest = (topics, scale, KeyService(self.keys), PositionService(), self.schedules, AlertService(self.bus), LayoutService())
        services = Services(state, self.ticks, self.tasks, self.config, self.displays, *rest)
        return {name: service.handler(services) for name, service in SERVICES.items()}

    def _bind(self, name: str) -> "zmq.Socket[bytes]":
        return listening.bind(self.context, self.settings.broker, self.home, name, *self.connections.terms(name), self.entry)

    # Keys

    def _begin_keys(self, key: BrokerKey) -> KeyGuard:
        return KeyGuard(self.context, self.home, key, self.connections, self._dropped, self._rebind, self.log)

    def _enforce(self, keys: KeyGuard) -> WorkerKeys:
        """Let every socket check the sender of each message; returns the rules of the workers' socket."""
        workers = WorkerKeys(keys, self.bus.dispatcher.roster)
        self.ticks.keys = TickKeys(keys, self.bus)
        self.requests.keys, self.requests.owners = keys, self.ticks.keys.owners
        self.outbox.peers = keys.peers
        self.dialects.permit = self.majordomo.permit = workers.permit
        keys.poll(time.monotonic())
        return workers

    def _dropped(self, caller: Caller) -> None:
        """Forget a client or a worker whose connection was ended, since its key no longer counts."""
        if caller.socket == "backend":
            for worker in self.bus.dispatcher.roster:
                if worker.identity[1:] == caller.address:
                    self.unreachable[worker.identity] = "its key was revoked or changed, or has expired"
        elif caller.socket == "frontend":
            self.ticks.drop_replays(caller.address)

    def _rebind(self, key: BrokerKey) -> None:
        """Listen with another key of the broker; connections by TCP end."""
        self.entry = self.ticks.entry = listening.TcpEntry(key.secret)
        bound = {"collector": self.ticks.collector, "publisher": self.ticks.publisher}
        for name, socket in (bound | {"frontend": self.frontend, "backend": self.backend}).items():
            listening.rebind_tcp(socket, getattr(self.settings.broker, name), self.entry)

    # A daemon's life

    def run(self) -> None:
        """Serve until a signal asks to stop; then drain and close.

        Raises:
            PartEnded: the store's thread has ended.
        """
        self.log.info("broker started", epoch=self.bus.epoch, version=VERSION, **self._addresses())
        self.connections.log_bound()
        self.ticks.log_notices()
        gc.freeze()  # the objects made so far stay: the collector need not check them again
        gc.set_threshold(GARBAGE)
        while not self.stop.asked and not self.database.dead:
            self._turn(self._next_due())
        self._shut_down()
        self.database.check()

    def _shut_down(self) -> None:
        """1. accept no new tasks, 2. let running ones end for `drain_s`, 3. close; the clients repeat the others."""
        deadline = time.monotonic() + self.settings.broker.drain_s
        self.poller.unregister(self.frontend)
        while self.bus.stats(time.monotonic(), {})["tasks"]["running"] and time.monotonic() < deadline:
            self._turn(min(deadline, self._next_due()))
        unfinished = len(self.bus.dispatcher.tasks)
        self.carry_out(self.majordomo.disconnect_all())
        self._flush(time.monotonic())
        self.database.close()
        self.effects.finish_jobs()
        self._flush(time.monotonic())  # the answers of the store's last jobs
        self.ticks.close()
        self.connections.close()
        self.context.destroy(linger=200)  # ms for the last messages to leave
        for name in sockets.NAMES:
            path = sockets.ipc_path(self.home, name)
            if path is not None:
                with contextlib.suppress(OSError):  # on a disk that has become read-only
                    path.unlink(missing_ok=True)
        self.log.info("broker stopped", unfinished_tasks=unfinished, ticks=self.bus.topics.ticks)

    def _turn(self, until: float) -> None:
        wait_ms = max(0, int((until - time.monotonic()) * 1000) + 1)
        ready = dict(self.poller.poll(wait_ms, self.used))
        now, run = time.monotonic(), self.guard.run
        only_ticks = len(ready) == 1 and self.ticks.collector in ready and now < until
        self.used = (self.ticks.collector, self.ticks.publisher) if only_ticks else None
        if self.connections.near or self.keys is not None:
            self._admit(ready, now)
        if self.ticks.publisher in ready:
            run("subscriptions", self.ticks.subscriptions, otherwise=None)
        if self.ticks.collector in ready:
            run("ticks", self.ticks.ticks, now, otherwise=None)
        if self.frontend in ready:
            run("requests", self.requests.take, now, otherwise=None)
        if self.backend in ready:
            run("answers of workers", self._answers, now, otherwise=None)
        if self.outbox.waiting or self.unreachable:
            run("sending", self._flush, now, otherwise=None)
        if self.stop.reader.fileno() in ready:
            self.stop.drain()
        if self.database.reader.fileno() in ready:
            run("results of the store", self.effects.finish_jobs, otherwise=None)
        if now >= until:
            self._timers(now)
        self._go_on(now)

    def _admit(self, ready: dict[Any, int], now: float) -> None:
        """Admit peers, and end connections above the bound."""
        if self.keys is not None and self.keys.zap.socket in ready:
            self.guard.run("keys", self.keys.zap.take, otherwise=None)
        if self.connections.near and self.connections.has_events(ready):
            self.guard.run("connections", self.connections.poll, now, otherwise=None)

    def _go_on(self, now: float) -> None:
        """Run the services' work that no request asked for; send the messages that wait."""
        run = self.guard.run
        if self.ticks.replays and now >= self.ticks.replays.next_due():
            self.carry_out(run("replays", self.ticks.step_replays, now, otherwise=[]))
        effects: list[BrokerEffect] = run("displays", self.displays.turn, now, otherwise=[])
        if effects:  # rarely
            self.carry_out(effects)
        if self.config.waits:
            self.carry_out(run("configuration", self.config.turn, now, otherwise=[]))
        if self.outbox.waiting or self.unreachable:
            run("sending", self._flush, now, otherwise=None)

    def _next_due(self) -> float:
        due = min(self.beat_due, self.bus.next_due(), self.schedules.due)
        if self.config.waits:
            due = min(due, self.config.check_at)
        return min(due, self.ticks.replays.next_due()) if self.ticks.replays else due

    def _timers(self, now: float) -> None:
        run = self.guard.run
        for step in self.bus.dispatcher.steps(now):
            self.carry_out(run("a timer of tasks and workers", step, otherwise=[]))
        if now >= self.beat_due:
            self.beat_due = now + BEAT_S
            if self.load.update(now, self.bus.topics.ticks + self.bus.dispatcher.counters["done"]):
                cpu_scheduling.set_process_policy(batch=self.load.batch)
            for beat in (self.connections.poll, self.ticks.beat, self.ticks.publish_last_sequences, self._publish_silence):
                run("beat", beat, now, otherwise=None)
            for service in (self.tasks, self.schedules):
                self.carry_out(run("beat", service.beat, now, otherwise=[]))
            if self.keys is not None:
                run("keys", self.keys.poll, now, otherwise=None)
        if now >= self.schedules.due:
            self.carry_out(run("schedules", self.schedules.run, now, otherwise=[]))
        if now >= self.bus.stats_due:
            run("statistics", self._publish_stats, now, otherwise=None)

    def _publish_stats(self, now: float) -> None:
        self.ticks.publish(self.bus.publish_stats(now, time.time_ns(), self._shell()))

    def _publish_silence(self, now: float) -> None:
        self.ticks.publish(self.bus.publish_silence(now, time.time_ns(), self._shell))

    # Workers

    def _answers(self, now: float) -> None:
        receive, backend, command, keys = sockets.receive, self.backend, self.dialects.command, self.worker_keys
        effects: list[Effect] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_MESSAGES):
                parts, frame = receive(backend)
                if keys is not None:
                    try:
                        keys.begin(parts, frame)
                    except ProtocolError as error:
                        self._reject("backend", parts[0], error)
                        continue
                if len(parts) != 2:  # of Majordomo, where the messages sent before make a difference
                    self.carry_out(effects)
                    effects = []
                try:
                    effects += command(now, parts)
                except ProtocolError as error:
                    self._reject("backend", parts[0], error)
                    effects += self.dialects.refused(now, parts, error)
                except Exception as error:  # noqa: BLE001 - a bug of the broker, met by one message
                    self.guard.report("a worker's message", error)
        self.carry_out(effects)

    def _flush(self, now: float) -> None:
        """Send the queued messages; a worker that cannot be reached is lost, after the results that it sent before are read.

        A client that cannot be reached loses its replays.
        """
        self.used = None
        self.unreachable.update(self.outbox.flush())
        while self.unreachable:
            self._read_all_answers(now)
            lost, self.unreachable = self.unreachable, {}
            for address, why in lost.items():
                self.carry_out(self.bus.dispatcher.lost(now, address, why))
            self.unreachable.update(self.outbox.flush())
        while self.outbox.unreached:
            self.ticks.replays.drop(self.outbox.unreached.pop())

    def _read_all_answers(self, now: float) -> None:
        """Read every message that workers have sent. A worker that has left may still have results in the socket."""
        for _ in range(MAX_READS):
            if not self.backend.poll(0):
                return
            self._answers(now)

    # Refused frames, and statistics

    def _reject_tick(self, error: ProtocolError) -> None:
        self._reject("collector", b"", error)

    def _reject_at(self, socket: str, error: ProtocolError) -> None:
        self._reject(socket, b"", error)

    def _reject(self, socket: str, peer: bytes, error: ProtocolError) -> None:
        if many := self.bus.rejects.count(socket, peer, error.code, time.monotonic()):
            self.log.warning("frames refused", socket=socket, peer=peer.hex(), code=error.code, why=str(error), count=many)

    def _shell(self) -> dict[str, Any]:
        process = {"pid": os.getpid(), "rss_bytes": self.usage.rss_bytes(), "cpu_s": self.usage.cpu_s()}
        parts = {
            "journal": self.ticks.stats(),
            "store": self.tasks.stats(),
            "internal": self.guard.stats(),
            "schedules": self.schedules.stats(),
            "config": self.config.stats(),
            "connections": self.connections.stats(time.monotonic()),
            "subscribers": self.ticks.subscribers.stats(self.ticks.published, time.monotonic()),
            "ring": self.ticks.ring.stats() if self.ticks.ring is not None else {},
            "security": {"mode": self.settings.security.loopback} if self.keys is None else self.keys.stats(),
        }
        home = os.fsencode(self.home.absolute()).decode(errors="replace")
        return {"process": process, "home": home, "time_ns": time.time_ns(), **parts}

    def _addresses(self) -> dict[str, str]:
        if not self.entry.secret and not self.entry.open:
            return {"run": str(self.home / "run")}
        return {name: getattr(self.settings.broker, name) for name in sockets.NAMES}

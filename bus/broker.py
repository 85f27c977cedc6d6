"""The broker: one thread, one poll loop, four sockets around the pure `Bus`. PROTOCOL.md.

A turn of the loop takes what has arrived, bounded per socket, so that neither ticks nor tasks hold up the other; messages of
one turn go out before the next. Whatever a peer sends is decoded at the edge: what does not decode is counted, logged once per
peer, answered where that is possible, and costs nobody else anything.
"""

import contextlib
import os
import random
import resource
import time
from pathlib import Path
from typing import Any

import psutil
import structlog
import zmq

from bus import frames, sockets
from bus.config import Settings
from bus.core import control
from bus.core.backoff import Backoff
from bus.core.bus import Bus, Limits
from bus.core.effects import Effect, Note, ToClient, ToWorker
from bus.core.policy import Policy
from bus.daemon import Stop
from bus.errors import ConfigError, ProtocolError
from bus.messages import Error, Goodbye, Ready, Reply, Result, TaskPart, WorkerHeartbeat
from bus.version import VERSION

MAX_TICKS = 256  # a turn: after these, a waiting task message has its turn; 256 ticks take about 1 ms
MAX_MESSAGES = 64  # a turn and ROUTER: a burst of tasks holds up no tick for more than about 1 ms
Log = structlog.typing.FilteringBoundLogger


def policy_of(settings: Settings) -> Policy:
    """Take the task side's times and bounds from the settings."""
    task = settings.task
    return Policy(
        heartbeat_s=task.heartbeat_s,
        lease_s=task.lease_s,
        soft_s=task.soft_s,
        hard_s=task.hard_s,
        timeout_s=task.timeout_s,
        retries=task.retries,
        max_tasks=settings.broker.max_tasks,
    )


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
        limits = Limits(settings.broker.max_topics, settings.broker.max_tick_bytes)
        backoff = Backoff(settings.task.backoff_base_s, settings.task.backoff_cap_s, random.random)
        epoch = time.time_ns() // 1_000_000  # ms: larger at each start, and exact in languages whose numbers end at 2**53
        self.bus = Bus(epoch, VERSION, limits, policy_of(settings), self._reject_tick, now, backoff)
        try:
            self.collector, self.publisher, self.frontend, self.backend = (
                sockets.bind(self.context, settings.broker, home, name) for name in sockets.NAMES
            )
        except ConfigError:
            self.context.destroy(linger=0)
            raise
        self.poller = zmq.Poller()
        for socket in (self.collector, self.publisher, self.frontend, self.backend, stop.reader):
            self.poller.register(socket, zmq.POLLIN)

    # A daemon's life

    def run(self) -> None:
        """Serve until a signal asks to stop; then drain and close."""
        self.log.info("broker started", epoch=self.bus.epoch, version=VERSION, **self._addresses())
        while not self.stop.asked:
            self._turn(self.bus.next_due())
        self._shut_down()

    def _shut_down(self) -> None:
        """1. take no new tasks, 2. let running ones end for `drain_s`, 3. close; the clients of others repeat them."""
        deadline = time.monotonic() + self.settings.broker.drain_s
        self.poller.unregister(self.frontend)
        while self.bus.stats(time.monotonic(), {})["tasks"]["running"] and time.monotonic() < deadline:
            self._turn(min(deadline, self.bus.next_due()))
        left = len(self.bus.dispatcher.tasks)
        self.context.destroy(linger=200)  # ms for what has been sent to leave
        for name in sockets.NAMES:
            path = sockets.ipc_path(self.home, name)
            if path is not None:
                path.unlink(missing_ok=True)
        self.log.info("broker stopped", unfinished_tasks=left, ticks=self.bus.topics.ticks)

    def _turn(self, until: float) -> None:
        wait_ms = max(0, int((until - time.monotonic()) * 1000) + 1)
        ready = dict(self.poller.poll(wait_ms))
        now = time.monotonic()
        if self.publisher in ready:
            self._subscriptions()
        if self.collector in ready:
            self._ticks(now)
        if self.frontend in ready:
            self._requests(now)
        if self.backend in ready:
            self._answers(now)
        if self.stop.reader.fileno() in ready:
            self.stop.drain()
        if now >= self.bus.next_due():
            self._timers(now)

    def _timers(self, now: float) -> None:
        self._carry_out(self.bus.dispatcher.advance(now), now)
        if now >= self.bus.stats_due:
            message = self.bus.publish_stats(now, time.time_ns(), self._process())
            if message is not None:
                self._publish(message)

    # Ticks

    def _ticks(self, now: float) -> None:
        found: list[bytes] = []
        receive, socket = sockets.receive_frame, self.collector
        with contextlib.suppress(zmq.Again):
            while len(found) < MAX_TICKS:
                found.append(receive(socket, sockets.NOBLOCK))
        for message in self.bus.turn(found, now, time.time_ns()):
            sockets.send_frame(self.publisher, message)

    def _publish(self, message: bytes) -> None:
        sockets.send_frame(self.publisher, message)

    def _subscriptions(self) -> None:
        """Answer each subscription with its last value.

        In this mode of XPUB the send that follows an event goes to that event's subscriber alone, so exactly one must
        follow each. Bytes that are no subscription are not paired with a subscriber inside libzmq, which shifts the pairs
        behind them in its queue: if events follow such bytes in the same batch, everybody is made to subscribe anew.
        """
        strange, doubtful = False, False
        with contextlib.suppress(zmq.Again):
            while True:
                event = sockets.receive_frame(self.publisher, sockets.NOBLOCK)
                doubtful = doubtful or strange
                if event[:1] not in (b"\0", b"\1"):
                    strange = True
                    self._reject("publisher", b"", ProtocolError("BAD_FRAME", f"{len(event)} bytes are no subscription"))
                elif not doubtful:
                    self._subscription(event[:1] == b"\1", event[1:])
        if doubtful:
            self._rebind_publisher()

    def _subscription(self, on: bool, prefix: bytes) -> None:
        topics = self.bus.topics
        if len(prefix) > sockets.MAX_SUBSCRIPTION:
            self._reject("publisher", b"", ProtocolError("TOO_LARGE", f"a subscription of {len(prefix)} bytes"))
        elif on:
            self.publisher.setsockopt(zmq.SUBSCRIBE, prefix)
            topics.subscribe(prefix)
        else:
            self.publisher.setsockopt(zmq.UNSUBSCRIBE, prefix)
            topics.unsubscribe(prefix)
        self._publish(topics.welcome(prefix if on else b"\0", time.time_ns()))

    def _rebind_publisher(self) -> None:
        self.log.warning("publisher made anew", why="bytes that are no subscription came before subscriptions")
        self.poller.unregister(self.publisher)
        self.publisher.close(linger=0)
        self.bus.topics.forget_subscriptions()
        for _ in range(200):  # libzmq gives the address back in its own thread, a few ms later
            with contextlib.suppress(ConfigError):
                self.publisher = sockets.bind(self.context, self.settings.broker, self.home, "publisher")
                break
            time.sleep(0.005)
        else:
            raise ConfigError(f"the publisher's address {self.settings.broker.publisher} could not be bound again")
        self.poller.register(self.publisher, zmq.POLLIN)

    # Clients

    def _requests(self, now: float) -> None:
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_MESSAGES):
                self._request(sockets.receive(self.frontend), now)

    def _request(self, parts: list[bytes], now: float) -> None:
        address, frame = b"\0" + parts[0], b""
        try:
            address, frame = _open(parts)
            request = frames.decode_from_client(frame)
            if request.service.startswith(control.PREFIX):
                value, effects = control.answer(self.bus, now, request.service, request.args, self._process())
                effects = [ToClient(address, Reply(request.id, value)), *effects]
            else:
                effects = self.bus.dispatcher.request(now, address, request)
        except ProtocolError as error:
            self._reject("frontend", parts[0], error)
            answer = Error(frames.request_id(frame), error.code, str(error))
            effects = [ToClient(address, answer)]
        self._carry_out(effects, now)

    # Workers

    def _answers(self, now: float) -> None:
        with contextlib.suppress(zmq.Again):
            for _ in range(MAX_MESSAGES):
                self._answer(sockets.receive(self.backend), now)

    def _answer(self, parts: list[bytes], now: float) -> None:
        try:
            address, frame = _open(parts)
            message = frames.decode_from_worker(frame)
        except ProtocolError as error:
            self._reject("backend", parts[0], error)
            return
        dispatcher = self.bus.dispatcher
        match message:
            case Result():
                effects = dispatcher.result(now, address, message)
            case WorkerHeartbeat():
                effects = dispatcher.heartbeat(now, address, message)
            case TaskPart():
                effects = dispatcher.part(now, address, message)
            case Ready():
                effects = dispatcher.ready(now, address, message)
            case Goodbye():
                effects = dispatcher.goodbye(now, address, message)
        self._carry_out(effects, now)

    # Effects

    def _carry_out(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case ToClient(address, message):
                    try:
                        self._send(self.frontend, address, message)
                    except zmq.ZMQError:
                        self.bus.unanswered += 1
                case ToWorker(address, message):
                    try:
                        self._send(self.backend, address, message)
                    except zmq.ZMQError as error:
                        why = "its connection is gone" if error.errno == zmq.EHOSTUNREACH else str(error)
                        self._carry_out(self.bus.dispatcher.lost(now, address, why), now)
                case Note(event, fields):
                    self.log.info(event, **fields)

    def _send(self, socket: "zmq.Socket[bytes]", address: bytes, message: Any) -> None:
        sockets.send(socket, address[1:], address[:1] == b"\1", frames.encode(message))

    # What is refused, and what is told

    def _reject_tick(self, error: ProtocolError) -> None:
        self._reject("collector", b"", error)

    def _reject(self, socket: str, peer: bytes, error: ProtocolError) -> None:
        if self.bus.rejects.count(socket, peer, error.code):
            self.log.warning("frames refused", socket=socket, peer=peer.hex(), code=error.code, why=str(error))

    def _process(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "rss_bytes": self.process.memory_info().rss, "cpu_s": round(time.process_time(), 3)}

    def _addresses(self) -> dict[str, str]:
        return {name: getattr(self.settings.broker, name) for name in sockets.NAMES}


def _open(parts: list[bytes]) -> tuple[bytes, bytes]:
    """Take the envelope off: the peer's address (one byte that tells whether an empty frame came first, identity), the frame."""
    match parts:
        case [identity, frame]:
            return b"\0" + identity, frame
        case [identity, b"", frame]:
            return b"\1" + identity, frame
    raise ProtocolError("BAD_FRAME", f"{len(parts) - 1} frames, wanted one, or an empty one and one")


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: a connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

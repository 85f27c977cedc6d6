"""`Subscriber`: what the broker publishes, in order and without holes, as it comes. PROTOCOL.md section 3.

    for tick in Subscriber("tick.EURUSD"):
        print(tick.stamp.sequence, tick.body["bid"])

A subscription to a whole topic gets its last value at once and then every message; one to a prefix gets a snapshot first. What is
missed is asked for again from the broker's journal. A body is decoded when it is looked at. One subscriber per thread.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import zmq

from bus import config, frames, sockets
from bus.config import Settings
from bus.errors import BusTimeout, ConfigError, ProtocolError
from bus.messages import Publication, Stamp
from clients.events import TICKS, Event, is_snapshot, rows_of, snapshot_events, subscription
from clients.repair import Ended, Repairs, Rows
from clients.replica import Ask, Chunk, Gap, Out, Replica

HELLO, HEARTBEAT = "hulak.hello", "heartbeat"
JOURNALLED = "tick."
LOOK_AGAIN_S = 0.1
TURN = 256  # messages taken in between two looks at the answers to repairs
WAKE_S = 0.25  # the longest an `async for` sleeps between two looks

Mode = Literal["lossless", "latest", "plain"]


class Subscriber:
    """A connection to the broker's publisher.

    Args:
        topics: see `clients.events.subscription`.
        settings: say where the broker is; read from the home folder's file if None.
        home: the broker's folder; `HULAK_HOME` or the user's state folder if None.
        mode: `lossless`: every tick, in order, gaps repaired; `latest`: of each topic the newest only, never the old behind
            it; `plain`: as it comes.
        hold: messages held back per topic while a gap is repaired, at most.
        timeout_s: how long to wait for a broker, in seconds; None for ever.
    Raises:
        BusTimeout: no broker in time.
        ConfigError: a setting or the mode is wrong.
        ProtocolError: `BAD_TOPIC`.
    """

    def __init__(
        self,
        *topics: str,
        settings: Settings | None = None,
        home: Path | None = None,
        mode: Mode = "lossless",
        hold: int = 10_000,
        timeout_s: float | None = None,
    ) -> None:
        if mode not in ("lossless", "latest", "plain"):
            raise ConfigError(f"mode is {mode!r}, must be lossless, latest or plain")
        subscriptions = [subscription(topic) for topic in topics]
        home = home or config.default_home()
        settings = settings or config.load(home)
        where = _find(settings, home, timeout_s)
        self.mode = mode
        self.hold = hold
        self.malformed = 0
        self.gaps: list[tuple[str, Gap]] = []  # the last hundred that could not be repaired
        self.greeted = False
        self.replicas: dict[str, Replica] = {}
        self._joined = False  # a snapshot came: a topic that was not in it begins with 1
        self._out: deque[Event] = deque()
        self._newest: dict[str, Event] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        hwm = settings.broker.subscriber_hwm
        self._socket = sockets.make(self._context, zmq.SUB, rcvhwm=hwm, ipv6=int("[" in where))
        self._repairs = Repairs(self._context, settings, home)
        wanted = [*subscriptions, *([HEARTBEAT.encode() + frames.NUL] if mode == "lossless" else [])]
        self._asked_heartbeat = subscription(HEARTBEAT) in subscriptions
        # Connected first: libzmq sends what was subscribed to before in the order of the alphabet, and hello must be the last.
        self._socket.connect(where)
        for topic in [*wanted, HELLO.encode() + frames.NUL]:
            self._socket.subscribe(topic)

    # A subscriber's life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.poll(None)
            if event is not None:
                yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = self.poll(0)
            if event is not None:
                yield event
            else:
                await self._readable()

    def close(self) -> None:
        """Close the connection."""
        self._context.destroy(linger=0)

    def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has all subscriptions; whatever it publishes from then on arrives here."""
        deadline = time.monotonic() + timeout_s
        while not self.greeted and (left_s := deadline - time.monotonic()) > 0:
            if self._socket.poll(int(left_s * 1000) + 1):
                self._receive()
        return self.greeted

    def counters(self) -> dict[str, int]:
        """Add up what was seen: gaps, messages repaired, lost for ever, and seen twice; and what was malformed."""
        replicas = self.replicas.values()
        return {
            "gaps": sum(one.gaps for one in replicas),
            "repaired": sum(one.repaired for one in replicas),
            "lost": sum(one.lost for one in replicas),
            "duplicates": sum(one.duplicates for one in replicas),
            "malformed": self.malformed,
        }

    def poll(self, timeout_s: float | None) -> Event | None:
        """Return the next event; None if there is none in time.

        Args:
            timeout_s: seconds; 0 looks only, None waits for ever.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._out:
            self._wait(deadline)
            self._receive()
            if self._newest and not self._out:
                self._out.extend(self._newest.values())
                self._newest.clear()
            if not self._out and deadline is not None and time.monotonic() >= deadline:
                return None
        return self._out.popleft()

    def _wait(self, deadline: float | None) -> None:
        due = self._repairs.next_due()
        until = deadline if due is None else due if deadline is None else min(deadline, due)
        left_ms = None if until is None else max(0, int((until - time.monotonic()) * 1000) + 1)
        if deadline is not None and time.monotonic() >= deadline:
            left_ms = 0
        if self._repairs.socket is None:
            self._socket.poll(left_ms)
            return
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._repairs.socket, zmq.POLLIN)
        poller.poll(left_ms)

    async def _readable(self) -> None:
        """Sleep until a socket may have something; `poll(0)` has just found that none has, which arms its descriptor."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        sockets_here = [self._socket, *([self._repairs.socket] if self._repairs.socket is not None else [])]
        descriptors = [int(socket.getsockopt(zmq.FD)) for socket in sockets_here]
        for descriptor in descriptors:
            loop.add_reader(descriptor, woken.set)
        try:
            if not any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in sockets_here):
                async with asyncio.timeout(WAKE_S):
                    await woken.wait()
        except TimeoutError:
            return
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)

    # What comes in

    def _receive(self) -> None:
        """Take in what is there, bounded; malformed messages are counted."""
        receive, socket = sockets.receive_frame, self._socket
        try:
            for _ in range(TURN):
                self._take(receive(socket, sockets.NOBLOCK))
        except zmq.Again:
            pass
        for answer in self._repairs.answers():
            replica = self.replicas[answer.topic]
            if isinstance(answer, Rows):
                self._give_out(answer.topic, replica.replayed(_chunks(answer)))
            elif isinstance(answer, Ended):
                self._give_out(answer.topic, replica.replay_ended(answer.further))
            else:
                self._give_out(answer.topic, replica.too_old(answer.oldest))
        self._repairs.ask_again()

    def _take(self, frame: bytes) -> None:
        try:
            message = frames.decode_publication(frame)
            if message.topic == HELLO:
                self.greeted = True
            elif message.topic == HEARTBEAT and self.mode == "lossless":
                self._hear(message)
            elif is_snapshot(message):
                self._joined = True
                for event in snapshot_events(message):
                    self._follow(event.topic, Chunk(event.stamp.epoch, event.stamp.sequence, [event]))
            elif message.topic == TICKS:
                rows, stamp = rows_of(message), message.stamp
                self._follow(TICKS, Chunk(stamp.epoch, stamp.sequence, rows, stamp.time_ns))
            else:
                event = Event(message.topic, message.stamp, message.body)
                self._follow(message.topic, Chunk(message.stamp.epoch, message.stamp.sequence, [event]))
        except ProtocolError:
            self.malformed += 1

    def _follow(self, topic: str, chunk: Chunk) -> None:
        if self.mode == "latest":
            for event in _events(topic, chunk):
                self._newest[event.unpacked["symbol"] if topic == TICKS else topic] = event
            return
        if self.mode == "plain" or not (topic == TICKS or topic.startswith(JOURNALLED)):
            self._out.extend(_events(topic, chunk))
            return
        self._give_out(topic, self._replica(topic, chunk.first).live(chunk))

    def _replica(self, topic: str, first: int) -> Replica:
        replica = self.replicas.get(topic)
        if replica is None:
            begun_late = self._joined and first > 1 and self.greeted
            replica = self.replicas[topic] = Replica(self.hold, 1 if begun_late else 0)
        return replica

    def _hear(self, message: Publication) -> None:
        told: Any = frames.unpack(message.body)
        if not isinstance(told, dict) or not isinstance(told.get("topics"), dict):
            raise ProtocolError("BAD_BODY", "a heartbeat must be a map with topics")
        for topic, last in told["topics"].items():
            if topic in self.replicas:
                self._give_out(topic, self.replicas[topic].heard(message.stamp.epoch, last))
        if TICKS in self.replicas:
            self._give_out(TICKS, self.replicas[TICKS].heard(message.stamp.epoch, told["ticks"]))
        if self._asked_heartbeat:
            self._out.append(Event(HEARTBEAT, message.stamp, message.body))

    def _give_out(self, topic: str, out: list[Out]) -> None:
        for one in out:
            if isinstance(one, Chunk):
                self._out.extend(_events(topic, one))
            elif isinstance(one, Ask):
                self._repairs.ask(topic, one)
            else:
                self.gaps = [*self.gaps[-99:], (topic, one)]


def _events(topic: str, chunk: Chunk) -> Iterator[Event]:
    if topic != TICKS:
        return iter(chunk.items)
    stamps = (Stamp(chunk.epoch, number, chunk.time_ns) for number in range(chunk.first, chunk.behind))
    return (Event(TICKS, stamp, None, body) for stamp, body in zip(stamps, chunk.items, strict=True))


def _chunks(answer: Rows) -> list[Chunk]:
    """Make chunks of a replay's rows: of `ticks` numbered by the global order, of a topic by its own."""
    chunks = []
    for number, frame in answer.rows:
        message = frames.decode_publication(frame)
        stamp = message.stamp
        if answer.topic == TICKS:
            chunks.append(Chunk(stamp.epoch, number, [frames.unpack(message.body)], stamp.time_ns))
        else:
            chunks.append(Chunk(stamp.epoch, stamp.sequence, [Event(message.topic, stamp, message.body)]))
    return chunks


def _find(settings: Settings, home: Path, timeout_s: float | None) -> str:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while (where := sockets.endpoint(settings.broker, home, "publisher")) is None:
        if deadline is not None and time.monotonic() + LOOK_AGAIN_S > deadline:
            raise BusTimeout(
                f"no broker publishes at {settings.broker.publisher} within {timeout_s:g} s; "
                "start one with `hulak up` or `hulak broker`"
            )
        time.sleep(LOOK_AGAIN_S)
    return where

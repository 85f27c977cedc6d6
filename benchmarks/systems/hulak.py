"""Hulak itself: the real broker process, a real feed, and its consumers. PROTOCOL.md section 3."""

import asyncio
import contextlib
import importlib
import importlib.util
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import structlog
import zmq
from zmq.backend import Socket as Backend

from benchmarks import machine, thin, tick
from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import SETTLES_S, BenchmarkError, Place, Publisher, System, ThinPublisher
from benchmarks.systems.zeromq import NOBLOCK, Read, connect, consume_sockets
from hulak.bus.errors import BusError
from hulak.bus.process import key_files, load_settings
from hulak.bus.process.key_files import AuthorisedKey, BrokerKey, ClientKey
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.ring_transport import Transport
from hulak.bus.wire.codec import NUL, STAMP, feed_frame
from hulak.bus.wire.roles import parse_roles
from hulak.clients.calls.client import BusClient
from hulak.clients.feeds.publisher import ASK_S, TickPublisher
from hulak.clients.subscriber import Subscriber

NAMES = ("collector", "publisher", "frontend", "backend")
TICKS, HELLO = b"ticks" + NUL, b"hulak.hello" + NUL
BEHIND_TICKS = len(TICKS) + STAMP.size
BEHIND_SYMBOL = tick.TOPIC_BYTES + 1 + STAMP.size
WAIT_MS = 50  # between two checks of the board without messages
INSTANCE = 7  # of the thin feed; every cell starts its own broker


class FeedPublisher:
    """The real feed's connection: ticks are numbered and kept until confirmed."""

    def __init__(self, settings: Settings, home: Path) -> None:
        quiet = structlog.make_filtering_bound_logger(50)
        self.publisher = TickPublisher(settings, home, "benchmark", structlog.wrap_logger(None, wrapper_class=quiet))
        self.post = self.publisher.post
        asyncio.run(asyncio.wait_for(self.publisher.connect(), SETTLES_S))
        self.requested_at = time.monotonic()

    def send(self, number: int) -> None:
        """Post a tick, like a feed that has just received it."""
        self.post(tick.make(number), time.time_ns())

    def flush(self) -> None:
        """Send the buffered ticks; request confirmations when due."""
        self.publisher.push()
        if time.monotonic() - self.requested_at >= ASK_S:
            self.requested_at = time.monotonic()
            self.publisher.keep()

    def close(self) -> None:
        """Wait briefly for the last confirmation, and close."""
        deadline = time.monotonic() + 2.0
        while len(self.publisher.link.unconfirmed) and time.monotonic() < deadline:
            self.publisher.keep()
            time.sleep(0.02)
        self.publisher.close()


class UnnumberedPublisher:
    """A PUB socket and nothing else: the smallest possible feed."""

    def __init__(self, endpoint: str) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = context.socket(zmq.PUB)
        self.socket.sndhwm = 200_000
        self.socket.linger = 500
        self.socket.connect(endpoint)

    def send(self, number: int) -> None:
        """Send a tick at once."""
        frame = feed_frame(tick.SYMBOLS[number % tick.KINDS], 0, 0, time.time_ns(), tick.encode(number))
        Backend.send(self.socket, frame)

    def flush(self) -> None:
        """Do nothing: ticks are sent at once."""

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class Hulak(System):
    """The broker with its shipped settings, on free ports, its home in the cell's folder.

    Args:
        place: of the cell.
        take: the consumers' topics: `ticks`, or `symbols`, one subscription for each.
        by: the consumer: `client`, the package's `Subscriber`; `msgpack`, a bare SUB socket and msgpack, following PROTOCOL.md;
            `msgspec`, the same with that decoder; `thin`.
        shared: consumers of one process share one subscription.
        ipc: over files instead of TCP.
        numbered: the real feed; False: an unnumbered one.
        transport: of the package's `Subscriber`.
        keys: by TCP with keys (CURVE); only of the package's own clients.
        polled: consumers wait on what `Subscriber.sockets` lists; False: on the ring, in the first one's `poll_ticks`.
    """

    def __init__(
        self,
        place: Place,
        *,
        take: str = "ticks",
        by: str = "client",
        shared: bool = False,
        ipc: bool = False,
        numbered: bool = True,
        transport: Transport = "socket",
        polled: bool = True,
        keys: bool = False,
    ) -> None:
        super().__init__(place)
        self.take, self.by, self.shared, self.ipc, self.numbered = take, by, shared, ipc, numbered
        self.transport: Transport = transport
        self.polled, self.keys = polled, keys
        self.home = Path(place.folder)
        # A client that finds no socket files connects over TCP.
        self.seen_from = self.home if ipc else self.home / "elsewhere"
        self.addresses = {name: f"tcp://{HOST}:{port}" for name, port in zip(NAMES, place.ports, strict=True)}

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        if self.by == "msgspec" and importlib.util.find_spec("msgspec") is None:
            return "msgspec is not installed (pip install 'hulak[bench]')"
        return None

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        lines = [f'{name} = "{address}"' for name, address in self.addresses.items()]
        if self.keys:
            self._make_keys()
        security = f'[security]\nkey = "{self._key_file}"\n' if self.keys else machine.OPEN
        (self.home / "hulak.toml").write_text("[broker]\n" + "\n".join(lines) + "\n" + security)
        log = self.home / "broker0.log"
        process = machine.start(machine.python("hulak.bus"), log, {"HULAK_HOME": str(self.home)})
        self.processes.append(process)
        with contextlib.suppress(BusError), BusClient(self.settings(), self.seen_from) as client:
            client.call("hulak.ping", timeout_s=SETTLES_S)
            return
        raise BenchmarkError(f"the broker did not start: {log.read_text()[-500:]}")

    def _make_keys(self) -> None:
        """Make the broker's key, and one for all clients."""
        broker, client = key_files.new_pair(), key_files.new_pair()
        key_files.write_broker_key(self.home, BrokerKey(broker.public, broker.secret))
        roles = parse_roles(["feed:*", "subscribe:*", "submit:*", "control"])
        key_files.write_authorised_key(self.home, AuthorisedKey(name="benchmark", public=client.public, roles=roles))
        key = ClientKey(name="benchmark", public=client.public, secret=client.secret, server=broker.public)
        key_files.write_client_key(self._key_file, key)

    @property
    def _key_file(self) -> Path:
        return self.home / "benchmark.secret"

    def settings(self) -> Settings:
        """Load the settings of the broker."""
        return load_settings.load(self.home, self.home / "hulak.toml")

    def endpoint(self, name: str) -> str:
        """Return the address of one of the broker's sockets."""
        return f"ipc://{self.home}/run/{name}.ipc" if self.ipc else self.addresses[name]

    def publisher(self) -> Publisher:
        """Connect a feed."""
        if self.by == "thin":
            return self._thin_publisher()
        if self.numbered:
            return FeedPublisher(self.settings(), self.seen_from)
        return UnnumberedPublisher(self.endpoint("collector"))

    def _thin_publisher(self) -> Publisher:
        """Number the ticks, like a feed in C; nothing is buffered, since the window is smaller than every queue."""
        with BusClient(self.settings(), self.seen_from) as client:
            client.call("hulak.feed", args={"instance": INSTANCE, "oldest": 1}, timeout_s=SETTLES_S)
        stamp = STAMP.pack

        def frame(number: int, topic: bytes, body: bytes) -> bytes:
            return thin.frame(topic + NUL + stamp(INSTANCE, number, time.time_ns()) + body)

        return ThinPublisher(thin.connect_zmtp(self.endpoint("collector"), b"PUB"), frame)

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Run the consumers of the configured kind."""
        if self.by == "thin":
            self._consume_thin(recorders, board)
        elif self.by == "client":
            self._consume_client(recorders, board)
        else:
            self._consume_pyzmq(recorders, board)

    def _consume_pyzmq(self, recorders: Sequence[Recorder], board: Board) -> None:
        topics = [TICKS] if self.take == "ticks" else [topic + NUL for topic in tick.TOPICS]
        where = self.endpoint("publisher")
        plain = _read_ticks if self.take == "ticks" else _read_symbols
        read: Read = _msgspec_reader() if self.by == "msgspec" else plain
        seen = [_Several(recorders)] if self.shared else recorders
        sockets = [connect(where, [*topics, HELLO]) for _ in seen]
        consume_sockets(sockets, seen, board, read, subscribed=False)

    def _consume_client(self, recorders: Sequence[Recorder], board: Board) -> None:
        prefixes = ["ticks"] if self.take == "ticks" else [topic.decode() for topic in tick.TOPICS]
        seen: Sequence[Any] = [_Several(recorders)] if self.shared else recorders
        where: dict[str, Any] = {"settings": self.settings(), "home": self.seen_from, "timeout_s": SETTLES_S}
        subscribers = [Subscriber(*prefixes, **where, transport=self.transport) for _ in seen]
        for subscriber, recorder in zip(subscribers, seen, strict=True):
            subscriber.wait_until_subscribed(SETTLES_S)
            recorder.ready()
        pairs = list(zip(subscribers, seen, strict=True))
        if self.polled:
            _consume_polled(pairs, board)
        else:
            _consume_waiting(pairs, board)

    def _consume_thin(self, recorders: Sequence[Recorder], board: Board) -> None:
        thin.consume(
            lambda: thin.connect_zmtp(self.endpoint("publisher"), b"SUB", [TICKS]), thin.frames(_take_thin), recorders, board
        )


def _consume_polled(pairs: "list[tuple[Subscriber, Any]]", board: Board) -> None:
    poller, whose = zmq.Poller(), {}
    for pair in pairs:
        for socket in pair[0].sockets():
            poller.register(socket, zmq.POLLIN)
            whose[socket] = pair
    while not board.slots[STOP]:
        for socket, _ in poller.poll(WAIT_MS):
            subscriber, recorder = whose[socket]
            ticks = subscriber.poll_ticks(0)
            if ticks:
                recorder.record_objects(ticks)
                recorder.progress()


def _consume_waiting(pairs: "list[tuple[Subscriber, Any]]", board: Board) -> None:
    """Wait in the first subscriber: a record that wakes it is in the ring for all of them."""
    while not board.slots[STOP]:
        wait_s = WAIT_MS / 1000
        for subscriber, recorder in pairs:
            ticks = subscriber.poll_ticks(wait_s)
            wait_s = 0
            if ticks:
                recorder.record_objects(ticks)
                recorder.progress()


class _Several(Recorder):
    """Consumers of one process that share a subscription and its decoding; each records each tick."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self.recorders = recorders

    def ready(self) -> None:
        for recorder in self.recorders:
            recorder.ready()

    def record(self, decoded: Any) -> None:
        for recorder in self.recorders:
            recorder.record(decoded)

    def record_all(self, ticks: Any) -> None:
        for recorder in self.recorders:
            recorder.record_all(ticks)

    def record_objects(self, ticks: Any) -> None:
        for recorder in self.recorders:
            recorder.record_objects(ticks)

    def progress(self) -> None:
        for recorder in self.recorders:
            recorder.progress()


def _read_ticks(socket: Any, recorder: Recorder, most: int) -> None:
    receive, unpack = Backend.recv, msgpack.unpackb
    for _ in range(most):
        frame = receive(socket, NOBLOCK)
        if frame.startswith(TICKS):
            recorder.record_all(unpack(memoryview(frame)[BEHIND_TICKS:]))
        elif frame.startswith(HELLO):
            recorder.ready()


def _read_symbols(socket: Any, recorder: Recorder, most: int) -> None:
    receive, record, unpack = Backend.recv, recorder.record, msgpack.unpackb
    for _ in range(most):
        frame = receive(socket, NOBLOCK)
        if frame.startswith(b"tick."):
            record(unpack(frame[BEHIND_SYMBOL:]))
        elif frame.startswith(HELLO):
            recorder.ready()


def _msgspec_reader() -> Read:
    msgspec: Any = importlib.import_module("msgspec")
    fields = [("symbol", str), ("bid", float), ("ask", float), ("timestamp", int), ("source", str)]
    record: Any = msgspec.defstruct("Tick", fields, gc=False)
    each = msgspec.msgpack.Decoder(record).decode
    several = msgspec.msgpack.Decoder(types.GenericAlias(list, record)).decode

    def read(socket: Any, recorder: Recorder, most: int) -> None:
        receive = Backend.recv
        for _ in range(most):
            frame = receive(socket, NOBLOCK)
            if frame.startswith(TICKS):
                recorder.record_objects(several(memoryview(frame)[BEHIND_TICKS:]))
            elif frame.startswith(b"tick."):
                recorder.record_objects([each(frame[BEHIND_SYMBOL:])])
            elif frame.startswith(HELLO):
                recorder.ready()

    return read


def _take_thin(recorder: Recorder, body: memoryview) -> None:
    header = 1 if body[BEHIND_TICKS] & 0xF0 == 0x90 else 3
    at = BEHIND_TICKS + header
    count = (len(body) - at) // tick.SIZE
    if count:
        recorder.record_packed(body, at, count, tick.SIZE)

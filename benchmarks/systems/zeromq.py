"""PUB and SUB by pyzmq: without a broker, with libzmq's own proxy, and with a proxy that drops ticks."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import zmq
from zmq.backend import Socket as Backend

from benchmarks import thin, tick
from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import HWM, WAKE_S, Place, Publisher, System, ThinPublisher

NOBLOCK, SNDMORE = int(zmq.NOBLOCK), int(zmq.SNDMORE)
DROPS_EVERY = 1000
Read = Callable[[Any, Recorder, int], None]  # receives messages until there are none, or a limit, and records them


class ZmqPublisher:
    """PUB, one send a tick, two frames or one, by pyzmq's backend, without its slow wrapper."""

    def __init__(self, endpoint: str, frames: int, *, bind: bool) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = context.socket(zmq.PUB)
        self.socket.sndhwm = HWM
        self.socket.linger = 500
        self.send = self._send_two if frames == 2 else self._send_one
        if bind:
            self.socket.bind(endpoint)
        else:
            self.socket.connect(endpoint)

    def _send_two(self, number: int) -> None:
        Backend.send(self.socket, tick.TOPICS[number % tick.KINDS], SNDMORE)
        Backend.send(self.socket, tick.encode(number))

    def _send_one(self, number: int) -> None:
        Backend.send(self.socket, tick.TOPICS[number % tick.KINDS] + tick.encode(number))

    def flush(self) -> None:
        """Do nothing: ticks are sent at once."""

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class Plain(System):
    """Topic and body, as two frames or one, from a PUB socket to SUB sockets with a subscription for each symbol.

    Args:
        place: of the cell.
        proxy: with libzmq's proxy between them.
        frames: 2 or 1.
        ipc: over files instead of TCP.
        is_thin: consumers on plain sockets.
    """

    def __init__(self, place: Place, *, proxy: bool = False, frames: int = 2, ipc: bool = False, is_thin: bool = False) -> None:
        super().__init__(place)
        self.proxy, self.frames, self.is_thin = proxy, frames, is_thin
        tcp = [f"tcp://{HOST}:{port}" for port in place.ports]
        self.inward, self.outward = [f"ipc://{place.folder}/{name}" for name in ("in", "out")] if ipc else tcp[:2]

    def start(self) -> None:
        """Start the proxy, if there is one."""
        if self.proxy:
            self.spawn_python("benchmarks.zproxy", self.inward, self.outward)

    def publisher(self) -> Publisher:
        """Bind, or connect to the proxy; on a plain socket if the consumers use them and the proxy allows it."""
        if not self.proxy:
            return ZmqPublisher(self.outward, self.frames, bind=True)
        if self.is_thin and self.frames == 1:
            connection = thin.connect_zmtp(self.inward, b"PUB")
            return ThinPublisher(connection, lambda _, topic, body: thin.frame(topic + body))
        return ZmqPublisher(self.inward, self.frames, bind=False)

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Subscribe to all symbols, one subscription each."""
        if not self.is_thin:
            read = _read_two if self.frames == 2 else _read_one
            consume_sockets([connect(self.outward, tick.TOPICS) for _ in recorders], recorders, board, read)
            return
        topic = 2 + tick.TOPIC_BYTES + (2 if self.frames == 2 else 0)
        first = tick.TOPIC_BYTES if self.frames == 2 else tick.TOPIC_BYTES + tick.SIZE
        head = bytes((self.frames - 1, first)) + b"tick."
        parse = thin.fixed(head, topic, topic + tick.SIZE)
        thin.consume(lambda: thin.connect_zmtp(self.outward, b"SUB", tick.TOPICS), parse, recorders, board)


class Dropping(Plain):
    """A broker that drops each tick whose number is divisible by `DROPS_EVERY`."""

    def start(self) -> None:
        """Start the broker."""
        self.spawn_python("benchmarks.dropping", self.inward, self.outward, str(DROPS_EVERY))

    def publisher(self) -> Publisher:
        """Connect a publisher to the broker."""
        return ZmqPublisher(self.inward, 2, bind=False)


def connect(endpoint: str, topics: Sequence[bytes]) -> "zmq.Socket[bytes]":
    """Connect a SUB socket."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.rcvhwm = HWM
    socket.sndhwm = 0  # of subscriptions
    socket.linger = 0
    for topic in topics:
        socket.subscribe(topic)
    socket.connect(endpoint)
    return socket


def consume_sockets(
    sockets: Sequence["zmq.Socket[bytes]"],
    recorders: Sequence[Recorder],
    board: Board,
    read: Read,
    *,
    subscribed: bool = True,
) -> None:
    """Read the sockets for their recorders in turn until the board's stop flag is set, up to 256 messages at a time.

    Args:
        subscribed: False if `read` reports when the recorder is ready.
    """
    poller, whose = zmq.Poller(), dict(zip(sockets, recorders, strict=True))
    for socket, recorder in whose.items():
        poller.register(socket, zmq.POLLIN)
        if subscribed:
            recorder.ready()
    most = 1  # under load, polling less often saves more than waiting costs
    while not board.slots[STOP]:
        ready = poller.poll(0)
        most = min(most * 2, 256) if ready else 1
        for socket, _ in ready or poller.poll(int(WAKE_S * 1000)):
            recorder = whose[socket]
            with contextlib.suppress(zmq.Again):
                read(socket, recorder, most)
            recorder.progress()


def _read_two(socket: Any, recorder: Recorder, most: int) -> None:
    receive, record, unpack = Backend.recv, recorder.record, msgpack.unpackb
    for _ in range(most):
        receive(socket, NOBLOCK)
        record(unpack(receive(socket, NOBLOCK)))


def _read_one(socket: Any, recorder: Recorder, most: int) -> None:
    receive, record, unpack, at = Backend.recv, recorder.record, msgpack.unpackb, tick.TOPIC_BYTES
    for _ in range(most):
        record(unpack(receive(socket, NOBLOCK)[at:]))

"""Redis and Valkey publish/subscribe: their servers, with redis-py and hiredis, or plain sockets."""

import importlib
import selectors
import socket
from collections.abc import Sequence
from typing import Any

from benchmarks import installed, machine, thin, tick
from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import WAKE_S, Place, Publisher, System, ThinPublisher
from hulak.bus.wire.codec import unpack

HEAD = b"*3\r\n$7\r\nmessage\r\n$%d\r\ntick." % tick.TOPIC_BYTES
AT = len(HEAD) - 5 + tick.TOPIC_BYTES + 2 + len(b"$%d\r\n" % tick.SIZE)


class RedisPublisher:
    """redis-py; buffered ticks are sent as one pipeline."""

    def __init__(self, port: int) -> None:
        self.client: Any = importlib.import_module("redis").Redis(HOST, port, protocol=2)
        self.buffered: list[tuple[bytes, bytes]] = []

    def send(self, number: int) -> None:
        """Buffer a tick for the next pipeline."""
        self.buffered.append((tick.TOPICS[number % tick.KINDS], tick.encode(number)))

    def flush(self) -> None:
        """Publish the buffered ticks, and wait for the answers."""
        if len(self.buffered) == 1:
            self.client.publish(*self.buffered[0])
        elif self.buffered:
            pipeline = self.client.pipeline(transaction=False)
            for topic, body in self.buffered:
                pipeline.publish(topic, body)
            pipeline.execute()
        self.buffered.clear()

    def close(self) -> None:
        """Close the connection."""
        self.flush()
        self.client.close()


class Redis(System):
    """A separate server, without persistence and without a limit on slow subscribers.

    Args:
        place: of the cell.
        server: the program.
        is_thin: publisher and consumers on plain sockets.
    """

    storage: Sequence[str] = ("--appendonly", "no")  # options

    def __init__(self, place: Place, *, server: str = "redis-server", is_thin: bool = False) -> None:
        super().__init__(place)
        self.server, self.is_thin = server, is_thin

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        return installed.missing(self.server, () if self.is_thin else ("redis", "hiredis"))

    def start(self) -> None:
        """Start the server."""
        port, folder = str(self.place.ports[0]), self.place.folder
        words = [installed.program(self.server) or self.server, "--port", port, "--bind", HOST, "--dir", folder, "--save", ""]
        self.spawn([*words, *self.storage, "--client-output-buffer-limit", "pubsub 0 0 0", "--daemonize", "no"])
        machine.connect_tcp(self.place.ports[0]).close()

    def publisher(self) -> Publisher:
        """Connect a client."""
        if not self.is_thin:
            return RedisPublisher(self.place.ports[0])

        def frame(_: int, topic: bytes, body: bytes) -> bytes:
            return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(topic), topic, len(body), body)

        return ThinPublisher(machine.connect_tcp(self.place.ports[0]), frame, answered=True)

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Subscribe to each symbol's channel."""
        if self.is_thin:
            thin.consume(self._subscribed, thin.fixed(HEAD, AT, AT + tick.SIZE + 2), recorders, board)
        else:
            self._consume_client(recorders, board)

    def _subscribed(self) -> socket.socket:
        connection = machine.connect_tcp(self.place.ports[0])
        connection.sendall(b"SUBSCRIBE " + b" ".join(tick.TOPICS) + b"\r\n")
        data = b""
        while not data.endswith(b":%d\r\n" % tick.KINDS):
            data += connection.recv(65_536)
        return connection

    def _consume_client(self, recorders: Sequence[Recorder], board: Board) -> None:
        selector, clients = selectors.DefaultSelector(), []  # an unreferenced client closes its connection
        for recorder in recorders:
            client: Any = importlib.import_module("redis").Redis(HOST, self.place.ports[0], protocol=2)
            clients.append(client)
            subscriber = client.pubsub(ignore_subscribe_messages=True)
            subscriber.subscribe(*tick.TOPICS)
            for _ in tick.TOPICS:
                subscriber.get_message(timeout=5)
            selector.register(subscriber.connection._sock, selectors.EVENT_READ, (subscriber, recorder))  # noqa: SLF001 - redis-py has no other way to wait for several
            recorder.ready()
        while not board.slots[STOP]:
            for key, _ in selector.select(WAKE_S):
                subscriber, recorder = key.data
                while (message := subscriber.get_message(timeout=0)) is not None:
                    recorder.record(unpack(message["data"]))
                recorder.progress()

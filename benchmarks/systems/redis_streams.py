"""Redis and Valkey Streams: one stream with all ticks, on disk (AOF, synced each second), read with XREAD by redis-py.

A tick is confirmed when it is written to the file, as with Hulak, and the entries are numbered. One answer of XREAD holds all
entries since the last one, as one message of Hulak's topic `ticks` does.
"""

import importlib
import selectors
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.board import STOP, Board
from benchmarks.machine import HOST
from benchmarks.recorder import Recorder
from benchmarks.system import WAKE_S, Publisher
from benchmarks.systems.redis import Redis, RedisPublisher
from hulak.bus.wire.codec import unpack

STREAM = "ticks"
MOST_ENTRIES = 200_000  # of the stream, about
MOST_AT_ONCE = 256  # entries of an answer
BLOCK_MS = 1000  # how long the server waits for an entry


class StreamPublisher(RedisPublisher):
    """redis-py; buffered ticks are added as one pipeline, and its answers are the confirmations."""

    def flush(self) -> None:
        """Add the buffered ticks, and wait for the answers."""
        if not self.buffered:
            return
        pipeline = self.client.pipeline(transaction=False)
        for topic, body in self.buffered:
            pipeline.xadd(STREAM, {topic: body}, maxlen=MOST_ENTRIES, approximate=True)
        pipeline.execute()
        self.buffered.clear()


@dataclass
class Reader:
    """One subscriber: its connection, and the last entry that it has."""

    connection: Any
    recorder: Recorder
    last: bytes | str = "0-0"

    def ask(self) -> None:
        """Request the entries after the last one."""
        self.connection.send_command("XREAD", "COUNT", MOST_AT_ONCE, "BLOCK", BLOCK_MS, "STREAMS", STREAM, self.last)

    def read(self) -> None:
        """Read an answer, and request the next one."""
        for _, entries in self.connection.read_response() or ():
            for self.last, (_, body) in entries:
                self.recorder.record(unpack(body))
            self.recorder.progress()
        self.ask()


class RedisStreams(Redis):
    """A separate server with an append-only file."""

    storage = ("--appendonly", "yes", "--appendfsync", "everysec")

    def publisher(self) -> Publisher:
        """Connect a client."""
        return StreamPublisher(self.place.ports[0])

    def consume(self, recorders: Sequence[Recorder], board: Board) -> None:
        """Read the stream, from its beginning on; a blocked XREAD is one of redis-py's connections, without its client."""
        redis: Any = importlib.import_module("redis")
        selector = selectors.DefaultSelector()
        for recorder in recorders:
            connection: Any = redis.Connection(HOST, self.place.ports[0], protocol=2)
            connection.connect()
            reader = Reader(connection, recorder)
            reader.ask()
            selector.register(connection._sock, selectors.EVENT_READ, reader)  # noqa: SLF001 - redis-py has no other way to wait for several
            recorder.ready()
        while not board.slots[STOP]:
            for key, _ in selector.select(WAKE_S):
                key.data.read()

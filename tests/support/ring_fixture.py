"""A ring in the memory of a test, and the rows of ticks that are written into it."""

import mmap
import struct

from hulak.bus.broker.tick_ring import RingWriter
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.subscriber.ring_reader import RingReader
from hulak.bus.wire import ring_format
from hulak.bus.wire.codec import feed_frame, pack
from hulak.bus.wire.ring_format import CLAIM, HEADER_BYTES

SMALL = 4096  # bytes of records


class HookedMemory(mmap.mmap):
    """Memory that runs `hook`, once, after a part of a slice has been copied: as if the reader was stopped within its copy."""

    hook = None

    def __getitem__(self, at):
        if not isinstance(at, slice) or self.hook is None:
            return super().__getitem__(at)
        middle = (at.start + at.stop) // 2
        begun = super().__getitem__(slice(at.start, middle))
        hook, self.hook = self.hook, None
        hook()
        return begun + super().__getitem__(slice(middle, at.stop))


class RingFixture:
    """A writer, and readers of its memory."""

    def __init__(self, capacity=SMALL):
        self.capacity = capacity
        self.memory = HookedMemory(-1, HEADER_BYTES + capacity)
        self.writer = RingWriter(self.memory, capacity)

    def reader(self, *subscriptions, position=0):
        return RingReader(self.memory, self.capacity, position, subscriptions or (b"ticks\0",))

    def write(self, *symbols, turns, **body):
        """Write one turn's ticks; return the frames that the publisher would send."""
        turn = turns.turn(*symbols, **body)
        self.writer.write(ring_format.pack_rows(turn.rows))
        return turn.messages

    def claim(self, position):
        """Set the claim, as a broker that has begun a record up to there."""
        struct.pack_into("<Q", self.memory, 8 * CLAIM, position)


class Turns:
    """The turns of a broker with a ring, and with subscribers to everything."""

    def __init__(self):
        self.topics = TopicLogs(epoch=7, limit=1000)
        self.topics.subscribe(b"")
        self.topics.ring = True
        self.intake = Intake(self.topics, None, max_bytes=1 << 20)
        self.posted = 0

    def turn(self, *symbols, **body):
        """Number one tick of each of these symbols."""
        frames = []
        for symbol in symbols:
            self.posted += 1
            frames.append(feed_frame(symbol, 0, 1, 400, pack({"symbol": symbol, "n": self.posted, **body})))
        return self.intake.turn(frames, 0.0, 1000 + self.posted)


def drained(reader):
    """Read all that is there."""
    frames = []
    while more := reader.read():
        frames += more
    return frames

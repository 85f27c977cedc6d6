"""A journal in memory for replays: segments with their indexes, ticks of two symbols, and a library that counts what is read."""

from request_arguments import read_wanted

from hulak.bus.core.journal.record_format import HEAD_BYTES, Snapshot, encode_tick, record_at
from hulak.bus.core.journal.segment_index import IndexBuilder
from hulak.bus.core.ticks.replay import Replay
from hulak.bus.wire.codec import decode_publication, encode_publication, pack
from hulak.bus.wire.messages import Stamp

SYMBOLS = ("EURUSD", "USDJPY")


class MemorySegment:
    """One segment in memory."""

    compressed = False

    def __init__(self, ticks, frames):
        self.ticks = ticks
        self.data = bytearray(Snapshot(1, "boot", 1, ticks, dict(frames)).encode())

    @property
    def size(self):
        return len(self.data)


class MemorySegments:
    """A library in memory; ticks take turns between the symbols, stamped with their number in ns.

    Args:
        counts: ticks in each segment.
        padding: bytes in each tick's body.
    """

    def __init__(self, *counts, padding=0):
        self.shelves, self.number, self.sequences, self.reads = [], 0, dict.fromkeys(SYMBOLS, 0), 0
        self.places = {}  # number -> segment, offset of its record
        self.indexes, self.asked, self.cut, self.sizes = {}, 0, {}, []
        self.frames = {}
        for count in counts:
            self.shelves.append(MemorySegment(self.number, self.frames))
            for _ in range(count):
                self.write(padding)

    def write(self, padding=0):
        shelf, symbol = self.shelves[-1], SYMBOLS[self.number % len(SYMBOLS)]
        self.number += 1
        self.sequences[symbol] += 1
        stamp = Stamp(1, self.sequences[symbol], self.number)
        self.places[self.number] = (shelf, shelf.size)
        frame = encode_publication(f"tick.{symbol}".encode(), stamp, pack({"bid": self.number, "x": b"x" * padding}))
        self.frames[frame[: frame.index(0) + 1]] = frame
        shelf.data += encode_tick(self.number, 5, self.number, frame)

    def index(self, place):
        """Return the existing index, or a new one of the present file."""
        self.asked += 1
        if id(place) not in self.indexes:
            head = record_at(bytes(place.data), 0)
            builder = IndexBuilder(Snapshot.decode(head.payload) if head else None, place.ticks + 1)
            builder.take(bytes(place.data), 0, last=True)
            self.indexes[id(place)] = builder.index
        return self.indexes[id(place)]

    def work(self, place):
        raise AssertionError("every segment has its index")

    def remember(self, wanted, following, place, at):
        self.cut[wanted.topic, following] = place, at

    def reader(self, place):
        def read(size, offset):
            self.reads += 1
            self.sizes.append(size)
            return bytes(place.data[offset : offset + size])

        return read

    def after(self, place):
        at = self.shelves.index(place)
        return self.shelves[at + 1] if at + 1 < len(self.shelves) else None

    def damage(self, number):
        """Flip a bit in the payload of one tick's record."""
        shelf, offset = self.places[number]
        shelf.data[offset + HEAD_BYTES + 30] ^= 1

    def replay(self, **args):
        """Read to the end; returns the bids and the summary."""
        wanted = read_wanted({"topic": "ticks", **{name.removesuffix("_"): value for name, value in args.items()}})
        last = self.sequences[wanted.topic[5:-1].decode()] if wanted.exact else self.number
        replay = Replay(wanted, self.shelves[0], self.number, last)
        return run(replay, self), replay.summary()


def run(replay, library):
    rows = []
    for _ in range(100_000):
        rows += replay.step(library) or []
        if replay.ended:
            return [decode(row) for row in rows]
    raise AssertionError("it does not end")


def decode(row):
    number, frame = row
    message = decode_publication(frame)
    assert message.stamp.time_ns == number
    return number

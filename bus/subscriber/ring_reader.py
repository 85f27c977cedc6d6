"""A reader of the broker's ring: gives the same frames as the publisher's socket does. PROTOCOL.md section 13.

It copies first and then checks that the broker has not written over the same bytes. A reader that is too slow loses records,
and its router repairs that by the numbers, like messages that a socket has dropped.
"""

import mmap
from collections.abc import Iterable
from itertools import compress

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL
from hulak.bus.wire.names import HEARTBEAT, TICKS
from hulak.bus.wire.ring_format import (
    ALIGNED,
    CLAIM,
    EACH_TICK,
    HEAD,
    HEADER_BYTES,
    NUMBERS,
    PADDING,
    RECORD,
    RECORD_BYTES,
    PickedTicks,
)

MOST_FRAMES = 256  # read at a time, about
MOST_BYTES = 1 << 17  # likewise: decoded ticks then stay in the processor's cache until they are read


class WantedTopics(dict[bytes, bool]):
    """Which topics some subscriptions cover; the answer for a topic is computed once.

    Args:
        subscriptions: topics with their NUL, and prefixes of topics.
    """

    def __init__(self, subscriptions: set[bytes]) -> None:
        exact = {key for key in subscriptions if key.endswith(NUL)}
        super().__init__((key[:-1], True) for key in exact)
        self._prefixes = tuple(set(subscriptions) - exact)

    def __missing__(self, topic: bytes) -> bool:
        wanted = self[topic] = topic.startswith(self._prefixes)
        return wanted


class RingReader:
    """One reader's place in a ring.

    Args:
        memory: the whole file.
        capacity: bytes of records.
        position: where it begins, in bytes ever written.
        subscriptions: to `ticks`, topics of ticks, prefixes of those, and `heartbeat`; other frames are left out.
    """

    def __init__(self, memory: mmap.mmap, capacity: int, position: int, subscriptions: Iterable[bytes]) -> None:
        self.position = position
        self.capacity = capacity
        self.laps = 0  # times that it lost records, since the broker had written over them
        wanted = set(subscriptions)
        self._all, self._beats = TICKS in wanted, HEARTBEAT in wanted
        singles = wanted - {TICKS, HEARTBEAT}
        self._singles = bool(singles)
        self.together = False  # give the ticks of a record together where most of them are wanted, instead of as frames
        self._is_wanted = WantedTopics(singles).__getitem__
        self.memory = memory
        self._words = memoryview(memory)[:HEADER_BYTES].cast("Q")

    @property
    def head(self) -> int:
        """Return how many bytes were ever written."""
        return self._words[HEAD]

    @property
    def has_wrapped(self) -> bool:
        """Return whether the first record has been written over, or soon will be."""
        return self._words[CLAIM] > self.capacity

    def read(self) -> list[bytes | PickedTicks]:
        """Return the frames of the next records, bounded; empty if there are none.

        Raises:
            ProtocolError: `BAD_FRAME`, a record is malformed.
        """
        position, words = self.position, self._words
        head = words[HEAD]
        if position == head:
            return []
        frames: list[bytes | PickedTicks] = []
        memory, capacity, malformed = self.memory, self.capacity, None
        most, end = min(head, position + MOST_BYTES), HEADER_BYTES + capacity
        while position < most and len(frames) < MOST_FRAMES:
            at = HEADER_BYTES + position % capacity
            size, length, ticks, topics = fields = RECORD.unpack_from(memory, at)
            if size == PADDING:
                position += end - at
                continue
            frame_at = at + RECORD_BYTES + EACH_TICK * ticks + topics
            if size % ALIGNED or at + size > end or not 0 < length <= at + size - frame_at:
                malformed = fields
                break
            if self._singles and ticks:
                record = memory[at + RECORD_BYTES : frame_at + length]
                if words[CLAIM] - self.position > capacity:
                    break
                self._pick(record, ticks, topics, frames)
            if self._all if ticks else self._beats:
                frames.append(memory[frame_at : frame_at + length])
            position += size
        if words[CLAIM] - self.position > capacity:  # the copy may be torn
            self.laps += 1
            self.position = words[HEAD]
            return []
        if malformed is not None or position > head:
            raise ProtocolError("BAD_FRAME", f"the record at {position} of the ring is malformed: {malformed}")
        self.position = position
        return frames

    def _pick(self, record: bytes, ticks: int, topics: int, frames: list[bytes | PickedTicks]) -> None:
        """Add the ticks of the wanted topics."""
        frame_at = EACH_TICK * ticks + topics
        if ticks == 1 and record[frame_at - 1] == 0 and not self._is_wanted(record[EACH_TICK : frame_at - 1]):
            return  # most often, if few topics are wanted
        names = record[EACH_TICK * ticks : frame_at].split(NUL)
        if len(names) != ticks + 1:
            raise ProtocolError("BAD_FRAME", f"the ring has a record of {ticks} ticks with {len(names) - 1} topics")
        picks = list(compress(range(ticks), map(self._is_wanted, names)))
        if not picks:
            return
        numbers = NUMBERS(ticks).unpack_from(record)  # all sequences, then all offsets
        frame = record[frame_at:]
        picked = PickedTicks(names, numbers[:ticks], (*numbers[ticks:], len(frame)), picks, frame)
        if self.together and 2 * len(picks) >= ticks:
            frames.append(picked)
        else:
            frames += picked.frames()

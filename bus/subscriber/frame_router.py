"""What a subscriber makes of the frames it gets: PROTOCOL.md sections 3.5 to 3.8 and 7.3. Pure; the sockets are elsewhere.

Frames and answers go in; what is to be given out lies in `out`, what is to be asked of the broker in `asks`. Ticks go through one
`SequenceTracker` per topic. Nearly every frame is the next one of a topic that is well: that way is short, the others
need not be.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from bus.errors import ProtocolError
from bus.subscriber.events import TICKS, Event, is_snapshot, rows_of, snapshot_events
from bus.subscriber.sequence_tracker import Ask, Chunk, Gap, SequenceTracker, TrackerOutput, TrackerState
from bus.wire import codec, lenient
from bus.wire.codec import NUL, STAMP, UNREADABLE
from bus.wire.messages import Publication, Stamp, Tick

STAMP_BYTES = STAMP.size
TICKS_KEY = TICKS.encode() + NUL
HELLO, HEARTBEAT = "hulak.hello", "heartbeat"
JOURNALLED = "tick."
MOST_GAPS = 100  # kept, of those that could not be repaired

Mode = Literal["lossless", "latest", "plain"]


class FrameRouter:
    """Everything one subscriber follows.

    Args:
        mode: see `bus.subscriber.subscriber.Subscriber`.
        hold: messages held back per topic while a gap is repaired, at most.
        subscriptions: what was subscribed to, as sent to the broker.
    """

    def __init__(self, mode: Mode, hold: int, subscriptions: Iterable[bytes]) -> None:
        self.mode = mode
        self.hold = hold
        self.subscriptions = tuple(subscriptions)
        self._exact = frozenset(one for one in self.subscriptions if one.endswith(NUL))
        self._prefixes = tuple({one for one in self.subscriptions if one == b"" or one.endswith(b".")})  # with a snapshot
        self.typed = False  # give out `Tick`s instead of `Event`s
        self.out: deque[Event] = deque()
        self.ticks: list[Tick] = []  # if typed
        self.asks: list[tuple[str, Ask]] = []
        self.gaps: deque[tuple[str, Gap]] = deque(maxlen=MOST_GAPS)
        self.greeted = False
        self.malformed = 0
        self.trackers: dict[str, SequenceTracker] = {}
        self.newest: dict[str, Event] = {}  # in the mode `latest`
        self._keys: dict[bytes, SequenceTracker] = {}  # topic and NUL -> the same trackers

    def take(self, found: Iterable[bytes]) -> None:
        """Take in published frames, in order; those that are malformed are counted."""
        trackers, unpack, decode, live = self._keys, STAMP.unpack_from, codec.read_tick, TrackerState.LIVE
        typed, add = self.typed, self.ticks.append
        for frame in found:
            cut = frame.find(NUL) + 1
            tracker = trackers.get(frame[:cut])
            try:
                if tracker is not None:
                    epoch, number, time_ns = unpack(frame, cut)
                    if number == tracker.expected and epoch == tracker.epoch and tracker.state is live:
                        tracker.expected = number + 1
                        if typed:
                            add(decode(frame[cut + STAMP_BYTES :]))
                        else:
                            stamp, body = Stamp(epoch, number, time_ns), frame[cut + STAMP_BYTES :]
                            self.out.append(Event(frame[: cut - 1].decode(), stamp, body))
                        continue
                elif typed and frame.startswith(TICKS_KEY) and self._took_ticks(frame):
                    continue
                self._take(codec.decode_publication(frame))
            except (ProtocolError, struct.error, *UNREADABLE):
                self.malformed += 1

    def _took_ticks(self, frame: bytes) -> bool:
        """Give out a message of `ticks` if it is the next one, and all is well; else it goes the long way."""
        tracker = self.trackers.get(TICKS)
        if tracker is None or tracker.state is not TrackerState.LIVE:
            return False
        epoch, number, _ = STAMP.unpack_from(frame, len(TICKS_KEY))
        if number != tracker.expected or epoch != tracker.epoch:
            return False
        try:
            found = codec.read_ticks(memoryview(frame)[len(TICKS_KEY) + STAMP_BYTES :])
        except UNREADABLE:
            return False
        tracker.expected = number + len(found)
        self.ticks += found
        return True

    def _take(self, message: Publication) -> None:
        topic, stamp = message.topic, message.stamp
        if topic == TICKS:
            rows = self._ticks(message.body) if self.typed else self._bodies(message)
            self._follow(TICKS, Chunk(stamp.epoch, stamp.sequence, rows, stamp.time_ns))
        elif topic == HELLO:
            self.greeted = True
        elif topic == HEARTBEAT and self.mode == "lossless":
            self._hear(message)
        elif is_snapshot(message):
            for event in snapshot_events(message):
                self._follow(event.topic, Chunk(event.stamp.epoch, event.stamp.sequence, [event]))
        else:
            self._follow(topic, Chunk(stamp.epoch, stamp.sequence, [Event(topic, stamp, message.body)]))

    def _follow(self, topic: str, chunk: Chunk) -> None:
        if self.mode == "latest":
            for event in self._events(topic, chunk):
                self.newest[event.unpacked.get("symbol") if topic == TICKS else topic] = event
        elif self.mode == "plain" or not (topic == TICKS or topic.startswith(JOURNALLED)):
            self._give(topic, chunk)
        else:
            self._done(topic, self._replica(topic, chunk.first).live(chunk))

    def _replica(self, topic: str, first: int) -> SequenceTracker:
        tracker = self.trackers.get(topic)
        if tracker is None:
            begun_late = first > 1 and self._was_new(topic)
            tracker = self._add(topic, SequenceTracker(self.hold, 1 if begun_late else 0))
        return tracker

    def _add(self, topic: str, tracker: SequenceTracker) -> SequenceTracker:
        self.trackers[topic] = tracker
        if topic != TICKS:  # whose messages have many numbers each
            self._keys[topic.encode() + NUL] = tracker
        return tracker

    def _was_new(self, topic: str) -> bool:
        """Tell whether a topic had no message when we joined: else its last one, or a snapshot with it, had come before hello."""
        if not self.greeted or topic == TICKS:
            return False
        key = topic.encode() + NUL
        return key in self._exact or key.startswith(self._prefixes)

    def _hear(self, message: Publication) -> None:
        told: Any = codec.unpack(message.body)
        if not isinstance(told, dict) or not isinstance(told.get("topics"), dict):
            raise ProtocolError("BAD_BODY", "a heartbeat must be a map with topics")
        epoch = message.stamp.epoch
        for topic, last in told["topics"].items():
            tracker = self.trackers.get(topic)
            if tracker is None and topic.startswith(JOURNALLED) and self._was_new(topic):
                tracker = self._add(topic, SequenceTracker(self.hold, 1, epoch, TrackerState.LIVE, given=epoch))
            if tracker is not None:
                self._done(topic, tracker.heard(epoch, last))
        if TICKS in self.trackers:
            self._done(TICKS, self.trackers[TICKS].heard(epoch, told["ticks"]))
        if HEARTBEAT.encode() + NUL in self.subscriptions:
            self.out.append(Event(HEARTBEAT, message.stamp, message.body))

    # What was asked for

    def replayed(self, topic: str, rows: Iterable[Sequence[Any]]) -> None:
        """Take in part of a replay: rows of [number in the one order, frame]."""
        chunks = []
        for number, frame in rows:
            message = codec.decode_publication(frame)
            stamp = message.stamp
            if topic == TICKS:
                item = self._tick(message.body) if self.typed else self._body(message.body)
                chunks.append(Chunk(stamp.epoch, number, [item], stamp.time_ns))
            else:
                chunks.append(Chunk(stamp.epoch, stamp.sequence, [Event(message.topic, stamp, message.body)]))
        self._done(topic, self.trackers[topic].replayed(chunks))

    def replay_ended(self, topic: str, further: int | None) -> None:
        """The replay of a topic ended; the broker wants to be asked again from `further`, or had no more."""
        self._done(topic, self.trackers[topic].replay_ended(further))

    def too_old(self, topic: str, oldest: int, *, begins: bool = False) -> None:
        """The broker has nothing of the topic before `oldest`; `begins` as of `SequenceTracker.too_old`."""
        self._done(topic, self.trackers[topic].too_old(oldest, begins=begins))

    def _done(self, topic: str, out: list[TrackerOutput]) -> None:
        for one in out:
            if isinstance(one, Chunk):
                self._give(topic, one)
            elif isinstance(one, Ask):
                self.asks.append((topic, one))
            else:
                self.gaps.append((topic, one))

    # What goes out

    def _give(self, topic: str, chunk: Chunk) -> None:
        if not self.typed:
            self.out.extend(self._events(topic, chunk))
        elif topic == TICKS:
            whole = self.malformed == 0  # else places may be empty
            self.ticks.extend(chunk.items if whole else [tick for tick in chunk.items if tick is not None])
        elif topic.startswith(JOURNALLED):
            found = [self._tick(one.packed) for one in chunk.items]
            self.ticks.extend(tick for tick in found if tick is not None)

    def _events(self, topic: str, chunk: Chunk) -> Iterator[Event]:
        if topic != TICKS:
            return iter(chunk.items)
        stamps = (Stamp(chunk.epoch, number, chunk.time_ns) for number in range(chunk.first, chunk.behind))
        rows = zip(stamps, chunk.items, strict=True)
        return (Event(TICKS, stamp, None, body) for stamp, body in rows if body is not None)

    def _bodies(self, message: Publication) -> list[Any]:
        try:
            return rows_of(message)
        except ProtocolError:  # one that cannot be read must not cost the others anything
            return [self._body(item) for item in lenient.split(message.body)]

    def _body(self, body: bytes) -> Any:
        """Read the body of one tick; what cannot be read is counted, and leaves its number's place."""
        try:
            return lenient.unpack_anyway(body)
        except ProtocolError:
            self.malformed += 1
            return None

    def _tick(self, body: bytes) -> Tick | None:
        """Read one tick; what is none is counted, and leaves its number's place."""
        try:
            return codec.decode_tick(body)
        except ProtocolError:
            self.malformed += 1
            return None

    def _ticks(self, body: bytes) -> Sequence[Tick | None]:
        try:
            return codec.decode_ticks(body)
        except ProtocolError:  # one that is none must not cost the others anything
            return [self._tick(item) for item in lenient.split(body)]

"""The rules of a subscriber's frames: PROTOCOL.md sections 3.5 to 3.8 and 7.3. Pure; the sockets are elsewhere.

Receives frames and answers; messages in order go to the sink, requests for missing ones to `asks`. Ticks go through one
`SequenceTracker` per topic. Nearly every frame is the next one of a topic without a gap: that path is short, the others need not
be.
"""

import struct
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hulak.bus.errors import Forbidden, ProtocolError
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.subscriber.events import (
    FORBIDDEN,
    GAP,
    TICKS,
    Event,
    body_in_ticks,
    is_of_other_feed_topic,
    is_snapshot,
    read_rows,
    refusal_of,
    snapshot_events,
)
from hulak.bus.subscriber.sequence_tracker import Ask, Chunk, Gap, SequenceTracker, TrackerOutput, TrackerState
from hulak.bus.subscriber.sinks import JOURNALLED, NO_TICKS, OF_TICKS, Sink, TickSink
from hulak.bus.wire import codec, lenient
from hulak.bus.wire.codec import NUL, STAMP, UNREADABLE
from hulak.bus.wire.messages import Publication, Stamp, Tick
from hulak.bus.wire.names import APART
from hulak.bus.wire.ring_format import PickedTicks

STAMP_BYTES = STAMP.size
COPIED = 2048  # bytes of a message of `ticks`; up to these a copy of the body costs less than a view of it
HELLO, HEARTBEAT = "hulak.hello", "heartbeat"
MOST_GAPS = 100  # unrepaired gaps kept
NO_STAMP = Stamp(0, 0, 0)  # of what the broker did not publish


class FrameRouter:
    """The topics of one subscriber.

    Args:
        subscriptions: as sent to the broker.
        sink: receives the messages.
        lossless: ticks are delivered in order and without holes, else as they come.
        hold: messages held back per topic while a gap is repaired, at most.
        logger: receives gaps and lost messages; None for no log.
        gap_events: a gap that cannot be repaired is an event, too, before the first message behind it.
    """

    def __init__(
        self,
        subscriptions: Iterable[bytes],
        sink: Sink,
        *,
        lossless: bool,
        hold: int,
        logger: Logger | None = None,
        gap_events: bool = False,
    ) -> None:
        self._log = logger_of(logger)
        self._gap_events = gap_events
        self.subscriptions = tuple(subscriptions)
        self.sink = sink
        self.lossless = lossless
        self.hold = hold
        self._exact = frozenset(key for key in self.subscriptions if key.endswith(NUL))
        self._prefixes = tuple({key for key in self.subscriptions if key == b"" or key.endswith(b".")})  # with a snapshot
        self._others = [topic for topic in (key[:-1].decode() for key in self._exact) if not topic.startswith(JOURNALLED)]
        self.asks: list[tuple[str, Ask]] = []
        self.refusals: deque[Forbidden] = deque()  # of subscriptions; the owner raises them
        self.gaps: deque[tuple[str, Gap]] = deque(maxlen=MOST_GAPS)
        self.greeted = False
        self.greetings = 0  # hellos that came: one for each connection
        self.malformed = 0
        self.newest: tuple[int, int] | None = None  # number of the last tick in the newest heartbeat, and its epoch
        self.last_sequences: dict[str, int] = {}  # whole topic that is no tick -> its last number, as the newest heartbeat has it
        self.trackers: dict[str, SequenceTracker] = {}
        self._keys: dict[bytes, SequenceTracker] = {}  # topic and NUL -> the same trackers
        self._in_order: SequenceTracker | None = None  # of `ticks`, whose messages have many numbers each

    def counters(self) -> dict[str, int]:
        """Return the counts: gaps, repaired messages, lost messages, duplicates, and malformed messages."""
        trackers = self.trackers.values()
        return {
            "gaps": sum(tracker.gaps for tracker in trackers),
            "repaired": sum(tracker.repaired for tracker in trackers),
            "lost": sum(tracker.lost for tracker in trackers),
            "duplicates": sum(tracker.duplicates for tracker in trackers),
            "malformed": self.malformed,
        }

    # Publications

    def take(self, frames: Iterable[bytes]) -> None:
        """Process published frames, in order; malformed ones are counted."""
        trackers, unpack, live = self._keys, STAMP.unpack_from, TrackerState.LIVE
        decode, decode_all = codec.read_tick, codec.read_ticks if self.sink.decoded else read_rows
        append, extend = self.sink.append, self.sink.extend
        typed = extend is not None
        for frame in frames:
            cut = frame.find(NUL) + 1
            tracker = trackers.get(frame[:cut])
            try:
                if tracker is not None:
                    epoch, number, time_ns = unpack(frame, cut)
                    if number == tracker.expected and epoch == tracker.epoch and tracker.state is live:
                        if tracker is not self._in_order:
                            tracker.expected = number + 1
                            body = frame[cut + STAMP_BYTES :]
                            append(
                                decode(body) if typed else Event(frame[: cut - 1].decode(), Stamp(epoch, number, time_ns), body)
                            )
                            continue
                        whole = frame if len(frame) <= COPIED else memoryview(frame)
                        try:
                            items = decode_all(whole[cut + STAMP_BYTES :])
                        except (ProtocolError, *UNREADABLE):
                            items = None  # one of them is none: they are read one by one
                        if items is not None:
                            tracker.expected = number + len(items)
                            if extend is not None:
                                extend(items)
                            elif items:
                                self.sink.give(TICKS, Chunk(epoch, number, items, time_ns))
                            continue
                self._take(codec.decode_publication(frame))
            except (ProtocolError, struct.error, *UNREADABLE):
                self.malformed += not (typed and frame.startswith(NO_TICKS))  # no fault where ticks alone are wanted

    @property
    def gives_ticks(self) -> bool:
        """Return whether ticks of single topics are delivered as values."""
        return self.sink.extend is not None

    def take_records(self, records: Collection[bytes | PickedTicks]) -> int:
        """Process what a ring's records have, in order: frames, and ticks of single topics; return the number of both."""
        frames: list[bytes] = []
        for record in records:
            if type(record) is bytes:
                frames.append(record)
                continue
            self.take(frames)
            frames = []
            self._take_picked(record)  # type: ignore[arg-type]
        self.take(frames)
        return len(records)

    def _take_picked(self, picked: PickedTicks) -> None:
        """Process ticks that came together: decoded at once, and in order as long as each is the next one of its topic."""
        try:
            ticks = codec.read_ticks(picked.body)
        except UNREADABLE:
            ticks = []
        if len(ticks) != len(picked.sequences):  # one of them is none: they are read one by one
            self.take(picked.frames())
            return
        names, sequences, epoch = picked.names, picked.sequences, picked.epoch
        trackers, append, live = self._keys, self.sink.append, TrackerState.LIVE
        for place, at in enumerate(picked.picks):
            tracker = trackers.get(names[at] + NUL)
            number = sequences[at]
            if tracker is None or number != tracker.expected or epoch != tracker.epoch or tracker.state is not live:
                self.take(picked.frames(place))
                return
            tracker.expected = number + 1
            append(ticks[at])

    def _take(self, message: Publication) -> None:
        topic, stamp = message.topic, message.stamp
        if topic == HELLO:
            self.greeted = True
            self.greetings += 1
        elif topic == HEARTBEAT and self.lossless:
            self._heartbeat(message)
        elif (refusal := refusal_of(message)) is not None:
            self.refusals.append(refusal)
        elif topic == TICKS:
            decoded = self.sink.decoded
            rows = self._ticks(message.body) if decoded else self._bodies(message)
            self._follow(TICKS, Chunk(stamp.epoch, stamp.sequence, rows, stamp.time_ns, decoded and None in rows))
        elif is_snapshot(message):
            for event in snapshot_events(message):
                self._follow(event.topic, self._alone(event))
        else:
            self._follow(topic, self._alone(Event(topic, stamp, message.body)))

    def _alone(self, event: Event) -> Chunk:
        """Return the chunk of one message."""
        item: Any = event
        if self.sink.extend is not None and event.topic.startswith(OF_TICKS):
            item = self._tick(_packed(event))
        return Chunk(event.stamp.epoch, event.stamp.sequence, [item], holes=item is None)

    def _follow(self, topic: str, chunk: Chunk) -> None:
        if self.lossless and chunk.epoch and (topic == TICKS or topic.startswith(JOURNALLED)):
            self._done(topic, self._replica(topic, chunk.first).live(chunk))
        else:
            self.sink.give(topic, chunk)

    def _replica(self, topic: str, first: int) -> SequenceTracker:
        tracker = self.trackers.get(topic)
        if tracker is None:
            begun_late = first > 1 and self._was_new(topic)
            tracker = self._add(topic, SequenceTracker(self.hold, 1 if begun_late else 0))
        return tracker

    def _add(self, topic: str, tracker: SequenceTracker) -> SequenceTracker:
        self.trackers[topic] = tracker
        key = topic.encode() + NUL
        if not (self.gives_ticks and key.startswith(APART)):  # a body like a tick's is none there
            self._keys[key] = tracker
        if topic == TICKS:
            self._in_order = tracker
        return tracker

    def _was_new(self, topic: str) -> bool:
        """Return whether a topic had no message at joining: else its last one, alone or in a snapshot, had come before hello."""
        if not self.greeted or topic == TICKS:
            return False
        key = topic.encode() + NUL
        return key in self._exact or key.startswith(self._prefixes)

    def _heartbeat(self, message: Publication) -> None:
        body: Any = codec.unpack(message.body)
        if isinstance(body, dict) and body.get("code") == FORBIDDEN:
            if HEARTBEAT in self._others:
                self.refusals.append(Forbidden(str(body.get("text", "")), {"prefix": HEARTBEAT}))
            return
        if not isinstance(body, dict) or not isinstance(body.get("topics"), dict):
            raise ProtocolError("BAD_BODY", "a heartbeat must be a map with topics")
        epoch = message.stamp.epoch
        for topic, last in body["topics"].items():
            tracker = self.trackers.get(topic)
            if tracker is None and topic.startswith(JOURNALLED) and self._was_new(topic):
                tracker = self._add(topic, SequenceTracker(self.hold, 1, epoch, TrackerState.LIVE, given=epoch))
            if tracker is not None:
                self._done(topic, tracker.heartbeat(epoch, last))
        if TICKS in self.trackers:
            self._done(TICKS, self.trackers[TICKS].heartbeat(epoch, body["ticks"]))
        self.newest = body["ticks"], epoch
        self.last_sequences.update((topic, body["topics"][topic]) for topic in self._others if topic in body["topics"])
        if HEARTBEAT in self._others:
            self.sink.give(HEARTBEAT, self._alone(Event(HEARTBEAT, message.stamp, message.body)))

    # History

    @property
    def keyed(self) -> Mapping[bytes, SequenceTracker]:
        """Return the trackers by their topics' keys, which end with NUL."""
        return self._keys

    def begin(self, topic: str, expected: int, epoch: int) -> SequenceTracker:
        """Add the tracker of a topic whose messages before a number were delivered, or are not wanted."""
        return self._add(topic, SequenceTracker(self.hold, expected, epoch, TrackerState.LIVE, given=epoch))

    def take_event(self, event: Event) -> None:
        """Process one message, or one row of a snapshot."""
        self._follow(event.topic, self._alone(event))

    # Answers to requests

    def replayed(self, topic: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of a replay: [number in the global order, frame]."""
        chunks = []
        for number, frame in rows:
            message = codec.decode_publication(frame)
            stamp = message.stamp
            if topic == TICKS:
                body = body_in_ticks(frame, message.body)
                item = self._tick(body) if self.sink.decoded else self._body(body)
                chunks.append(Chunk(stamp.epoch, number, [item], stamp.time_ns, item is None))
            else:
                chunks.append(self._alone(Event(message.topic, stamp, message.body)))
        self._done(topic, self.trackers[topic].replayed(chunks))

    def replay_ended(self, topic: str, further: int | None) -> None:
        """End the replay of a topic; the broker continues at `further` if it is asked again, or has no more if None."""
        self._done(topic, self.trackers[topic].replay_ended(further))

    def too_old(self, topic: str, oldest: int, *, begins: bool = False) -> None:
        """Skip the messages before `oldest`, which the broker does not have; `begins`: see `SequenceTracker.too_old`."""
        self._done(topic, self.trackers[topic].too_old(oldest, begins=begins))

    def _done(self, topic: str, out: list[TrackerOutput]) -> None:
        for output in out:
            if isinstance(output, Chunk):
                self.sink.give(topic, output)
            elif isinstance(output, Ask):
                self.asks.append((topic, output))
                self._log.info("replay requested", topic=topic, first=output.first, last=output.last)
            else:
                self.lose(topic, output)

    def lose(self, topic: str, gap: Gap) -> None:
        """Report messages that are lost."""
        self.gaps.append((topic, gap))
        self._log.warning("messages lost", topic=topic, first=gap.first, last=gap.last, why=gap.why)
        if self._gap_events and self.sink.extend is None:
            body = {"topic": topic, "first": gap.first, "last": gap.last, "why": gap.why}
            self.sink.append(Event(GAP, NO_STAMP, None, body))

    def rest(self) -> None:
        """Drop what is held back and requested: the connection is given up."""
        self.greeted, self.newest = False, None
        self.asks.clear()
        for tracker in self.trackers.values():
            tracker.rest()

    def give_ticks_to(self, sink: TickSink, waiting: Iterable[Event]) -> None:
        """Deliver ticks as values from now on; also the waiting and held messages, which are decoded."""
        self.sink = sink
        for key in [key for key in self._keys if key.startswith(APART)]:
            del self._keys[key]
        for event in waiting:
            if event.topic == TICKS or event.topic.startswith(OF_TICKS):
                sink.give(event.topic, self._typed(Chunk(event.stamp.epoch, event.stamp.sequence, [event])))
        for tracker in self.trackers.values():
            tracker.held = deque(self._typed(chunk) for chunk in tracker.held)

    def _typed(self, chunk: Chunk) -> Chunk:
        items = [None if item is None else self._tick(_packed(item)) for item in chunk.items]
        return Chunk(chunk.epoch, chunk.first, items, chunk.time_ns, None in items)

    # Bodies

    def _bodies(self, message: Publication) -> list[Any]:
        try:
            return read_rows(message.body)
        except ProtocolError:  # a malformed one must not affect the others
            return [self._body(item) for item in lenient.split(message.body)]

    def _body(self, body: bytes) -> Any:
        """Decode the body of one tick; a malformed one is counted, and None holds its number's place."""
        try:
            return lenient.unpack_anyway(body)
        except ProtocolError:
            self.malformed += 1
            return None

    def _tick(self, body: bytes) -> Tick | None:
        """Decode one tick; a malformed one is counted. None holds its number's place; likewise that of a trade or a market."""
        try:
            return codec.decode_tick(body)
        except ProtocolError:
            self.malformed += not is_of_other_feed_topic(body)
            return None

    def _ticks(self, body: bytes) -> Sequence[Tick | None]:
        try:
            return codec.decode_ticks(body)
        except ProtocolError:  # a malformed one must not affect the others
            return [self._tick(item) for item in lenient.split(body)]


def _packed(item: Any) -> bytes:
    """Return the packed body of an event, or of a row of `ticks`."""
    if not isinstance(item, Event):
        return codec.pack(item)
    return codec.pack(item.unpacked) if item.packed is None else item.packed

"""The ticks of the journal on their way to a subscriber's sink, with its trackers kept at the last one delivered. Pure.

The journal's order is the truth: a row sets its topic's tracker, whatever its epoch. Once all rows were delivered, the trackers
continue with the live messages where the journal ended.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from hulak.bus.subscriber.events import TICKS, Event, body_in_ticks, is_of_other_feed_topic
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sequence_tracker import Gap, SequenceTracker
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP, UNREADABLE
from hulak.bus.wire.messages import Stamp
from hulak.bus.wire.names import APART, JOURNALLED, OWN_TOPICS
from hulak.bus.wire.names import TICKS as TICKS_KEY
from hulak.bus.wire.own_names import covers_own_topics
from hulak.bus.wire.replay_range import common_prefix

STAMP_BYTES = STAMP.size
NOT_THERE = "the journal does not have them"
MOST_TOPICS, MOST_TOPIC_BYTES = 10_000, 100_000  # named in one request; else their common prefixes are


class TickTopics:
    """The ticks that subscriptions cover.

    Args:
        subscriptions: as sent to the broker.
    """

    def __init__(self, subscriptions: Iterable[bytes]) -> None:
        keys = tuple(subscriptions)
        self.as_one = any(TICKS_KEY.startswith(key) for key in keys)  # by the topic `ticks`
        single = [key for key in keys if key.startswith(JOURNALLED) or any(root.startswith(key) for root in JOURNALLED)]
        self._exact = frozenset(key for key in single if key.endswith(NUL))
        self._prefixes = tuple(key for key in single if not key.endswith(NUL))
        self.singly = bool(single)  # by the topics of symbols
        self._single = single
        self._own = [key or OWN_TOPICS for key in single if covers_own_topics(key)]

    def __bool__(self) -> bool:
        return self.as_one or self.singly

    def __contains__(self, key: bytes) -> bool:
        """Return whether the topic of a symbol, with its NUL, is covered."""
        return key in self._exact or key.startswith(self._prefixes)

    @property
    def only(self) -> str | None:
        """Return the topic whose own sequences a number means; None: it is of the global order."""
        single = self._single
        return single[0][:-1].decode() if not self.as_one and len(single) == 1 and single[0].endswith(NUL) else None

    def names(self) -> list[str]:
        """Return the topics and prefixes to request from the journal."""
        single = self._own if self.as_one else self._single  # with `ticks` own topics are named, for their bodies
        if len(single) > MOST_TOPICS or sum(map(len, single)) > MOST_TOPIC_BYTES:
            # Of each root for itself: a key's roles may cover these, and not what they have in common.
            of_roots = [[key for key in single if key.startswith(root)] for root in JOURNALLED]
            above = [key for key in single if not key.startswith(JOURNALLED)]
            single = [*above, *map(common_prefix, filter(None, of_roots))]
        named = [key[:-1].decode() if key.endswith(NUL) else f"{key.decode()}*" for key in single]
        return [TICKS, *named] if self.as_one else named


class HistoryRows:
    """Delivers rows of the journal, each number once.

    Args:
        router: of the subscriber; has the sink and the trackers.
        topics: the ticks that are wanted.
    """

    def __init__(self, router: FrameRouter, topics: TickTopics) -> None:
        self.next = 0  # number of the next row in the global order; 0: any
        self.epoch = 0  # of the row before
        self.time_ns = 0  # of its stamp
        self._router = router
        self._topics = topics

    def take(self, rows: Iterable[Sequence[Any]]) -> None:
        """Deliver rows, [number in the global order, frame], in order; rows that were delivered before are skipped."""
        router, topics, unpack = self._router, self._topics, STAMP.unpack_from
        sink, keyed, as_one, singly = router.sink, router.keyed, topics.as_one, topics.singly
        whole = router.trackers.get(TICKS)
        append, typed = sink.append, sink.extend is not None
        for number, frame in rows:
            cut = frame.find(NUL) + 1
            epoch, sequence, time_ns = unpack(frame, cut)
            if number != self.next and not self._is_new(number, epoch):
                continue
            self.next, self.epoch, self.time_ns = number + 1, epoch, time_ns
            if typed and frame.startswith(APART):
                continue
            body = frame[cut + STAMP_BYTES :]
            if as_one and not (whole is not None and _was_delivered(whole, number, epoch)):
                as_tick = body_in_ticks(frame, body)
                self._put(as_tick) if typed else append(Event(TICKS, Stamp(epoch, number, time_ns), as_tick))
            if singly and (tracker := keyed.get(frame[:cut]) or self._begun(frame[:cut], sequence)) is not None:
                if sequence != tracker.expected:
                    if _was_delivered(tracker, sequence, epoch):
                        continue
                    self._jump(frame[: cut - 1].decode(), tracker, sequence, epoch)
                tracker.expected, tracker.epoch = sequence + 1, epoch
                if not typed:
                    append(Event(frame[: cut - 1].decode(), Stamp(epoch, sequence, time_ns), body))
                else:
                    self._put(body)

    def skip(self, number: int, why: str) -> None:
        """Continue at a later number, since the journal does not have those before it; of single topics not all of them count."""
        if 0 < self.next < number:
            if self._topics.as_one:
                self._lose(TICKS, self.numbers(), number - 1, why)
            else:
                self._router.lose(TICKS, Gap(self.next, number - 1, why))
        self.next = max(self.next, number)

    def numbers(self) -> SequenceTracker:
        """Return the tracker of `ticks`, at the next number."""
        tracker = self._router.trackers.get(TICKS)
        if tracker is None:
            tracker = self._router.begin(TICKS, self.next, self.epoch)
        tracker.expected, tracker.epoch = self.next, self.epoch
        return tracker

    def _is_new(self, number: int, epoch: int) -> bool:
        """Return whether to deliver a row that is not the next one; report what it shows to be lost."""
        if number >= self.next:
            if self._topics.as_one:
                self.skip(number, NOT_THERE)
            return True
        if epoch <= self.epoch:
            return False
        if self._topics.as_one:
            self._router.lose(TICKS, Gap(number, self.next - 1, f"epoch {epoch} began without them, and uses them again"))
        return True

    def _begun(self, key: bytes, sequence: int) -> SequenceTracker | None:
        return self._router.begin(key[:-1].decode(), sequence, 0) if key in self._topics else None

    def _jump(self, topic: str, tracker: SequenceTracker, sequence: int, epoch: int) -> None:
        if sequence > tracker.expected:
            self._lose(topic, tracker, sequence - 1, NOT_THERE)
        else:
            why = f"epoch {epoch} began without them, and uses them again"
            self._router.lose(topic, Gap(sequence, tracker.expected - 1, why))

    def _lose(self, topic: str, tracker: SequenceTracker, last: int, why: str) -> None:
        tracker.lost += last - tracker.expected + 1
        self._router.lose(topic, Gap(tracker.expected, last, why))

    def _put(self, body: bytes) -> None:
        """Deliver a tick as a value; a malformed one is counted."""
        try:
            self._router.sink.append(codec.read_tick(body))
        except UNREADABLE:
            self._router.malformed += not is_of_other_feed_topic(body)


def _was_delivered(tracker: SequenceTracker, number: int, epoch: int) -> bool:
    """Return whether a topic's message was delivered by an earlier connection, or by an earlier history."""
    return number < tracker.expected and epoch <= tracker.epoch

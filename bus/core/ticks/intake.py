"""What the broker takes from feeds, and in which order: PROTOCOL.md section 3.4. Pure.

A numbered feed (instance above 0) is taken strictly in order: what came already is passed over, what comes too early is
refused, and the feed sends it again. An unnumbered one is taken as it comes.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hulak.bus.core.journal.record_format import Batch, decode_tick, encode_tick
from hulak.bus.core.ticks.shared_topics import SharedTopics
from hulak.bus.core.ticks.tick_bodies import check_tick, read_quote
from hulak.bus.core.ticks.topic_logs import TopicLog, TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import MAX_TOPIC, NUL, STAMP, UNREADABLE, array_header, check_topic
from hulak.bus.wire.names import OWNED_BY_DISPLAYS, OWNED_BY_FEEDS, TICKS

STAMP_BYTES = STAMP.size
Accepted = tuple[TopicLog, bytes, int, int, int]  # log, body, instance, running number, the feed's time in ns
SHORTEST = 1 + STAMP_BYTES + 1  # NUL, stamp, one byte of body
MOST_NAMED = 20  # topics of one instance whose messages were refused
KEPT_S = 3600.0  # an instance that sent something is not forgotten for so long


@dataclass(slots=True)
class Source:
    """One instance of a feed, as far as the broker has taken it."""

    instance: int
    last: int  # running number of the last message taken
    safe: int = 0  # running number of the last message in the journal: what the feed need not keep
    duplicates: int = 0
    early: int = 0  # refused since one before them is missing
    refused: int = 0  # messages, since it asked first
    refusals: dict[str, str] = field(default_factory=dict)  # topic -> the code of its first refusal; of `MOST_NAMED` topics
    sent: float = -math.inf  # when something of it was last taken or, in order, refused; monotonic seconds


@dataclass(slots=True)
class IntakeTurn:
    """What one turn of the loop made of the frames it found."""

    messages: list[bytes]  # to publish, in order
    batch: Batch  # for the journal, to be written before
    instances: set[int]  # numbered feeds of which something was taken or, in order, refused
    taken: int
    lag_ns: int | None  # from the feed's stamp to ours, of the turn's last tick; None if there was none


class Intake:
    """Turns feeds' frames into numbered messages.

    Args:
        topics: where they are numbered and kept.
        reject: told each frame that is refused, as a `ProtocolError`.
        max_bytes: of one frame.
        take_state: numbers what a display worker published, see `DisplayStates.take`; without it, no display is known.
        max_sources: instances remembered; the one silent for longest is forgotten for one more.
    """

    def __init__(
        self,
        topics: TopicLogs,
        reject: Callable[[ProtocolError], None],
        *,
        max_bytes: int,
        max_sources: int = 1024,
        take_state: Callable[[bytes, int], bytes | None] | None = None,
    ) -> None:
        self.topics = topics
        self.reject = reject
        self.max_bytes = max_bytes
        self.max_sources = max_sources
        self.sources: dict[int, Source] = {}  # the one that last asked is the last
        self._moved: set[int] = set()  # instances that this turn took or refused something of
        self.take_state = take_state
        self.rivals = SharedTopics()
        self.unopened = 0  # messages of instances that had not asked `hulak.feed` yet

    def open(self, instance: int, oldest: int, now: float) -> Source:
        """A feed says what is the oldest message it can still send; the answer is how far we have taken it.

        Args:
            instance: from 1.
            oldest: running number from which on the feed can send (again).
            now: monotonic seconds.
        Raises:
            ProtocolError: `BUSY`, it is one more than are remembered, and all of them sent something within the hour.
        """
        source = self.sources.pop(instance, None)
        if source is None:
            self._make_room(now)
            source = Source(instance, oldest - 1)
        self.sources[instance] = source
        source.last = max(source.last, oldest - 1)
        source.safe = max(source.safe, oldest - 1)
        return source

    def _make_room(self, now: float) -> None:
        """Forget the instance that asked least recently; never one that has sent within the hour: it would be taken twice."""
        if len(self.sources) < self.max_sources:
            return
        for instance, source in self.sources.items():
            if now - source.sent >= KEPT_S:
                del self.sources[instance]
                return
        raise ProtocolError("BUSY", f"{self.max_sources} feeds have sent something within the hour, no more are remembered")

    def turn(self, frames: list[bytes], now: float, time_ns: int) -> IntakeTurn:
        """Number what is in order and well formed; everything else is counted or refused.

        Args:
            frames: as the collector received them.
            now: monotonic seconds.
            time_ns: ns since 1970 UTC, stamped on all of them.
        """
        accepted: list[Accepted] = []
        states: list[bytes] = []
        logs, sources, unpack, longest = self.topics.fed, self.sources, STAMP.unpack_from, self.max_bytes
        add, moved = accepted.append, 0
        for frame in frames:
            # The way of nearly every tick: a known topic, a numbered feed, the next number. The others: `_take_other`.
            cut = frame.find(NUL) + 1
            log = logs.get(frame[:cut])
            if log is not None and cut + STAMP_BYTES < len(frame) <= longest:
                instance, number, fed_ns = unpack(frame, cut)
                source = sources.get(instance)
                if source is not None and number == source.last + 1:
                    source.last = number
                    if instance != moved:
                        self._moved.add(instance)
                        moved = instance
                    add((log, frame[cut + STAMP_BYTES :], instance, number, fed_ns))
                    continue
            self._take_other(frame, time_ns, accepted, states)
        accepted = self._well_formed(accepted)
        messages, batch = self._number(accepted, time_ns)
        fed_ns = 0
        if accepted:
            fed_ns = accepted[-1][4]
            # Who posted is looked at for one tick, taken as if at random: feeds that share a topic do so again and again.
            one = accepted[time_ns // 1000 % len(accepted)]
            if one[2] != one[0].instance:
                self.rivals.turn(one[0], one[2], now)
        instances, self._moved = self._moved, set()
        for instance in instances:
            sources[instance].sent = now
        return IntakeTurn(messages + states, batch, instances, len(accepted), time_ns - fed_ns if fed_ns else None)

    def journalled(self, instances: Iterable[int]) -> None:
        """Note that everything these feeds have had taken so far is in the journal."""
        for instance in instances:
            source = self.sources.get(instance)
            if source is not None:
                source.safe = source.last

    def stamp_again(self, turn: IntakeTurn) -> None:
        """Put the topics' present epoch into what a turn has made: messages, records, and its topics' last frames."""
        frames, logs, turn.batch.epoch = turn.messages, self.topics.logs, self.topics.epoch
        records = [decode_tick(record) for record in turn.batch.records]
        turn.messages = [self._under_present(frame) for frame in frames]
        turn.batch.records = [
            encode_tick(number, instance, running, self._under_present(frame)) for number, instance, running, frame in records
        ]
        for frame in (*frames, *(frame for *_, frame in records)):
            log = logs.get(frame[: frame.index(NUL) + 1])
            if log is not None and log.frame == frame:
                log.frame = self._under_present(frame)

    def _under_present(self, frame: bytes) -> bytes:
        cut = frame.index(NUL) + 1
        _, sequence, time_ns = STAMP.unpack_from(frame, cut)
        return frame[:cut] + STAMP.pack(self.topics.epoch, sequence, time_ns) + frame[cut + STAMP_BYTES :]

    def _take_other(self, frame: bytes, time_ns: int, accepted: list[Accepted], states: list[bytes]) -> None:
        try:
            if self.take_state is not None and frame.startswith(OWNED_BY_DISPLAYS):
                state = self.take_state(frame, time_ns)
                states += [state] if state is not None else []
            else:
                found = self._accept(frame)
                accepted += [found] if found is not None else []
        except ProtocolError as error:
            self._refuse(frame, error)

    def _refuse(self, frame: bytes, error: ProtocolError) -> None:
        """Tell of a frame that is refused, its feed too: it would wait for an answer for ever."""
        self.reject(error)
        topic, _, stamp = frame.partition(NUL)
        source = self.sources.get(STAMP.unpack_from(stamp)[0]) if len(stamp) >= STAMP_BYTES else None
        if source is not None:
            source.refused += 1
            if len(source.refusals) < MOST_NAMED:
                source.refusals.setdefault(topic[:MAX_TOPIC].decode("ascii", "replace"), error.code)

    def _accept(self, frame: bytes) -> "Accepted | None":
        cut = frame.find(NUL) + 1
        if not cut or len(frame) - cut < SHORTEST - 1:
            raise ProtocolError("BAD_FRAME", f"{len(frame)} bytes, wanted topic, NUL, {STAMP_BYTES} bytes, body")
        instance, number, fed_ns = STAMP.unpack_from(frame, cut)
        if instance and not self._in_order(instance, number):
            return None
        # Its number is taken from here on, even if it is refused: else the feed would send it again for ever.
        if len(frame) > self.max_bytes:
            raise ProtocolError("TOO_LARGE", f"a tick of {len(frame)} bytes, must be at most {self.max_bytes}")
        body = frame[cut + STAMP_BYTES :]
        log = self.topics.fed.get(frame[:cut])
        if log is None:
            log = self._new_topic(frame[:cut], body)
        return log, body, instance, number, fed_ns

    def _new_topic(self, key: bytes, body: bytes) -> TopicLog:
        """Start a topic, but not for a body that is refused."""
        if not key.startswith(OWNED_BY_FEEDS):
            raise ProtocolError("NOT_YOURS", f"topic {key[:-1][:40]!r} is not a feed's, must begin with 'tick.'")
        check_topic(key[:-1])
        check_tick(key[len(OWNED_BY_FEEDS) : -1].decode(), body)
        return self.topics.log(key)

    def _in_order(self, instance: int, number: int) -> bool:
        source = self.sources.get(instance)
        if source is None:
            self.unopened += 1  # it asks hulak.feed first, or we were restarted: either way it sends this again
            return False
        if number == source.last + 1:
            source.last = number
            self._moved.add(instance)  # even if it is refused: the feed need not keep it
            return True
        if number <= source.last:
            source.duplicates += 1
        else:
            source.early += 1
        return False

    def _well_formed(self, accepted: list[Accepted]) -> list[Accepted]:
        """The quickest look at all bodies that there is; one by one only if it does not find all of them well."""
        read = read_quote
        try:
            for one in accepted:
                if read(one[1]).symbol != one[0].symbol:
                    break
            else:
                return accepted
        except UNREADABLE:
            pass
        return [one for one in accepted if self._is_well(one)]

    def _is_well(self, one: Accepted) -> bool:
        log, body, instance, number, _ = one
        try:
            check_tick(log.symbol, body)
        except ProtocolError as error:
            self._refuse(log.key + STAMP.pack(instance, number, 0), error)
            return False
        return True

    def _number(self, accepted: list[Accepted], time_ns: int) -> tuple[list[bytes], Batch]:
        topics, stamp_of = self.topics, STAMP.pack
        epoch, number = topics.epoch, topics.ticks
        messages: list[bytes] = []
        records: list[bytes] = []
        ordinals = [one[0].ordinal for one in accepted]
        for log, body, instance, running, _ in accepted:
            number += 1
            log.sequence = sequence = log.sequence + 1
            log.frame = frame = log.key + stamp_of(epoch, sequence, time_ns) + body
            records.append(encode_tick(number, instance, running, frame))
            if log.wanted:
                messages.append(frame)
        if topics.ticks_wanted and accepted:
            stamp = stamp_of(epoch, topics.ticks + 1, time_ns)
            bodies = b"".join([one[1] for one in accepted])
            messages.append(TICKS + stamp + array_header(len(accepted)) + bodies)
        topics.ticks = number
        return messages, Batch(records, ordinals, number, epoch, time_ns)

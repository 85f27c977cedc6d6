"""The intake of feeds' ticks, and their order: PROTOCOL.md section 3.4. Pure.

Ticks of a numbered feed (instance above 0) are accepted strictly in order: a duplicate is ignored, a message ahead of a gap is
refused, and the feed sends it again. Ticks of an unnumbered feed are accepted as they come.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hulak.bus.core.journal.record_format import Batch, decode_tick, encode_tick
from hulak.bus.core.ticks.own_topics import OwnTopics
from hulak.bus.core.ticks.shared_topics import SharedTopics
from hulak.bus.core.ticks.tick_bodies import check_body, check_value, read_quote
from hulak.bus.core.ticks.topic_logs import TopicLog, TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import MAX_TOPIC, NUL, STAMP, UNREADABLE, array_header, check_topic
from hulak.bus.wire.names import JOURNALLED, NO_BODY, OWN_TOPICS, OWNED_BY_DISPLAYS, OWNED_BY_FEEDS, TICKS
from hulak.bus.wire.own_names import topic_of
from hulak.bus.wire.ring_format import TickRows

STAMP_BYTES = STAMP.size
OWNED = ", ".join(repr(root.decode()) for root in JOURNALLED)
Accepted = tuple[TopicLog, bytes, int, int, int]  # log, body, instance, running number, the feed's time in ns
SHORTEST = 1 + STAMP_BYTES + 1  # NUL, stamp, one byte of body
MOST_NAMED = 20  # topics of one instance whose messages were refused
KEPT_S = 3600.0  # an instance that sent something is not forgotten within this time


@dataclass(slots=True)
class Source:
    """One instance of a feed, and the last of its messages that the broker accepted."""

    instance: int
    last: int  # running number of the last accepted message
    safe: int = 0  # running number of the last message in the journal: the feed need not keep those up to it
    duplicates: int = 0
    early: int = 0  # refused since a message before them is missing
    refused: int = 0  # messages since its first request
    refusals: dict[str, str] = field(default_factory=dict)  # topic -> the code of its first refusal; of `MOST_NAMED` topics
    asked: float = -math.inf  # when it last requested its position, monotonic seconds; in this run of the broker
    sent: float = -math.inf  # when a message of it was last accepted, or refused in order; monotonic seconds


@dataclass(slots=True)
class IntakeTurn:
    """The results of one turn of the loop."""

    messages: list[bytes]  # to publish, in order
    batch: Batch  # for the journal, to be written first
    instances: set[int]  # numbered feeds of which a message was accepted, or refused in order
    taken: int
    lag_ns: int | None  # from the feed's stamp to the broker's, of the turn's last tick; None if there was none
    rows: TickRows | None = None  # for the ring


class ForbiddenFrame(bytes):
    """A frame that the key of its sender does not permit. It has no bytes, so that it is no topic's, and keeps its place."""

    frame: bytes  # as received
    error: ProtocolError
    counts: bool  # its running number counts as accepted; else it may be under another key's instance

    @classmethod
    def of(cls, frame: bytes, error: ProtocolError, *, counts: bool) -> "ForbiddenFrame":
        """Return the frame to pass to `Intake.turn` in place of the one that was received."""
        made = cls()
        made.frame, made.error, made.counts = frame, error, counts
        return made


class Intake:
    """Turns feeds' frames into numbered messages.

    Args:
        topics: number and keep the messages.
        reject: called with the `ProtocolError` of each refused frame.
        max_bytes: of one frame.
        take_state: numbers a display worker's state, see `DisplayStates.take`; without it, no display is known.
        max_sources: instances remembered; beyond it the one silent for longest is forgotten.
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
        self.sources: dict[int, Source] = {}  # in the order of their last requests
        self._moved: set[int] = set()  # instances of which this turn accepted or refused a message
        self.take_state = take_state
        self.own = OwnTopics(topics)
        self._has_own = False  # messages of own topics are in this turn's batch
        self.rivals = SharedTopics()
        self.unopened = 0  # messages of instances before their first `hulak.feed`

    def open(self, instance: int, oldest: int, now: float) -> Source:
        """Open a feed's instance, which names the oldest message that it can still send; return how far it was accepted.

        Args:
            instance: from 1.
            oldest: the lowest running number that the feed can send (again).
            now: monotonic seconds.
        Raises:
            ProtocolError: `BUSY`, the limit is reached, and all known instances sent something within the hour.
        """
        source = self.sources.pop(instance, None)
        if source is None:
            self._make_room(now)
            source = Source(instance, oldest - 1)
        self.sources[instance] = source
        source.last = max(source.last, oldest - 1)
        source.safe = max(source.safe, oldest - 1)
        source.asked = now
        return source

    def close(self, instance: int) -> None:
        """End the claim of an instance that sends no more; forget it if all that it sent is safe."""
        self.own.release(instance)
        source = self.sources.get(instance)
        if source is not None and source.safe == source.last:
            del self.sources[instance]

    def _make_room(self, now: float) -> None:
        """Forget the least recently opened instance; never one that sent within the hour: its ticks would be accepted twice."""
        if len(self.sources) < self.max_sources:
            return
        for instance, source in self.sources.items():
            if now - source.sent >= KEPT_S:
                del self.sources[instance]
                return
        raise ProtocolError("BUSY", f"{self.max_sources} feeds have sent something within the hour, no more are remembered")

    def turn(self, frames: list[bytes], now: float, time_ns: int) -> IntakeTurn:
        """Number the frames that are in order and well formed; all others are counted or refused.

        Args:
            frames: as the collector received them.
            now: monotonic seconds.
            time_ns: ns since 1970 UTC, stamped on all of them.
        """
        accepted: list[Accepted] = []
        states: list[bytes] = []
        logs, sources, unpack, longest = self.topics.unowned, self.sources, STAMP.unpack_from, self.max_bytes
        add, moved = accepted.append, 0
        for frame in frames:
            # Fast path of nearly every tick: a known topic, a numbered feed, the next number. The others: `_take_other`.
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
        messages, batch, rows = self._number(accepted, time_ns)
        fed_ns = 0
        if accepted:
            fed_ns = accepted[-1][4]
            # The sender is checked for one tick, chosen pseudo-randomly: feeds that share a topic do so repeatedly.
            sample = accepted[time_ns // 1000 % len(accepted)]
            if sample[2] != sample[0].instance:
                self.rivals.turn(sample[0], sample[2], now)
        instances, self._moved = self._moved, set()
        for instance in instances:
            sources[instance].sent = now
        return IntakeTurn(messages + states, batch, instances, len(accepted), time_ns - fed_ns if fed_ns else None, rows)

    def journalled(self, instances: Iterable[int]) -> None:
        """Record that all accepted messages of these feeds are in the journal."""
        for instance in instances:
            source = self.sources.get(instance)
            if source is not None:
                source.safe = source.last

    def stamp_again(self, turn: IntakeTurn) -> None:
        """Put the topics' present epoch into the results of a turn: messages, records, and its topics' last frames."""
        frames, logs, turn.batch.epoch = turn.messages, self.topics.logs, self.topics.epoch
        records = [decode_tick(record) for record in turn.batch.records]
        turn.messages = [self._under_present(frame) for frame in frames]
        if turn.rows is not None:
            turn.rows.frame = self._under_present(turn.rows.frame)
        turn.batch.records = [
            encode_tick(number, instance, running, self._under_present(frame)) for number, instance, running, frame in records
        ]
        for frame in (*frames, *(frame for *_, frame in records)):
            log = logs.get(frame[: frame.index(NUL) + 1])
            if log is not None and log.frame == frame:
                log.frame = self._under_present(frame)

    def _under_present(self, frame: bytes) -> bytes:
        cut = frame.index(NUL) + 1
        epoch, sequence, time_ns = STAMP.unpack_from(frame, cut)
        if not epoch:  # of an own topic that is not journalled
            return frame
        return frame[:cut] + STAMP.pack(self.topics.epoch, sequence, time_ns) + frame[cut + STAMP_BYTES :]

    def _take_other(self, frame: bytes, time_ns: int, accepted: list[Accepted], states: list[bytes]) -> None:
        if type(frame) is ForbiddenFrame:
            self._forbid(frame)
            return
        try:
            if self.take_state is not None and frame.startswith(OWNED_BY_DISPLAYS):
                state = self.take_state(frame, time_ns)
                states += [state] if state is not None else []
            elif frame.startswith(OWN_TOPICS):
                self._take_own(frame, time_ns, accepted, states)
            else:
                tick = self._accept(frame)
                accepted += [tick] if tick is not None else []
        except ProtocolError as error:
            self._refuse(frame, error)

    def _forbid(self, forbidden: ForbiddenFrame) -> None:
        """Refuse a frame that its sender's key does not permit; its number counts: else the feed would resend it without end."""
        frame = forbidden.frame
        if not forbidden.counts:
            self.reject(forbidden.error)
            return
        instance, number, _ = STAMP.unpack_from(frame, frame.find(NUL) + 1)
        if not instance or self._in_order(instance, number):
            self._refuse(frame, forbidden.error)

    def _refuse(self, frame: bytes, error: ProtocolError) -> None:
        """Report a refused frame, to its feed too: it would wait for an answer without end."""
        self.reject(error)
        topic, _, stamp = frame.partition(NUL)
        source = self.sources.get(STAMP.unpack_from(stamp)[0]) if len(stamp) >= STAMP_BYTES else None
        if source is not None:
            source.refused += 1
            if len(source.refusals) < MOST_NAMED:
                source.refusals.setdefault(topic[:MAX_TOPIC].decode("ascii", "replace"), error.code)

    def _take_own(self, frame: bytes, time_ns: int, accepted: list[Accepted], messages: list[bytes]) -> None:
        """Accept a message of an own topic, for the journal's batch or to publish at once.

        Without its owner's claim the number of a message is left as it is: the broker was restarted, and the claim comes.
        """
        cut = _cut(frame)
        instance, number, fed_ns = STAMP.unpack_from(frame, cut)
        source = self.sources.get(instance)
        try:
            name, claim = self.own.owner(frame[: cut - 1])
        except ProtocolError:
            if not instance or self._in_order(instance, number):
                raise
            return
        is_owner = claim is not None and claim.instance == instance
        if not is_owner and instance and (source is None or source.asked == -math.inf):
            self.unopened += 1
            return
        if instance and not self._in_order(instance, number):
            return
        if claim is None or not is_owner or source is None:
            raise ProtocolError("NOT_YOURS", f"topic {frame[: cut - 1]!r}: this feed does not own {topic_of(name)!r}")
        self._check_size(frame)
        key, body = frame[:cut], frame[cut + STAMP_BYTES :]
        check_value(key[:-1].decode(), body)
        log = self.topics.log(key, transient=not claim.journalled)
        self.own.taken += 1
        if not log.transient:
            accepted.append((log, body, instance, number, fed_ns))
            self._has_own = True
            return
        message = self.topics.publish_transient(log, body, time_ns)
        messages += [message] if message is not None else []
        if source.safe == number - 1:
            source.safe = number  # it does not wait for the journal

    def _check_size(self, frame: bytes) -> None:
        if len(frame) > self.max_bytes:
            raise ProtocolError("TOO_LARGE", f"a message of {len(frame)} bytes, must be at most {self.max_bytes}")

    def _accept(self, frame: bytes) -> "Accepted | None":
        cut = _cut(frame)
        instance, number, fed_ns = STAMP.unpack_from(frame, cut)
        if instance and not self._in_order(instance, number):
            return None
        # Its number counts as accepted from here on, even if it is refused: else the feed would resend it without end.
        self._check_size(frame)
        body = frame[cut + STAMP_BYTES :]
        log = self.topics.unowned.get(frame[:cut])
        if log is None:
            log = self._new_topic(frame[:cut], body)
        return log, body, instance, number, fed_ns

    def _new_topic(self, key: bytes, body: bytes) -> TopicLog:
        """Start a topic, unless the body is refused."""
        if not key.startswith(OWNED_BY_FEEDS):
            text = f"topic {key[:-1][:40]!r} is not a feed's, must begin with {OWNED}"
            raise ProtocolError("NOT_YOURS", text)
        check_topic(key[:-1])
        check_body(key[:-1].decode(), body)
        return self.topics.log(key)

    def _in_order(self, instance: int, number: int) -> bool:
        source = self.sources.get(instance)
        if source is None:
            self.unopened += 1  # its `hulak.feed` is missing, or the broker restarted: in both cases the feed sends this again
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
        """Check all bodies with the fastest decoder; check them one by one only if it refuses any."""
        read = read_quote
        quotes = [tick for tick in accepted if not tick[0].own] if self._has_own else accepted  # own ones are checked already
        try:
            for log, body, _, _, _ in quotes:
                if log.symbol is None:
                    check_body(log.key[:-1].decode(), body)
                elif read(body).symbol != log.symbol:
                    break
            else:
                return accepted
        except (ProtocolError, *UNREADABLE):
            pass
        return [tick for tick in accepted if tick[0].own or self._is_well(tick)]

    def _is_well(self, tick: Accepted) -> bool:
        log, body, instance, number, _ = tick
        try:
            check_body(log.key[:-1].decode(), body)
        except ProtocolError as error:
            self._refuse(log.key + STAMP.pack(instance, number, 0), error)
            return False
        return True

    def _number(self, accepted: list[Accepted], time_ns: int) -> tuple[list[bytes], Batch, TickRows | None]:
        topics, stamp_of = self.topics, STAMP.pack
        epoch, number, next_beat = topics.epoch, topics.ticks, topics.next_beat
        messages: list[bytes] = []
        records: list[bytes] = []
        sequences: list[int] = []
        ordinals = [tick[0].ordinal for tick in accepted]
        for log, body, instance, running, _ in accepted:
            number += 1
            if log.beat != next_beat:
                topics.note_change(log)
            log.sequence = sequence = log.sequence + 1
            log.frame = frame = log.key + stamp_of(epoch, sequence, time_ns) + body
            records.append(encode_tick(number, instance, running, frame))
            sequences.append(sequence)
            if log.wanted:
                messages.append(frame)
        rows = None
        if accepted and (topics.ticks_wanted or topics.ring):
            bodies = [NO_BODY if tick[0].apart else tick[1] for tick in accepted]
            stamp = stamp_of(epoch, topics.ticks + 1, time_ns)
            joined = b"".join((TICKS, stamp, array_header(len(accepted)), *bodies))
            if topics.ticks_wanted:
                messages.append(joined)
            if topics.ring:
                rows = TickRows(joined, b"".join([tick[0].key for tick in accepted]), sequences, list(map(len, bodies)))
        topics.ticks, self._has_own = number, False
        return messages, Batch(records, ordinals, number, epoch, time_ns), rows


def _cut(frame: bytes) -> int:
    """Return where the stamp of a posted frame begins. Raises `ProtocolError`."""
    cut = frame.find(NUL) + 1
    if not cut or len(frame) - cut < SHORTEST - 1:
        raise ProtocolError("BAD_FRAME", f"{len(frame)} bytes, wanted topic, NUL, {STAMP_BYTES} bytes, body")
    return cut

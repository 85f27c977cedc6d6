"""Topics: their numbers, last messages and subscriptions. PROTOCOL.md section 3. Pure.

A topic log numbers one topic's messages from 1 and keeps the last one. A subscription is a prefix of `topic NUL`; a message that
no subscription covers is numbered and kept, but not published.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hulak.bus.core.journal.segment_index import TopicOrdinals
from hulak.bus.core.ticks.subscriptions import Subscriptions, is_exact
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, array_header, check_topic, pack
from hulak.bus.wire.names import APART, HEARTBEAT, HELLO, JOURNALLED, OWN_TOPICS, TICK_TOPICS, TICKS
from hulak.bus.wire.own_names import owned_name

NAMED_FOR = 8  # heartbeats: 2 s
MOST_ENDED = 10_000  # removed topics that were not used again, whose last numbers are remembered individually
OWN_SHARE = 4  # one topic in four may be an own one
NAMED_REFUSED = 10  # topics that were refused at the limit, the newest
IN_TURN = 256  # topics: up to this number, each heartbeat names all of them
TIME_AT = 16  # its place in the stamp
STAMP_HEADER = bytes((0xC4, STAMP.size))  # msgpack's, of the stamp as binary


class TopicLog:
    """One numbered topic: its sequence, and its last frame. `key` is the topic and its NUL."""

    __slots__ = ("apart", "beat", "frame", "instance", "key", "ordinal", "own", "sequence", "symbol", "transient", "wanted")

    def __init__(self, key: bytes, *, wanted: bool) -> None:
        self.key = key
        # Of a topic of ticks: bodies that state it are ticks. No body states None.
        self.symbol = key[len(TICK_TOPICS) : -1].decode() if key.startswith(TICK_TOPICS) else None
        self.own = owned_name(key[:-1]) if key.startswith(OWN_TOPICS) else ""  # the name that owns it
        self.transient = False  # an own topic that is not journalled: its messages have no epoch
        self.apart = key.startswith(APART)  # in `ticks` its bodies are empty maps
        self.sequence = 0
        self.frame = b""  # as published; empty if there was none
        self.wanted = wanted
        self.beat = 0  # the first heartbeat after its last change
        self.instance: int | None = None  # of the feed that posted last; None before the first
        self.ordinal = 0  # of a journalled topic, in the journal's indexes


class TopicLogs:
    """All topic logs, and the subscriptions to them.

    Args:
        epoch: stamped on each message.
        limit: most topics; one more is refused.
        ordinals: of the journalled topics, shared with the journal's indexes.
    """

    def __init__(self, epoch: int, limit: int, ordinals: TopicOrdinals | None = None) -> None:
        self.epoch = epoch
        self.limit = limit
        self.logs: dict[bytes, TopicLog] = {}
        self.fed: dict[bytes, TopicLog] = {}  # the journalled topics: those of feeds, and own ones
        self.unowned: dict[bytes, TopicLog] = {}  # those of `fed` that every feed may post to
        self.own: dict[bytes, TopicLog] = {}  # own topics, journalled or not
        self.most_own = max(1, limit // OWN_SHARE)
        self.ordinals = ordinals if ordinals is not None else TopicOrdinals()
        self.refused = 0  # messages of topics that were refused at the limit
        self.refused_topics: dict[str, None] = {}  # the newest refused topics
        self.subscriptions = Subscriptions()
        self._keys: list[bytes] = []  # of all topics, in order: topics under a prefix are adjacent
        self.ticks_wanted = False
        self.ring = False  # ticks and heartbeats are also wanted for the ring (section 13), whose readers are not known
        self.hello: dict[str, Any] = {"protocol": 1}  # the body of `hulak.hello`
        self.next_beat = 1  # number of the next heartbeat
        self._changed: dict[bytes, TopicLog] = {}  # topics that the next heartbeat names since they changed
        self._named = b""  # the last topic that a heartbeat named in turn
        self.ticks = 0  # number of accepted ticks of all topics: the global order
        self.ended: dict[bytes, int] = {}  # removed topic of feeds, even if it was used again -> its last number at removal
        self.floor = 0  # no removed topic that is no longer in `ended` had a larger number
        self.removed = 0  # topics, since the start

    def log(self, key: bytes, *, transient: bool = False) -> TopicLog:
        """Return the log of a topic, new if it does not exist; `key` ends with NUL.

        Args:
            key: of the topic.
            transient: a new own topic is not journalled.
        Raises:
            ProtocolError: `BAD_TOPIC`; `TOO_MANY_TOPICS`.
        """
        log = self.logs.get(key)
        if log is None:
            check_topic(key[:-1])
            if len(self.logs) >= self.limit:
                self._record_refused(key[:-1].decode())
                raise ProtocolError("TOO_MANY_TOPICS", f"{self.limit} topics are in use, {key[:-1]!r} would be one more")
            if key.startswith(OWN_TOPICS) and len(self.own) >= self.most_own:
                self._record_refused(key[:-1].decode())
                raise ProtocolError("TOO_MANY_TOPICS", f"{self.most_own} own topics are in use, {key[:-1]!r} would be one more")
            log = self._begin(key, transient=transient)
        return log

    def _record_refused(self, topic: str) -> None:
        self.refused += 1
        self.refused_topics.pop(topic, None)
        self.refused_topics[topic] = None
        if len(self.refused_topics) > NAMED_REFUSED:
            del self.refused_topics[next(iter(self.refused_topics))]

    def _begin(self, key: bytes, *, transient: bool = False) -> TopicLog:
        log = self.logs[key] = TopicLog(key, wanted=self.is_wanted(key))
        log.transient = transient
        insort(self._keys, key)
        if log.own:
            self.own[key] = log
        if key.startswith(JOURNALLED) and not transient:
            self.fed[key] = log
            if not log.own:
                self.unowned[key] = log
            log.ordinal = self.ordinals.of(key)
            log.sequence = self.ended.get(key, self.floor)
            if log.sequence:
                self.ended[key] = log.sequence
        return log

    def drop(self, key: bytes) -> None:
        """Remove a topic: its last message is forgotten, and its numbers start again at 1; see `remove` for topics of feeds."""
        if self.logs.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]
        for some in (self._changed, self.fed, self.unowned, self.own):
            some.pop(key, None)

    def are_journalled(self, topic: bytes) -> bool | None:
        """Return whether an own topic and those below it are journalled; None if there is none of them."""
        some = next((log for prefix in (topic + NUL, topic + b".") for log in self.under(prefix)), None)
        return None if some is None else not some.transient

    def remove(self, keys: Iterable[bytes]) -> list[bytes]:
        """Remove journalled topics; return the ones that existed.

        Published messages stay in the journal: so a topic that is used again continues behind its old numbers. The last numbers
        of `MOST_ENDED` removed topics are remembered, of earlier ones only the largest of all, behind which every new topic then
        starts.
        """
        removed = [key for key in dict.fromkeys(keys) if key in self.fed]
        for key in removed:
            self.ended[key] = self.fed[key].sequence
            self.drop(key)
        gone = [key for key in self.ended if key not in self.fed]
        for key in gone[:-MOST_ENDED]:
            self.floor = max(self.floor, self.ended.pop(key))
        self.removed += len(removed)
        return removed

    def renumber(self, ordinals: TopicOrdinals) -> None:
        """Assign other ordinals to the topics of feeds; those of removed topics become free."""
        self.ordinals = ordinals
        for key, log in self.fed.items():
            log.ordinal = ordinals.of(key)

    def publish(self, key: bytes, body: bytes, time_ns: int) -> bytes | None:
        """Number one message; return its frame if there is a subscriber."""
        log = self.log(key)
        if log.beat != self.next_beat:
            self.note_change(log)
        log.sequence += 1
        log.frame = log.key + STAMP.pack(self.epoch, log.sequence, time_ns) + body
        return log.frame if log.wanted else None

    def publish_transient(self, log: TopicLog, body: bytes, time_ns: int) -> bytes | None:
        """Number one message of an own topic that is not journalled; return its frame if there is a subscriber."""
        log.sequence += 1
        log.frame = log.key + STAMP.pack(0, log.sequence, time_ns) + body
        return log.frame if log.wanted else None

    def note_change(self, log: TopicLog) -> None:
        """Record, before its new message is set, that a topic changes for the first time since the last heartbeat."""
        log.beat = self.next_beat
        self._changed[log.key] = log

    def restore(self, frames: Iterable[bytes], ticks: int, ended: Mapping[bytes, int] | None = None, floor: int = 0) -> None:
        """Continue from a previous run: each topic's last frame, and the number of the last tick of all.

        Args:
            frames: last frame of each topic.
            ticks: number of the last tick of all.
            ended, floor: of removed topics, as `self.ended` and `self.floor`.
        """
        self.ended, self.floor = dict(ended or {}), floor
        for frame in frames:
            cut = frame.index(NUL) + 1
            key = frame[:cut]
            log = self.logs.get(key) or self._begin(key)  # the limit may be lower now: existing topics stay
            log.frame, log.sequence = frame, STAMP.unpack_from(frame, cut)[1]
        self.ticks = ticks

    def count_ticked(self, since_ns: int) -> tuple[int, int]:
        """Return how many topics of ticks have had one, and how many have one since `since_ns`, in ns since 1970 UTC."""
        since, ticked, recent = STAMP.pack(0, 0, max(0, since_ns))[TIME_AT:], 0, 0  # big-endian: bytes compare as the times do
        for key, log in self.fed.items():
            if (frame := log.frame) and log.symbol is not None:
                ticked += 1
                at = len(key) + TIME_AT
                recent += frame[at : at + 8] >= since
        return ticked, recent

    def is_wanted(self, key: bytes) -> bool:
        """Return whether a subscription covers this topic."""
        return self.subscriptions.covers(key)

    def subscribe(self, prefix: bytes) -> None:
        """Add a subscription; only the topics that it covers are updated."""
        if self.subscriptions.add(prefix):
            self.ticks_wanted = self.ticks_wanted or TICKS.startswith(prefix)
            for log in self.under(prefix):
                log.wanted = True

    def unsubscribe(self, prefix: bytes) -> None:
        """Remove a subscription; an unknown one is ignored."""
        if self.subscriptions.remove(prefix):
            self.ticks_wanted = self.ticks_wanted and self.is_wanted(TICKS)
            for log in self.under(prefix):
                log.wanted = self.is_wanted(log.key)

    def forget_subscriptions(self) -> None:
        """Remove all subscriptions, as when the publisher socket is rebound and all subscribers subscribe again."""
        self.subscriptions.clear()
        self.ticks_wanted = False
        for log in self.logs.values():
            log.wanted = False

    def heartbeat(self, time_ns: int) -> bytes | None:
        """Return a heartbeat with the last numbers, which show that a last message was lost; None if not wanted (section 3.8).

        It is made for the ring too.

        A topic is named in the `NAMED_FOR` heartbeats after a change, so that only a loss of all of them hides it; and every
        in turn, `IN_TURN` of them in each heartbeat, for subscribers that were disconnected for longer. The cost grows with the
        number of topics that changed, not with the number of all.
        """
        if not self.ring and not self.is_wanted(HEARTBEAT):
            return None
        last_changes = self.next_beat - NAMED_FOR  # a topic that changed only before this heartbeat was named often enough
        self.next_beat += 1
        named = self._changed = {key: log for key, log in self._changed.items() if log.beat > last_changes}
        logs = [
            log for key, log in (*self._next_in_turn(), *named.items()) if log.frame and key != HEARTBEAT and not log.transient
        ]
        topics = {log.key[:-1].decode(): log.sequence for log in logs}
        self.publish(HEARTBEAT, pack({"ticks": self.ticks, "topics": topics}), time_ns)
        return self.logs[HEARTBEAT].frame

    def _next_in_turn(self) -> Iterator[tuple[bytes, TopicLog]]:
        """Yield the topics that a heartbeat names in turn: those behind the last one, and behind the end the first ones."""
        at = bisect_right(self._keys, self._named)
        keys = self._keys[at : at + IN_TURN]
        keys += self._keys[: min(at, IN_TURN - len(keys))]
        self._named = keys[-1] if keys else b""
        return ((key, self.logs[key]) for key in keys)

    def welcome(self, prefix: bytes, time_ns: int, *, local: bool = True) -> bytes:
        """Return the message that a new subscriber gets at once (section 3.6).

        An exact topic, with or without its NUL, gets its last message; a prefix that is empty or ends with `.` gets one
        snapshot under the prefix itself; `ticks` gets an empty array with the next number. In all other cases it is the
        hello, which only its subscribers get. It names the ring to `local` subscribers: those without a key.
        """
        if prefix in (TICKS, TICKS[:-1]):
            return TICKS + STAMP.pack(self.epoch, self.ticks + 1, time_ns) + array_header(0)
        log = self.logs.get(prefix if prefix.endswith(NUL) else prefix + NUL)
        if log is not None and log.frame:
            return log.frame
        if prefix == b"" or prefix.endswith(b"."):
            return self._snapshot(prefix, time_ns)
        hello = self.hello if local else {name: value for name, value in self.hello.items() if name != "ring"}
        return HELLO + STAMP.pack(self.epoch, 1, time_ns) + pack(hello)

    def _snapshot(self, prefix: bytes, time_ns: int) -> bytes:
        rows = [_row(log) for log in self.under(prefix) if log.frame]
        stamp = STAMP.pack(self.epoch, 0, time_ns)
        return prefix + NUL + stamp + array_header(len(rows)) + b"".join(rows)

    def under(self, prefix: bytes) -> Iterator[TopicLog]:
        """Yield the topics that a prefix covers."""
        if is_exact(prefix):
            if prefix in self.logs:
                yield self.logs[prefix]
            return
        keys, logs = self._keys, self.logs
        for at in range(bisect_left(keys, prefix), len(keys)):
            if not keys[at].startswith(prefix):
                return
            yield logs[keys[at]]


def _row(log: TopicLog) -> bytes:
    """Return the array [topic, stamp, body] of a snapshot: behind its NUL, a frame is its stamp and body."""
    cut = len(log.key)
    return b"\x93" + pack(log.key[:-1].decode()) + STAMP_HEADER + log.frame[cut:]

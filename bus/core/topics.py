"""What is numbered, what is kept, who wants what: PROTOCOL.md section 3. Pure.

A topic log numbers one topic's messages from 1 and keeps the last one. A subscription is a prefix of `topic NUL`; what no
subscription covers is numbered and kept, but not made into a message.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from bus.core.index import Ordinals
from bus.errors import ProtocolError
from bus.frames import NUL, STAMP, array_header, check_topic, pack

OWNED_BY_FEEDS = b"tick."
TICKS = b"ticks" + NUL  # everything one turn took in, as one message (section 3.5)
HEARTBEAT = b"heartbeat" + NUL
NAMED_FOR = 8  # heartbeats: 2 s
IN_TURN = 256  # topics: up to so many are all named in each heartbeat
HELLO = b"hulak.hello" + NUL  # always has a last value: tells a subscriber that its subscriptions are in place


class TopicLog:
    """One numbered topic: its sequence, and its last frame. `key` is the topic and its NUL."""

    __slots__ = ("beat", "frame", "key", "ordinal", "seen", "sequence", "wanted")

    def __init__(self, key: bytes, *, wanted: bool) -> None:
        self.key = key
        self.sequence = 0
        self.frame = b""  # as it was published; empty if there was none
        self.wanted = wanted
        self.seen = 0  # its sequence at the last heartbeat
        self.beat = 0  # the heartbeat at which that had last changed
        self.ordinal = 0  # of a topic of feeds, in the journal's indexes


class Topics:
    """All topic logs of one epoch, and the subscriptions to them.

    Args:
        epoch: stamped on each message; larger at each start of the broker.
        limit: how many topics there may be; one more is refused.
        ordinals: of the topics of feeds, shared with the journal's indexes.
    """

    def __init__(self, epoch: int, limit: int, ordinals: Ordinals | None = None) -> None:
        self.epoch = epoch
        self.limit = limit
        self.logs: dict[bytes, TopicLog] = {}
        self.fed: dict[bytes, TopicLog] = {}  # those of them that feeds own
        self.ordinals = ordinals if ordinals is not None else Ordinals()
        self.subscriptions: Counter[bytes] = Counter()
        self.ticks_wanted = False
        self.beats = NAMED_FOR  # so that what never changed is not named
        self.ticks = 0  # how many were taken, of all topics: the one global order

    def log(self, key: bytes) -> TopicLog:
        """Find or start the log of a topic; `key` ends with NUL.

        Raises:
            ProtocolError: `BAD_TOPIC`; `TOO_MANY_TOPICS`.
        """
        log = self.logs.get(key)
        if log is None:
            check_topic(key[:-1])
            if len(self.logs) >= self.limit:
                raise ProtocolError("TOO_MANY_TOPICS", f"{self.limit} topics are in use, {key[:-1]!r} would be one more")
            log = self.logs[key] = TopicLog(key, wanted=self.wants(key))
            if key.startswith(OWNED_BY_FEEDS):
                self.fed[key] = log
                log.ordinal = self.ordinals.of(key)
        return log

    def drop(self, key: bytes) -> None:
        """Free a topic: its last message is forgotten, and its numbers begin anew if it comes again."""
        self.logs.pop(key, None)
        self.fed.pop(key, None)

    def publish(self, key: bytes, body: bytes, time_ns: int) -> bytes | None:
        """Number one message; return its frame if somebody wants it."""
        log = self.log(key)
        log.sequence += 1
        log.frame = log.key + STAMP.pack(self.epoch, log.sequence, time_ns) + body
        return log.frame if log.wanted else None

    def restore(self, frames: Iterable[bytes], ticks: int) -> None:
        """Go on from what was published before: each topic's last frame, and the number of the last tick of all."""
        for frame in frames:
            cut = frame.index(NUL) + 1
            log = self.log(frame[:cut])
            log.frame, log.sequence = frame, STAMP.unpack_from(frame, cut)[1]
        self.ticks = ticks

    def wants(self, key: bytes) -> bool:
        """Tell whether a subscription covers this topic."""
        return any(key.startswith(prefix) for prefix in self.subscriptions)

    def subscribe(self, prefix: bytes) -> None:
        """Count one more subscription."""
        self.subscriptions[prefix] += 1
        if self.subscriptions[prefix] == 1:
            self._look_again()

    def unsubscribe(self, prefix: bytes) -> None:
        """Count one subscription less; one that was never counted is ignored."""
        if self.subscriptions[prefix] <= 1:
            del self.subscriptions[prefix]
            self._look_again()
        else:
            self.subscriptions[prefix] -= 1

    def forget_subscriptions(self) -> None:
        """Start over, as when the publisher socket is made anew and everybody subscribes again."""
        self.subscriptions.clear()
        self._look_again()

    def heartbeat(self, time_ns: int) -> bytes | None:
        """Tell the last numbers, so that a lost last message is noticed too; None if nobody wants it (section 3.8).

        A topic is named in the `NAMED_FOR` heartbeats after a change, so that it takes as many lost ones to miss it; and every
        topic now and then, `IN_TURN` of them in each heartbeat, for who was away for longer.
        """
        if not self.wants(HEARTBEAT):
            return None
        self.beats += 1
        turns = max(1, -(-len(self.logs) // IN_TURN))
        named = {}
        for at, (key, log) in enumerate(self.logs.items()):
            if log.sequence != log.seen:
                log.seen, log.beat = log.sequence, self.beats
            due = self.beats - log.beat < NAMED_FOR or at % turns == self.beats % turns
            if due and log.sequence and key != HEARTBEAT:
                named[key[:-1].decode()] = log.sequence
        return self.publish(HEARTBEAT, pack({"ticks": self.ticks, "topics": named}), time_ns)

    def _look_again(self) -> None:
        self.ticks_wanted = self.wants(TICKS)
        for log in self.logs.values():
            log.wanted = self.wants(log.key)

    def welcome(self, prefix: bytes, time_ns: int) -> bytes:
        """Make what a new subscriber gets at once (section 3.6).

        An exact topic, with or without its NUL, gets its last message; a prefix that is empty or ends with `.` gets one
        snapshot under the prefix itself; `ticks` gets an empty array with the number that comes next. Where there is none
        of these, it is the hello, which only those get who subscribed to it.
        """
        if prefix in (TICKS, TICKS[:-1]):
            return TICKS + STAMP.pack(self.epoch, self.ticks + 1, time_ns) + array_header(0)
        log = self.logs.get(prefix if prefix.endswith(NUL) else prefix + NUL)
        if log is not None and log.sequence:
            return log.frame
        if prefix == b"" or prefix.endswith(b"."):
            return self._snapshot(prefix, time_ns)
        return HELLO + STAMP.pack(self.epoch, 1, time_ns) + pack({"protocol": 1})

    def _snapshot(self, prefix: bytes, time_ns: int) -> bytes:
        logs = list(self._under(prefix))
        stamp = STAMP.pack(self.epoch, 0, time_ns)
        rows = [b"\x93" + pack(log.key[:-1].decode()) + _stamp_and_body(log) for log in logs]
        return prefix + NUL + stamp + array_header(len(rows)) + b"".join(rows)

    def _under(self, prefix: bytes) -> Iterator[TopicLog]:
        return (log for log in self.logs.values() if log.sequence and log.key.startswith(prefix))


def _stamp_and_body(log: TopicLog) -> bytes:
    cut = len(log.key)
    return pack(log.frame[cut : cut + STAMP.size]) + log.frame[cut + STAMP.size :]

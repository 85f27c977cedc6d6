"""What is numbered, what is kept, who wants what: PROTOCOL.md section 3. Pure.

A topic log numbers one topic's messages from 1 and keeps the last one. A subscription is a prefix of `topic NUL`; what no
subscription covers is numbered and kept, but not made into a message.
"""

from collections import Counter
from collections.abc import Iterator

from bus.errors import ProtocolError
from bus.frames import NUL, STAMP, array_header, check_topic, pack

TICKS = b"ticks" + NUL  # everything one turn took in, as one message (section 3.5)
HELLO = b"hulak.hello" + NUL  # always has a last value: tells a subscriber that its subscriptions are in place


class TopicLog:
    """One numbered topic: its sequence, its last stamp and body. `key` is the topic and its NUL."""

    __slots__ = ("body", "key", "sequence", "stamp", "wanted")

    def __init__(self, key: bytes, *, wanted: bool) -> None:
        self.key = key
        self.sequence = 0
        self.stamp = b""
        self.body = b""
        self.wanted = wanted

    def last(self) -> bytes:
        """Return the last message as it was published; empty if there was none."""
        return self.key + self.stamp + self.body if self.sequence else b""


class Topics:
    """All topic logs of one epoch, and the subscriptions to them.

    Args:
        epoch: stamped on each message; larger at each start of the broker.
        limit: how many topics there may be; one more is refused.
    """

    def __init__(self, epoch: int, limit: int) -> None:
        self.epoch = epoch
        self.limit = limit
        self.logs: dict[bytes, TopicLog] = {}
        self.subscriptions: Counter[bytes] = Counter()
        self.ticks_wanted = False
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
        return log

    def publish(self, key: bytes, body: bytes, time_ns: int) -> bytes | None:
        """Number one message; return its frame if somebody wants it."""
        log = self.log(key)
        log.sequence += 1
        log.stamp = STAMP.pack(self.epoch, log.sequence, time_ns)
        log.body = body
        return log.last() if log.wanted else None

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
        if prefix == TICKS:
            return TICKS + STAMP.pack(self.epoch, self.ticks + 1, time_ns) + array_header(0)
        log = self.logs.get(prefix if prefix.endswith(NUL) else prefix + NUL)
        if log is not None and log.sequence:
            return log.last()
        if prefix == b"" or prefix.endswith(b"."):
            return self._snapshot(prefix, time_ns)
        return HELLO + STAMP.pack(self.epoch, 1, time_ns) + pack({"protocol": 1})

    def _snapshot(self, prefix: bytes, time_ns: int) -> bytes:
        logs = list(self._under(prefix))
        stamp = STAMP.pack(self.epoch, 0, time_ns)
        rows = [b"\x93" + pack(log.key[:-1].decode()) + pack(log.stamp) + log.body for log in logs]
        return prefix + NUL + stamp + array_header(len(rows)) + b"".join(rows)

    def _under(self, prefix: bytes) -> Iterator[TopicLog]:
        return (log for log in self.logs.values() if log.sequence and log.key.startswith(prefix))

"""The heartbeats of topics: which ones each of them names, and at what cost. PROTOCOL.md section 3.8."""

import pytest

from hulak.bus.core.ticks.topic_logs import IN_TURN, NAMED_FOR, TopicLogs
from hulak.bus.wire.codec import STAMP, decode_publication, unpack
from hulak.bus.wire.names import HEARTBEAT

MANY = 5 * IN_TURN + 7


def topics(count, *, limit=10 * MANY):
    """Topics of which each has one message, none of it new."""
    some = TopicLogs(7, limit)
    frames = [f"tick.S{number:05d}\0".encode() + STAMP.pack(7, 1, 5) + b"\x80" for number in range(count)]
    some.restore(frames, count)
    some.subscribe(HEARTBEAT)
    return some


def names(some):
    return unpack(decode_publication(some.heartbeat(5)).body)["topics"]


class CountingTopics(dict):
    """Counts how many topics are read, one by one or all in turn."""

    read = 0

    def __iter__(self):
        self.read += len(self)
        return super().__iter__()

    def items(self):
        self.read += len(self)
        return super().items()

    def values(self):
        self.read += len(self)
        return super().values()

    def __getitem__(self, key):
        self.read += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("count", [MANY, 4 * MANY])
def test_the_cost_of_a_heartbeat_does_not_grow_with_the_topics_that_do_not_change(count):
    some = topics(count)
    some.logs, some.fed = CountingTopics(some.logs), CountingTopics(some.fed)
    for _ in range(2 * NAMED_FOR):
        some.publish(b"tick.S00003\0", b"\x80", 5)
        before = some.logs.read
        assert some.heartbeat(5) is not None
        assert some.logs.read - before <= IN_TURN + 1  # and the heartbeat's own topic
    assert some.fed.read == 0


def test_a_topic_is_named_in_the_eight_heartbeats_after_each_change_and_then_only_in_its_turn():
    some = topics(MANY)
    some.publish(b"tick.S00000\0", b"\x80", 5)
    named = [names(some).get("tick.S00000") == 2 for _ in range(20 * NAMED_FOR)]
    assert all(named[:NAMED_FOR])
    assert 0 < sum(named[NAMED_FOR:]) <= 20 * NAMED_FOR * IN_TURN / MANY


@pytest.mark.parametrize("count", [1, IN_TURN - 1, IN_TURN, MANY])
def test_every_topic_is_named_in_turn(count):
    some = topics(count)
    for _ in range(3):  # any heartbeat may be the first one that a subscriber gets
        names(some)
        turns = -(-len(some.logs) // IN_TURN)  # the topic of the heartbeats is one of them
        received = [names(some) for _ in range(turns)]
        assert {name for named in received for name in named} == {f"tick.S{number:05d}" for number in range(count)}
        assert max(map(len, received)) <= IN_TURN


def test_topics_that_come_and_go_leave_no_one_out_and_are_not_named_when_they_are_gone():
    some = topics(MANY)
    for number in range(0, MANY, 3):
        some.publish(f"tick.S{number:05d}\0".encode(), b"\x80", 5)
    assert len(names(some)) >= MANY // 3
    some.remove(f"tick.S{number:05d}\0".encode() for number in range(0, MANY, 2))
    some.publish(b"tick.A\0", b"\x80", 5)
    some.log(b"tick.EMPTY\0")
    received = set().union(*(names(some) for _ in range(-(-MANY // IN_TURN) + 1)))
    assert received == {"tick.A"} | {f"tick.S{number:05d}" for number in range(1, MANY, 2)}


def test_changes_are_kept_while_no_subscriber_requests_heartbeats():
    some = topics(MANY)
    some.unsubscribe(HEARTBEAT)
    some.publish(b"tick.S00900\0", b"\x80", 5)
    assert [some.heartbeat(5) for _ in range(2 * NAMED_FOR)] == [None] * 2 * NAMED_FOR
    some.subscribe(HEARTBEAT)
    assert names(some)["tick.S00900"] == 2

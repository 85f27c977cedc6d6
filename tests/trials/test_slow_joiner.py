"""Joining under a running feed: the last value at once, then every message."""

import itertools
import time

import pytest
import zmq
from stage import SYMBOLS, Stage
from waiting import eventually

from hulak.bus.subscriber.events import read_rows
from hulak.bus.wire import codec

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
FOLLOWED = 30  # messages after each join
TIMEOUT_S = 30
LATE_MS = 2000  # a last value older than that would be none: each symbol ticks 35 times a second


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        stage.start_feed()
        eventually(lambda: stage.stats()["ticks"]["symbols"] == SYMBOLS, within_s=TIMEOUT_S)
        yield stage


def received(context, where, *subscriptions):
    """Connect a plain SUB socket and yield what it gets, taken apart."""
    with context.socket(zmq.SUB) as socket:
        for item in subscriptions:
            socket.subscribe(item)
        socket.connect(where)
        while socket.poll(TIMEOUT_S * 1000):
            yield codec.decode_publication(socket.recv())
        raise AssertionError(f"nothing came within {TIMEOUT_S} s")


def age_ms(body):
    return time.time() * 1000 - codec.unpack(body)["timestamp"]


def join_a_topic(context, where, at):
    """The topic's last message, then each one with the next number."""
    taken = list(itertools.islice(received(context, where, b"tick.SYM%02d\0" % (at % SYMBOLS)), FOLLOWED))
    numbers = [item.stamp.sequence for item in taken]
    assert numbers == list(range(numbers[0], numbers[0] + FOLLOWED))
    assert age_ms(taken[0].body) - age_ms(taken[-1].body) < LATE_MS


def join_a_prefix(context, where, at):
    """One snapshot of all topics, then of each one every number behind it."""
    messages = received(context, where, b"tick.")
    snapshot = next(messages)
    assert (snapshot.topic, snapshot.stamp.sequence) == ("tick.", 0)
    last = {topic: codec.STAMP.unpack(stamp)[1] for topic, stamp, _ in read_rows(snapshot.body)}
    assert len(last) == SYMBOLS
    for item in itertools.islice(messages, FOLLOWED * 4):
        assert item.stamp.sequence == last[item.topic] + 1
        last[item.topic] = item.stamp.sequence


def join_all_at_once(context, where, at):
    """An empty array with the number that comes next, then arrays that go on from there."""
    messages = received(context, where, b"ticks\0")
    first = next(messages)
    assert read_rows(first.body) == []
    expected = first.stamp.sequence
    for item in itertools.islice(messages, FOLLOWED):
        assert item.stamp.sequence == expected
        expected += len(read_rows(item.body))


def test_each_join_under_a_running_feed_gets_the_last_value_and_every_message_behind_it(stage, context, long):
    """By plain SUB sockets, over ipc and TCP."""
    joins = (join_a_topic, join_a_prefix, join_all_at_once)
    places = (f"ipc://{stage.home}/run/publisher.ipc", stage.addresses["publisher"])
    for at in range(60 if long else 12):
        joins[at % 3](context, places[at % 2], at)


def test_each_join_with_a_subscriber_sees_no_gap(stage, long):
    """With `Subscriber`, which would count one."""
    for at in range(40 if long else 8):
        topic = ("ticks", "tick.", f"tick.SYM{at % SYMBOLS:02d}", "tick.SYM1*")[at % 4]
        last = {}
        with stage.subscriber(topic) as subscriber:
            for _ in range(FOLLOWED * 4):
                event = subscriber.poll(TIMEOUT_S)
                assert event is not None
                assert event.stamp.sequence == last.get(event.topic, event.stamp.sequence - 1) + 1
                last[event.topic] = event.stamp.sequence
            counters = subscriber.counters()
        assert counters == {"gaps": 0, "repaired": 0, "lost": 0, "duplicates": 0, "malformed": 0}

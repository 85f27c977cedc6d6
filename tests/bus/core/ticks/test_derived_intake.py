"""Derived messages at the broker: numbered with the ticks, and empty maps among them."""

import msgpack
import pytest

from hulak.bus.core.journal.record_format import decode_tick
from hulak.bus.core.ticks.intake import Intake
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.wire import codec
from hulak.bus.wire.codec import decode_publication, encode_publication, pack
from hulak.bus.wire.messages import Stamp, Tick

AT_MS = 1_701_234_567_890
TICK = codec.pack_tick(Tick("EURUSD", 1.1, 1.2, AT_MS, "x"))
CONFLATED = {"symbol": "EURUSD", "bid": 1.0, "ask": 1.0, "timestamp": AT_MS, "source": "x"}
BAR = {"symbol": "np.NABIL", "bid": [1.0, 1.0, 1.0, 1.0], "final": True}


@pytest.fixture
def refused():
    return []


@pytest.fixture
def intake(refused):
    topics = TopicLogs(epoch=7, limit=100)
    topics.subscribe(b"")
    topics.ring = True
    intake = Intake(topics, lambda error: refused.append(error.code), max_bytes=400)
    intake.open(5, 1, 0.0)
    return intake


def turn(intake, first, *messages):
    """Take a turn of messages of one instance: topics and bodies."""
    rows = enumerate(messages, first)
    frames = [encode_publication(topic.encode(), Stamp(5, number, 1), body) for number, (topic, body) in rows]
    return intake.turn(frames, 0.0, 1000)


def test_they_are_numbered_with_the_ticks_and_are_empty_maps_in_ticks(intake, refused):
    bodies = {"bar.1m.np.NABIL": BAR, "every.1s.EURUSD": CONFLATED, "state.EURUSD": {"symbol": "EURUSD"}, "state.clock": {}}
    derived = [(topic, pack(body)) for topic, body in bodies.items()]
    taken = turn(intake, 1, derived[0], ("tick.EURUSD", TICK), *derived[1:])
    messages = [decode_publication(message) for message in taken.messages]
    assert [message.topic for message in messages] == ["bar.1m.np.NABIL", "tick.EURUSD", *list(bodies)[1:], "ticks"]
    assert msgpack.unpackb(messages[0].body) == BAR
    assert messages[-1].body == b"\x95\x80" + TICK + b"\x80\x80\x80"
    assert taken.rows.sizes == [1, len(TICK), 1, 1, 1]
    assert [decode_tick(record)[0] for record in taken.batch.records] == [1, 2, 3, 4, 5]
    assert decode_tick(taken.batch.records[0])[3] == taken.messages[0]
    assert refused == []


@pytest.mark.parametrize("symbol", ["EURUSD", "", 7, "1m.np.NABIL.", "ABIL"])
def test_the_symbol_in_a_body_is_that_at_the_end_of_its_topic(intake, refused, symbol):
    good, wrong = ("bar.1m.np.NABIL", pack(BAR)), ("bar.1m.np.NABIL", pack({"symbol": symbol}))
    turn(intake, 1, ("tick.EURUSD", TICK), wrong, ("tick.EURUSD", TICK))
    assert (refused, intake.topics.ticks) == (["BAD_BODY"], 2)
    turn(intake, 4, good, wrong)
    assert (refused, intake.topics.ticks) == (["BAD_BODY"] * 2, 3)

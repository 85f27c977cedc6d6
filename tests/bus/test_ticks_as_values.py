"""A subscriber that reads ticks as values ignores trades and markets: they are no malformed ticks."""

import pytest

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_rows import HistoryRows, TickTopics
from hulak.bus.subscriber.sinks import TickSink
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP

TICK = {"symbol": "A", "bid": 1.0, "ask": 2.0, "timestamp": 1_700_000_000_000, "source": "x"}
TRADE, MARKET = {"security": "A", "price": 1.0, "quantity": 3}, {"market": "nepse", "state": "open"}
BROKEN = {"bid": 1.0}
OF_TOPICS = {"tick.A": TICK, "trade.A": TRADE, "market.nepse": MARKET, "tick.B": BROKEN}


def frame(topic, number, body):
    return topic.encode() + NUL + STAMP.pack(1, number, 1) + codec.pack(body)


def router_of(*topics):
    return FrameRouter([subscription(topic) for topic in topics], TickSink(), lossless=True, hold=100)


def test_in_ticks_the_others_have_their_numbers_and_are_not_counted():
    router = router_of("ticks")
    router.take([frame("ticks", first, [TRADE, TICK, MARKET, TICK, BROKEN]) for first in (1, 6)])
    assert [tick.symbol for tick in router.sink.items] == ["A"] * 4
    assert router.trackers["ticks"].expected == 11
    assert router.malformed == 2


def test_likewise_of_single_topics():
    router = router_of("tick.", "trade.", "market.")
    router.take([frame(topic, number, body) for number in (1, 2, 3) for topic, body in OF_TOPICS.items()])
    assert [tick.symbol for tick in router.sink.items] == ["A"] * 3
    assert {tracker.expected for tracker in router.trackers.values()} == {4}
    assert router.malformed == 3


@pytest.mark.parametrize(("topics", "malformed"), [(["ticks"], 1), (["tick.", "trade.", "market."], 1), (["trade."], 0)])
def test_likewise_of_the_journal(topics, malformed):
    router = router_of(*topics)
    rows = HistoryRows(router, TickTopics(router.subscriptions))
    rows.take([[number, frame(topic, 1, body)] for number, (topic, body) in enumerate(OF_TOPICS.items(), 1)])
    assert len(router.sink.items) == (topics != ["trade."])
    assert router.malformed == malformed

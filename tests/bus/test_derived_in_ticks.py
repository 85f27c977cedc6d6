"""Derived messages are no ticks: not in `ticks`, live, repaired or from the journal, nor where ticks are read as values."""

import pytest

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_rows import HistoryRows, TickTopics
from hulak.bus.subscriber.sinks import ChunkSink, EventSink, TickSink
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP

TICK = {"symbol": "A", "bid": 1.0, "ask": 2.0, "timestamp": 1_700_000_000_000, "source": "x"}
BAR = {"symbol": "A", "bid": [1.0, 1.0, 1.0, 1.0], "ask": None, "ticks": 1}
MESSAGES = [("tick.A", TICK), ("every.1s.A", TICK), ("bar.1m.A", BAR), ("state.A", {"symbol": "A"}), ("tick.A", TICK)]
ALL = ("tick.", "every.", "bar.", "state.")


def frame(topic, number, body):
    return topic.encode() + NUL + STAMP.pack(1, number, 1) + codec.pack(body)


def rows():
    """Return rows of the journal, as a replay has them."""
    sequences = [1, 1, 1, 1, 2]
    return [[number, frame(topic, sequences[number - 1], body)] for number, (topic, body) in enumerate(MESSAGES, 1)]


def router_of(sink, *topics):
    return FrameRouter([subscription(topic) for topic in topics], sink, lossless=True, hold=100)


def test_a_repair_of_ticks_has_empty_maps_for_them():
    router = router_of(EventSink(), "ticks")
    router.take([frame("ticks", 1, []), frame("ticks", 6, [TICK])])
    assert [ask.first for _, ask in router.asks] == [1]
    router.replayed("ticks", rows())
    router.replay_ended("ticks", None)
    assert [event.body for event in router.sink.items] == [TICK, {}, {}, {}, TICK, TICK]
    assert router.counters()["lost"] == 0


def test_a_repair_of_ticks_as_chunks_has_holes_for_them_which_are_no_fault():
    router = router_of(ChunkSink(), "ticks")
    router.take([frame("ticks", 1, [TICK]), frame("ticks", 7, [TICK])])
    router.replayed("ticks", [[number + 1, row] for number, row in rows()])
    router.replay_ended("ticks", None)
    chunks, _ = router.sink.take()
    kinds = [item is not None for chunk in chunks for item in chunk.items]
    assert kinds == [True, True, False, False, False, True, True]
    assert router.malformed == 0


@pytest.mark.parametrize("topics", [("ticks",), ALL])
def test_the_journal_read_as_values_has_the_ticks_alone(topics):
    router = router_of(TickSink(), *topics)
    HistoryRows(router, TickTopics(router.subscriptions)).take(rows())
    assert len(router.sink.items) == 2
    assert router.malformed == 0


def test_the_journal_read_as_events_has_empty_maps_in_ticks_and_whole_messages_of_their_topics():
    router = router_of(EventSink(), "ticks", *ALL)
    HistoryRows(router, TickTopics(router.subscriptions)).take(rows())
    bodies = {"ticks": [], "own": []}
    for event in router.sink.items:
        bodies["ticks" if event.topic == "ticks" else "own"].append(event.body)
    assert bodies == {"ticks": [TICK, {}, {}, {}, TICK], "own": [body for _, body in MESSAGES]}


def test_live_messages_read_as_values_are_the_ticks_alone():
    router = router_of(TickSink(), *ALL)
    for number in (1, 2, 3):
        router.take([frame(topic, number, body) for topic, body in MESSAGES[:4]])
    assert len(router.sink.items) == 3
    assert {tracker.expected for tracker in router.trackers.values()} == {4}
    assert router.malformed == 0


def test_a_reader_that_goes_over_to_values_gets_no_conflated_ticks():
    router = router_of(EventSink(), *ALL)
    router.take([frame(topic, 1, body) for topic, body in MESSAGES[:4]])
    router.give_ticks_to(TickSink(), router.sink.items)
    router.take([frame(topic, 2, body) for topic, body in MESSAGES[:4]])
    assert len(router.sink.items) == 2
    assert router.malformed == 0

"""Own topics in the journal and at a subscriber: `ticks` lacks their bodies, and those without an epoch are not tracked."""

import pytest
from journal_fixture import killed

from hulak.bus.core.ticks.intake import Intake
from hulak.bus.errors import ProtocolError
from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_cursor import HistoryCursor
from hulak.bus.subscriber.history_rows import HistoryRows, TickTopics
from hulak.bus.subscriber.history_start import Start, StartKind
from hulak.bus.subscriber.sinks import EventSink, TickSink
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP, encode_publication, pack
from hulak.bus.wire.messages import Stamp

FAKE = {"symbol": "EURUSD", "bid": 9.0, "ask": 9.0, "timestamp": 1_700_000_000_000, "source": "fake"}
TICK = {**FAKE, "bid": 1.0, "ask": 1.1, "source": "x"}


def post(fixture, *messages, journalled=True):
    """Number messages of instance 5 as the broker does, and write them to the journal."""
    intake = Intake(fixture.topics, lambda error: pytest.fail(str(error)), max_bytes=1000)
    intake.open(5, fixture.running + 1, 0.0)
    intake.own.claim("signals", 5, journalled, 0.0)
    frames = []
    for topic, body in messages:
        fixture.running += 1
        frames.append(encode_publication(topic.encode(), Stamp(5, fixture.running, 1), pack(body)))
    turn = intake.turn(frames, 0.0, fixture.now_ns)
    assert turn.taken == 0 or fixture.journal.append(turn.batch, fixture.seconds)
    return turn


def rows_of(fixture, **args):
    return [(number, row.topic, codec.unpack(row.body)) for number, row in fixture.replay(**args)[0]]


def test_a_replay_of_ticks_has_the_places_of_own_messages_and_not_their_bodies_unless_they_are_requested(offices):
    fixture = offices()
    post(fixture, ("tick.EURUSD", TICK), ("app.signals", FAKE), ("app.signals.a", [1]), ("tick.EURUSD", TICK))
    hidden = [(1, "tick.EURUSD", TICK), (2, "app.signals", {}), (3, "app.signals.a", {}), (4, "tick.EURUSD", TICK)]
    assert rows_of(fixture, topic="ticks") == rows_of(fixture, topic="") == hidden
    shown = [*hidden[:2], (3, "app.signals.a", [1]), hidden[3]]
    assert rows_of(fixture, topic=None, topics=["ticks", "app.signals.*"]) == shown
    assert rows_of(fixture, topic=None, topics=["ticks", "a*"])[1] == (2, "app.signals", FAKE)
    assert rows_of(fixture, topic="app.") == [(2, "app.signals", FAKE), (3, "app.signals.a", [1])]
    assert rows_of(fixture, topic="app.signals", from_=1) == [(2, "app.signals", FAKE)]


def test_a_journal_of_own_messages_alone_shows_none_of_them_in_ticks(offices):
    fixture = offices()
    post(fixture, ("app.signals", FAKE))
    assert rows_of(fixture, topic="ticks") == [(1, "app.signals", {})]


def test_journalled_topics_go_on_after_a_kill_with_numbers_last_values_and_their_kind(offices):
    fixture = offices()
    post(fixture, ("app.signals", 1), ("tick.EURUSD", TICK), ("app.signals", 2))
    killed(fixture)
    again = offices()
    assert again.recovered.why_new_epoch == ""
    assert codec.unpack(again.topics.logs[b"app.signals\0"].frame[12 + STAMP.size :]) == 2
    assert again.topics.are_journalled(b"app.signals") is True
    again.running = 3
    post(again, ("app.signals", 3), journalled=None)
    assert again.topics.logs[b"app.signals\0"].sequence == 3
    assert [value for *_, value in rows_of(again, topic="app.signals")] == [1, 2, 3]


def test_topics_that_are_not_journalled_are_in_no_replay_and_gone_after_a_restart(offices):
    fixture = offices()
    post(fixture, ("app.signals", 1), ("tick.EURUSD", TICK), journalled=False)
    with pytest.raises(ProtocolError, match=r"topic .app\.signals. is not journalled") as refused:
        fixture.replay(topic="app.signals")
    assert refused.value.code == "UNKNOWN_TOPIC"
    assert rows_of(fixture, topic="app.") == []
    fixture.journal.close()
    assert list(offices().topics.own) == []


# At a subscriber


def frame(topic, epoch, number, body):
    return topic.encode() + NUL + STAMP.pack(epoch, number, 1) + pack(body)


def router_of(*topics, sink=None):
    return FrameRouter([subscription(topic) for topic in topics], sink or EventSink(), lossless=True, hold=100)


def seen(router):
    return [(event.topic, event.stamp.sequence, event.body) for event in router.sink.items]


def test_messages_without_an_epoch_are_delivered_as_they_come_also_when_a_restarted_broker_begins_with_1():
    router = router_of("app.signals")
    router.take([frame("app.signals", 0, number, number) for number in (41, 42, 44, 1, 2)])
    assert [body for *_, body in seen(router)] == [41, 42, 44, 1, 2]
    assert (router.asks, router.trackers) == ([], {})


def test_a_gap_of_a_journalled_own_topic_is_requested():
    router = router_of("app.")
    router.take([frame("app.signals", 7, number, number) for number in (1, 2, 5)])
    [(topic, ask)] = router.asks
    assert (topic, ask.first, ask.last) == ("app.signals", 3, 4)
    router.replayed("app.signals", [(number, frame("app.signals", 7, number, number)) for number in (3, 4)])
    router.replay_ended("app.signals", None)
    assert [body for *_, body in seen(router)] == [1, 2, 3, 4, 5]


def test_a_body_like_a_ticks_is_no_tick_where_ticks_are_read_as_values():
    router = router_of("", sink=TickSink())
    router.take([frame("app.signals", epoch, number, FAKE) for epoch in (0, 7) for number in (1, 2, 3)])
    rows = HistoryRows(router, TickTopics(router.subscriptions))
    rows.take([(number, frame("app.signals", 7, number, FAKE)) for number in (4, 5)])
    router.take([frame("app.signals", 7, number, FAKE) for number in (6, 7)])
    assert (router.sink.items, router.malformed) == ([], 0)


def test_ticks_as_values_are_wanted_late_and_own_messages_that_came_before_are_none():
    router = router_of("")
    router.take([frame("app.signals", 7, 1, FAKE)])
    router.give_ticks_to(TickSink(), [])
    router.take([frame("app.signals", 7, 2, FAKE), frame("tick.EURUSD", 7, 1, TICK)])
    assert [tick.source for tick in router.sink.items] == ["x"]


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["ticks"], ["ticks"]),
        (["ticks", "app.a", "app.b."], ["ticks", "app.a", "app.b.*"]),
        ([""], ["ticks", "app.*"]),
        (["app.a"], ["app.a"]),
        (["tick.", "app."], ["tick.*", "app.*"]),
        (["a*"], ["a*"]),
    ],
)
def test_a_history_names_own_topics_beside_ticks_for_their_bodies(topics, names):
    assert TickTopics(map(subscription, topics)).names() == names


def test_a_history_of_all_gives_the_body_under_the_topic_and_a_place_holder_in_ticks():
    router = router_of("")
    HistoryRows(router, TickTopics(router.subscriptions)).take([(9, frame("app.signals", 7, 4, FAKE))])
    assert seen(router) == [("ticks", 9, {}), ("app.signals", 4, FAKE)]


def test_while_the_journal_is_read_messages_without_an_epoch_are_passed_on_and_others_held_back():
    router = router_of("app.")
    cursor = HistoryCursor(router, Start(StartKind.OLDEST))
    cursor.hold([frame("app.live", 0, 3, "now"), frame("app.kept", 7, 5, "later")])
    row = [pack("app.other"), b"\xc4\x18" + STAMP.pack(0, 8, 1), pack("last")]
    cursor.hold([b"app." + NUL + STAMP.pack(7, 0, 1) + b"\x91\x93" + b"".join(row)])
    assert seen(router) == [("app.live", 3, "now")]
    cursor._drop_held()
    assert seen(router) == [("app.live", 3, "now"), ("app.other", 8, "last")]

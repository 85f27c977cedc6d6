"""The rules of a subscriber's frames: literal messages in, events or ticks and requests out; no sockets."""

import time

import pytest

from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.subscriber.sinks import EventSink, NewestSink, TickSink
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP, array_header, encode_publication, pack
from hulak.bus.wire.messages import Stamp, Tick

EPOCH = 7


def join_bodies(bodies, count):
    """Join packed bodies into one packed array."""
    return codec.array_header(count) + b"".join(bodies)


def body(price):
    return codec.pack_tick(Tick("X", float(price), price + 0.5, 1, "test"))


def tick(number, topic="tick.X", epoch=EPOCH):
    return encode_publication(topic.encode(), Stamp(epoch, number, 5), body(number))


def ticks(first, count):
    rows = join_bodies([body(number) for number in range(first, first + count)], count)
    return encode_publication(b"ticks", Stamp(EPOCH, first, 5), rows)


def snapshot(prefix, **last):
    rows = [b"\x93" + pack(f"tick.{name}") + pack(STAMP.pack(EPOCH, number, 5)) + body(number) for name, number in last.items()]
    return prefix.encode() + NUL + STAMP.pack(EPOCH, 0, 5) + array_header(len(rows)) + b"".join(rows)


def heartbeat(all_of_them=0, **last):
    body_ = pack({"ticks": all_of_them, "topics": {f"tick.{name}": number for name, number in last.items()}})
    return encode_publication(b"heartbeat", Stamp(EPOCH, 1, 5), body_)


HELLO = encode_publication(b"hulak.hello", Stamp(EPOCH, 1, 5), pack({"protocol": 1}))


def follow(*topics, sink=None, lossless=True):
    return FrameRouter([subscription(topic) for topic in topics], sink or EventSink(), lossless=lossless, hold=100)


def numbers(router):
    sequences = [event.stamp.sequence for event in router.sink.items]
    router.sink.items.clear()
    return sequences


def test_the_next_message_is_delivered_and_a_missing_one_requested():
    router = follow("tick.X")
    router.take([tick(5), tick(6), HELLO, tick(9)])
    assert numbers(router) == [5, 6]
    assert router.asks == [("tick.X", Ask(7, 8))]
    router.replayed("tick.X", [[70, tick(7)], [80, tick(8)]])
    router.replay_ended("tick.X", None)
    assert numbers(router) == [7, 8, 9]
    router.take([tick(10)])
    assert numbers(router) == [10]


class RecordingLogger:
    """Keeps the events that it gets."""

    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = info


def test_a_replay_and_a_loss_are_logged_and_nothing_else():
    logger = RecordingLogger()
    router = FrameRouter([subscription("tick.X")], EventSink(), lossless=True, hold=100, logger=logger)
    router.take([tick(1), tick(2)])
    assert logger.events == []
    router.take([tick(5)])
    assert logger.events == [("replay requested", {"topic": "tick.X", "first": 3, "last": 4})]
    router.too_old("tick.X", 5)
    event, fields = logger.events[1]
    assert (event, fields["topic"], fields["first"], fields["last"]) == ("messages lost", "tick.X", 3, 4)
    assert len(logger.events) == 2


@pytest.mark.parametrize(("topics", "before"), [(["tick.X"], []), (["tick."], [snapshot("tick.", Y=4)]), ([""], [snapshot("")])])
def test_a_topic_that_was_new_after_joining_is_requested_from_its_first_message(topics, before):
    router = follow(*topics)
    router.take([*before, HELLO, tick(3)])
    router.sink.items.clear()
    assert router.asks == [("tick.X", Ask(1, 2))]


@pytest.mark.parametrize("topics", [["tick.X"], ["tick."]])
def test_a_new_topic_whose_only_messages_were_lost_is_detected_by_the_heartbeat(topics):
    router = follow(*topics)
    router.take([snapshot("tick.", Y=4), HELLO, heartbeat(X=2, Z=1)] if topics == ["tick."] else [HELLO, heartbeat(X=2, Z=1)])
    assert ("tick.X", Ask(1, 2)) in router.asks
    assert (("tick.Z", Ask(1, 1)) in router.asks) == (topics == ["tick."])


def test_without_a_last_value_a_topic_begins_with_the_first_message_that_comes():
    router = follow("tick.X*")
    router.take([HELLO, tick(3)])
    assert numbers(router) == [3]
    assert router.asks == []


def test_a_topic_begins_with_the_last_value_at_joining():
    router = follow("tick.X")
    router.take([tick(3), HELLO, tick(4)])
    assert numbers(router) == [3, 4]
    assert router.asks == []


def test_all_ticks_begin_with_the_number_that_the_empty_answer_names():
    router = follow("ticks")
    router.take([ticks(11, 0), HELLO, ticks(11, 3), ticks(14, 1)])
    assert numbers(router) == [11, 12, 13, 14]
    router.take([heartbeat(16)])
    assert router.asks == [("ticks", Ask(15, 16))]


def test_ticks_as_values_are_those_of_the_bodies_and_a_malformed_one_is_skipped_and_counted():
    router = follow("ticks", sink=TickSink())
    odd = encode_publication(b"ticks", Stamp(EPOCH, 3, 5), array_header(2) + pack({"symbol": "X"}) + body(4))
    router.take([ticks(1, 0), ticks(1, 2), odd, ticks(5, 1)])
    assert [item.bid for item in router.sink.items] == [1.0, 2.0, 4.0, 5.0]
    assert router.malformed == 1
    assert router.asks == []


def test_by_symbol_a_malformed_body_keeps_its_number():
    router = follow("tick.X", sink=TickSink())
    broken = encode_publication(b"tick.X", Stamp(EPOCH, 2, 5), pack({"symbol": 5}))
    router.take([tick(1), broken, tick(3)])
    assert [item.bid for item in router.sink.items] == [1.0, 3.0]
    assert router.malformed == 1
    assert router.asks == []


LATIN = body(3).replace(b"test", b"t\xf6st")  # whose text is not UTF-8
NO_TIME = b"\x81\xa1t\xc7\x03\xff\x00\x00\x00"  # a time of 3 bytes: nothing reads it


@pytest.mark.parametrize("replayed", [False, True])
def test_a_malformed_body_in_ticks_does_not_affect_the_others(replayed):
    router = follow("ticks")
    router.take([ticks(1, 0), ticks(1, 1)])
    if replayed:
        router.take([ticks(6, 1)])
        rows = [[number, tick(number)[:31] + bad_body] for number, bad_body in enumerate((body(2), LATIN, NO_TIME, body(5)), 2)]
        router.replayed("ticks", rows)
        router.replay_ended("ticks", None)
    else:
        bodies = join_bodies([body(2), LATIN, NO_TIME, body(5)], 4)
        router.take([encode_publication(b"ticks", Stamp(EPOCH, 2, 5), bodies), ticks(6, 1)])
    assert [(event.stamp.sequence, event.body["source"]) for event in router.sink.items] == [
        (1, "test"), (2, "test"), (3, "t\ufffdst"), (5, "test"), (6, "test")
    ]  # fmt: skip
    assert (router.malformed, len(router.asks)) == (1, int(replayed))


@pytest.mark.parametrize("bad", [LATIN, NO_TIME, body(3)[:-5] + b"\x91" * 900 + b"\xc0"])
def test_as_values_a_malformed_body_is_skipped_in_every_position(bad):
    live, by_topic, again = (follow(topic, sink=TickSink()) for topic in ("ticks", "tick.X", "ticks"))
    joined = join_bodies([body(1), bad, body(2)], 3)
    live.take([ticks(1, 0), encode_publication(b"ticks", Stamp(EPOCH, 1, 5), joined)])
    by_topic.take([tick(1), encode_publication(b"tick.X", Stamp(EPOCH, 2, 5), bad), tick(3)])
    again.take([ticks(1, 0), ticks(1, 1), ticks(4, 1)])
    again.replayed("ticks", [[2, tick(2)[:31] + bad], [3, tick(3)]])
    again.replay_ended("ticks", None)
    assert [[tick.bid for tick in each.sink.items] for each in (live, by_topic, again)] == [
        [1.0, 2.0],
        [1.0, 3.0],
        [1.0, 3.0, 4.0],
    ]
    assert [each.malformed for each in (live, by_topic, again)] == [1, 1, 1]


def test_a_snapshot_with_a_body_that_is_not_utf8_returns_all_of_its_rows():
    router = follow("tick.")
    rows = [
        b"\x93" + pack(f"tick.{name}") + pack(STAMP.pack(EPOCH, 4, 5)) + packed for name, packed in (("X", body(4)), ("Y", LATIN))
    ]
    router.take([b"tick.\0" + STAMP.pack(EPOCH, 0, 5) + array_header(2) + b"".join(rows)])
    assert [(event.topic, event.body["source"]) for event in router.sink.items] == [("tick.X", "test"), ("tick.Y", "t\ufffdst")]


def test_a_heartbeat_of_many_topics_costs_a_subscriber_of_many_no_more_than_their_number():
    names = [f"S{number}" for number in range(10_000)]
    router = follow(*(f"tick.{name}" for name in names))
    router.take([HELLO])
    began = time.process_time()
    router.take([heartbeat(0, **dict.fromkeys(names, 1), **{f"OTHER{number}": 1 for number in range(10_000)})])
    assert time.process_time() - began < 5  # seconds; each topic with each subscription takes minutes
    assert len(router.asks) == len(names)


def test_the_latest_mode_keeps_one_message_of_each_topic():
    router = follow("tick.", sink=NewestSink(), lossless=False)
    router.take([tick(1), tick(2), tick(9, "tick.Y"), tick(7)])
    assert {topic: event.stamp.sequence for topic, event in router.sink.items.items()} == {"tick.X": 7, "tick.Y": 9}


def test_the_topic_that_has_waited_longest_is_read_first_as_its_newest():
    router = follow("tick.", sink=NewestSink(), lossless=False)
    router.take([tick(1), tick(9, "tick.Y"), tick(2)])
    assert [router.sink.pop().stamp.sequence for _ in range(2)] == [2, 9]


@pytest.mark.parametrize("topic", ["ticks", "tick.X"])
def test_events_before_ticks_were_wanted_as_values_come_as_values_too(topic):
    router, before = follow(topic), EventSink()
    router.sink = before
    message = (lambda number: ticks(number, 1)) if topic == "ticks" else tick
    router.take([*([ticks(1, 0)] if topic == "ticks" else []), message(1), HELLO, message(4)])
    sink = TickSink()
    router.give_ticks_to(sink, before.items)
    router.replayed(topic, [[2, tick(2)], [3, tick(3)]])
    router.replay_ended(topic, None)
    router.take([message(5)])
    assert [item.bid for item in sink.take()] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (sink.take(), router.malformed) == ([], 0)


def test_any_bytes_are_counted_and_have_no_other_effect():
    router = follow("tick.X")
    for frame in (b"", b"tick.X", b"tick.X\0", tick(1)[:20], b"\xff\0" + bytes(30), heartbeat()[:-1]):
        router.take([frame])
    assert router.malformed == 6
    router.take([tick(1), b"tick.X\0abc", tick(2)])
    assert numbers(router) == [1, 2]

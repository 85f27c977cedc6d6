"""Ticks with their numbers in batches, and the other messages of a display worker."""

from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sequence_tracker import Ask
from hulak.bus.subscriber.sinks import ChunkSink
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp, Tick

TICKS, DISPLAYS = b"ticks\0", b"displays\0"


def join_bodies(bodies, count):
    """Join packed bodies into one packed array."""
    return codec.array_header(count) + b"".join(bodies)


def router():
    return FrameRouter([TICKS, DISPLAYS], ChunkSink(), lossless=True, hold=100)


def tick(number):
    return Tick("X", float(number), number + 0.5, 1, "test")


def batch(first, count):
    bodies = [codec.pack_tick(tick(number)) for number in range(first, first + count)]
    return codec.encode_publication(b"ticks", Stamp(7, first, 1), join_bodies(bodies, count))


def given(subject):
    return [(chunk.first, [item and item.bid for item in chunk.items]) for chunk in subject.sink.chunks]


def test_chunks_have_the_numbers_of_the_global_order():
    subject = router()
    subject.take([batch(41, 0), batch(41, 3), batch(44, 1)])
    assert given(subject) == [(41, [41.0, 42.0, 43.0]), (44, [44.0])]


def test_missed_ticks_are_requested_and_returned_in_their_place():
    subject = router()
    subject.take([batch(1, 2), batch(5, 1)])
    assert subject.asks == [("ticks", Ask(3, 4))]
    rows = [[number, codec.encode_publication(b"tick.X", Stamp(7, 1, 1), codec.pack_tick(tick(number)))] for number in (3, 4)]
    subject.replayed("ticks", rows)
    subject.replay_ended("ticks", None)
    assert [number for first, bids in given(subject) for number in range(first, first + len(bids))] == [1, 2, 3, 4, 5]


def test_a_malformed_tick_holds_its_numbers_place():
    subject = router()
    body = codec.array_header(2) + codec.pack({"symbol": 5}) + codec.pack_tick(tick(2))
    subject.take([codec.encode_publication(b"ticks", Stamp(7, 1, 1), body)])
    assert (given(subject), subject.malformed) == ([(1, [None, 2.0])], 1)


def test_other_topics_come_as_events_and_heartbeats_have_their_last_numbers():
    subject = router()
    heartbeat = {"ticks": 0, "topics": {"displays": 3, "tick.X": 9}}
    subject.take(
        [
            codec.encode_publication(b"displays", Stamp(7, 2, 1), codec.pack({"rows": []})),
            codec.encode_publication(b"heartbeat", Stamp(7, 8, 1), codec.pack(heartbeat)),
        ]
    )
    assert [(event.topic, event.stamp.sequence, event.body) for event in subject.sink.events] == [("displays", 2, {"rows": []})]
    assert subject.last_sequences == {"displays": 3}

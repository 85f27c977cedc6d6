"""The messages that a subscriber's reader gets, and the number that waits; without real sockets."""

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.subscriber.events import subscription
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sinks import EventSink, NewestSink
from hulak.bus.subscriber.subscriber import Subscriber
from hulak.bus.wire.codec import encode_publication, pack_tick
from hulak.bus.wire.messages import Stamp, Tick

TURN = 100  # messages that come at a time


class Flood:
    """Receives one message in each call."""

    def __init__(self, router):
        self.router, self.number = router, 0

    def receive(self):
        self.router.take([self.message() for _ in range(TURN)])
        return True

    def message(self):
        self.number += 1
        body = pack_tick(Tick("X", float(self.number), self.number + 0.5, 1, "test"))
        return encode_publication(b"tick.X", Stamp(7, self.number, 5), body)


def reader(sink):
    subscriber = Subscriber.__new__(Subscriber)
    subscriber._events, subscriber._ticks, subscriber._conflates = sink, None, isinstance(sink, NewestSink)
    subscriber._router = FrameRouter([subscription("tick.X")], sink, lossless=not subscriber._conflates, hold=100)
    subscriber._receiver = Flood(subscriber._router)
    return subscriber


def test_no_more_is_received_while_messages_wait_to_be_read():
    subscriber, most = reader(EventSink()), 0
    for number in range(1, 501):
        assert subscriber.poll(0).stamp.sequence == number
        most = max(most, len(subscriber._events.items))
    assert most < TURN


def test_the_latest_mode_receives_all_messages_at_each_read_and_keeps_one_of_each_topic():
    subscriber = reader(NewestSink())
    assert [subscriber.poll(0).stamp.sequence for _ in range(3)] == [TURN, 2 * TURN, 3 * TURN]
    assert len(subscriber._events.items) == 0


def test_ticks_as_values_begin_with_the_waiting_events():
    subscriber = reader(EventSink())
    assert subscriber.poll(0).stamp.sequence == 1
    assert [tick.bid for tick in subscriber.poll_ticks(0)] == [float(number) for number in range(2, TURN + 1)]
    assert [tick.bid for tick in subscriber.poll_ticks(0)] == [float(TURN + number) for number in range(1, TURN + 1)]


def test_the_latest_mode_refuses_to_return_every_tick():
    with pytest.raises(ConfigError, match="latest"):
        reader(NewestSink()).poll_ticks(0)

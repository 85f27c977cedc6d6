"""Ticks of single topics that a ring gives together: a router delivers them as if they had come as frames."""

import random

import pytest
from ring_fixture import RingFixture, Turns

from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.sinks import EventSink, TickSink
from hulak.bus.wire.ring_format import PickedTicks

SYMBOLS = ("EURUSD", "USDJPY", "NABIL", "BTCUSD")
BODY = {"bid": 1.0, "ask": 2.0, "timestamp": 1_700_000_000_000, "source": "x"}


class Side:
    """A reader with its router; `together` as given."""

    def __init__(self, ring, subscriptions, *, together):
        self.reader = ring.reader(*subscriptions)
        self.reader.together = together
        self.sink = TickSink()
        self.router = FrameRouter(subscriptions, self.sink, lossless=True, hold=1000)
        self.picked = 0

    def read(self):
        while records := self.reader.read():
            self.picked += sum(type(record) is PickedTicks for record in records)
            assert self.router.take_records(records) == len(records)

    def result(self):
        router = self.router
        expected = {topic: (tracker.expected, tracker.epoch, tracker.state) for topic, tracker in router.trackers.items()}
        return [(tick.symbol, tick.bid) for tick in self.sink.items], expected, router.counters(), router.asks


def write(ring, turns, *symbols, bid=1.0, **body):
    ring.write(*symbols, turns=turns, **{**BODY, "bid": bid, **body})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("subscriptions", [(b"tick.",), tuple(f"tick.{symbol}\0".encode() for symbol in SYMBOLS[:3])])
def test_ticks_together_are_the_ticks_of_the_frames_whatever_is_missing(seed, subscriptions):
    draw, ring, turns = random.Random(seed), RingFixture(1 << 16), Turns()
    sides = [Side(ring, subscriptions, together=together) for together in (True, False)]
    for number in range(200):
        symbols = draw.choices(SYMBOLS, k=draw.randrange(1, 9))
        if number in (120, 160):  # a turn that the ring does not have: a gap, which is not repaired here
            turns.turn(*symbols, **BODY)
        else:
            write(ring, turns, *symbols, bid=float(number))
        if draw.random() < 0.3:
            for side in sides:
                side.read()
    for side in sides:
        side.read()
    assert sides[0].result() == sides[1].result()
    assert sides[0].router.asks, "no gap was met"
    assert sides[0].picked > 50
    assert sides[1].picked == 0


def test_a_malformed_tick_costs_its_neighbours_nothing():
    ring, turns = RingFixture(1 << 16), Turns()
    sides = [Side(ring, (b"tick.",), together=together) for together in (True, False)]
    write(ring, turns, "EURUSD", "USDJPY")
    write(ring, turns, "EURUSD", "USDJPY", timestamp="late")
    write(ring, turns, "EURUSD", "USDJPY", bid=3.0)
    for side in sides:
        side.read()
    assert sides[0].result() == sides[1].result()
    assert sides[0].router.counters()["malformed"] == 2
    assert [tick.bid for tick in sides[0].sink.items] == [1.0, 1.0, 3.0, 3.0]


def test_few_wanted_ticks_of_a_record_come_as_frames():
    ring, turns = RingFixture(1 << 16), Turns()
    side = Side(ring, (b"tick.EURUSD\0",), together=True)
    write(ring, turns, "EURUSD", "USDJPY", "NABIL")
    write(ring, turns, "EURUSD", "USDJPY")
    side.read()
    assert (side.picked, len(side.sink.items)) == (1, 2)


def test_only_ticks_that_are_wanted_as_values_are_given_together():
    for sink, wanted in ((EventSink(), False), (TickSink(), True)):
        assert FrameRouter((b"tick.",), sink, lossless=True, hold=10).gives_ticks is wanted

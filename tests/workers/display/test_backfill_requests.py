"""The way to the journal: one connection for all, bounded, in turn, and what was folded is kept whatever happens to it."""

import time
from itertools import islice

import pytest
from display_worker_fixture import DisplayWorkerFixture, made

from hulak.bus.subscriber.replay_requests import OtherEpoch, ReplayEnded, ReplayRows, TooOld
from hulak.workers.display import backfill_requests
from hulak.workers.display.backfill_requests import FOLDS, MOST_ROWS, SILENT_S, BackfillRequests
from hulak.workers.display.display_set import INITIALISATION
from hulak.workers.display.managed_display import Phase

AT_ONCE, LATER = 0.0, float("inf")


class Line:
    """A fake of `ReplayRequests`: it records requests and returns prepared answers."""

    made = ()

    def __init__(self, *_):
        Line.made = (*Line.made, self)
        self.asked = []  # (topic, first, last, epoch)
        self.coming = []
        self.forgotten = []
        self.socket = "a socket"

    def ask(self, topic, ask, epoch=0):
        self.asked.append((topic, ask.first, ask.last, epoch))

    def answers(self):
        while self.coming:
            yield self.coming.pop(0)

    def ask_again(self):
        pass

    def forget(self, topic):
        self.forgotten.append(topic)

    def next_due(self):
        return None

    def close(self):
        self.socket = None


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(backfill_requests, "ReplayRequests", Line)
    monkeypatch.setattr(Line, "made", ())
    made_world = DisplayWorkerFixture()
    made_world.backfills = BackfillRequests(made_world.display_set, None, None)
    yield made_world
    made_world.backfills.close()


def line():
    return Line.made[-1]


def begin(world):
    world.backfills.begin(world.now, LATER)


def step(world, until=LATER):
    world.backfills.step(world.now, until)


def rows(world, symbol, numbers):
    world.journal += [symbol] * (max(numbers) - len(world.journal))
    return ReplayRows(f"tick.{symbol}\0", [[number, world.frame(number)] for number in numbers])


def two_symbols(world):
    world.tick(*["X", "Y"] * 3)
    world.display_set.position = 7
    for symbol in ("X", "Y"):
        world.assign(symbol.lower(), symbol)
    begin(world)


def test_many_symbols_are_asked_for_at_once_over_one_connection(world):
    two_symbols(world)
    assert line().asked == [("tick.X\0", 1, 6, 0), ("tick.Y\0", 1, 6, 0)]
    line().coming = [rows(world, "X", [1, 3]), rows(world, "Y", [2, 4, 6]), ReplayEnded("tick.X\0", 4)]
    step(world)
    assert line().asked[2:] == [("tick.X\0", 4, 6, 0)]
    line().coming = [
        ReplayRows("tick.Z\0", [[1, b""]]),
        ReplayEnded("tick.Y\0", None),
        rows(world, "X", [5]),
        ReplayEnded("tick.X\0", None),
    ]
    step(world)
    assert [item.phase for item in world.display_set.held.values()] == [Phase.LIVE] * 2
    assert (world.backfills.busy, world.backfills.rows) == (False, 0)
    begin(world)
    assert (world.backfills.running, len(Line.made)) == ({}, 1)
    world.check()


def test_rounds_take_turns_and_each_turn_is_bounded(world):
    world.journal = ["X"] * 1000 + ["Y"] * 10
    world.display_set.position = 1011
    for symbol in ("X", "Y"):
        world.assign(symbol.lower(), symbol)
    begin(world)
    line().coming = [rows(world, "X", range(1, 1001)), rows(world, "Y", range(1001, 1011))]
    step(world, AT_ONCE)  # the time is over before it has begun
    assert world.backfills.busy
    item, other = world.display_set.held["x"], world.display_set.held["y"]
    assert (len(item.state.bids), len(other.state.bids)) == (0, 0)
    ends = iter([time.monotonic() + 3600] * 2)

    class Clock:
        @staticmethod
        def monotonic():
            return next(ends, LATER)

    backfill_requests.time, real = Clock, backfill_requests.time
    try:
        step(world, time.monotonic() + 7200)
    finally:
        backfill_requests.time = real
    assert (len(item.state.bids), len(other.state.bids)) == (FOLDS, 10)
    step(world)
    assert len(item.state.bids) == 1000


def test_many_displays_of_one_symbol_are_given_fewer_rows_at_a_time(world):
    world.journal = ["X"] * 100
    world.display_set.position = 101
    for number in range(64):
        world.assign(f"d{number}")
    begin(world)
    (item,) = world.backfills.running.values()
    item.answers.append(rows(world, "X", range(1, 101)))
    world.backfills.rows = 100
    world.backfills._take(item, world.now)
    assert {len(held.state.bids) for held in world.display_set.held.values()} == {FOLDS // 64}
    assert world.backfills.rows == 100 - FOLDS // 64


def test_no_more_is_read_than_waits_to_be_folded(world):
    world.journal = ["X"] * 10_000
    world.display_set.position = 10_001
    world.assign("x")
    begin(world)
    parts = (rows(world, "X", range(first, first + 500)) for first in range(1, 10_001, 500))
    line().coming = list(parts)
    step(world, AT_ONCE)
    assert MOST_ROWS <= world.backfills.rows < MOST_ROWS + 500
    assert world.backfills.sockets() == []  # no wake-up for rows that are not read
    waiting = len(line().coming)
    assert waiting > 10
    step(world)
    assert (world.backfills.rows, line().coming, len(world.display_set.held["x"].state.bids)) == (0, [], 10_000)
    assert world.backfills.sockets() == ["a socket"]


def test_a_checkpoint_is_asked_for_with_its_epoch_until_the_broker_has_accepted_it(world):
    world.assign("x")
    world.settle()
    world.tick("X", "X")
    world.give()
    world.write_down()
    world.tick("X", "X")
    world.take_over()
    world.backfills.display_set = world.display_set
    begin(world)
    assert line().asked == [("tick.X\0", 3, 4, 1)]
    line().coming = [TooOld("tick.X\0", 4)]
    step(world)
    assert line().asked[1:] == [("tick.X\0", 4, 4, 1)]
    line().coming = [OtherEpoch("tick.X\0")]
    step(world)
    begin(world)
    assert line().asked[2:] == [("tick.X\0", 1, 4, 0)]
    line().coming = [rows(world, "X", [1, 2, 3, 4]), ReplayEnded("tick.X\0", None)]
    step(world)
    assert world.display_set.held["x"].phase is Phase.LIVE
    world.check()


def test_an_initialisation_error_is_reported_and_the_display_continues_from_its_state(world):
    two_symbols(world)
    line().coming = [rows(world, "X", [1, 3])]
    step(world)
    world.now += SILENT_S - 1
    line().coming = [rows(world, "Y", [2])]
    step(world)
    world.now += SILENT_S - 1
    step(world)
    assert world.display_set.troubles[INITIALISATION] == 0
    world.now += 2
    step(world)
    step(world)
    assert (len(line().asked), world.display_set.troubles[INITIALISATION]) == (2, 2)
    assert world.display_set.held["x"].state.bids == [1.0, 3.0]
    line().coming = [
        rows(world, "X", [5]),
        ReplayEnded("tick.X\0", None),
        rows(world, "Y", [4, 6]),
        ReplayEnded("tick.Y\0", None),
    ]
    step(world)
    world.check()


def test_a_round_whose_displays_have_left_is_forgotten_and_so_is_what_still_comes_for_it(world):
    two_symbols(world)
    line().coming = [rows(world, "X", [1, 3])]
    step(world, AT_ONCE)
    assert world.backfills.rows == 2
    del world.rows["x"]
    world.publish_rows()
    begin(world)
    assert (set(world.backfills.running), world.backfills.rows, line().forgotten) == ({"tick.Y\0"}, 0, ["tick.X\0"])
    line().coming = [
        rows(world, "X", [5]),
        ReplayEnded("tick.X\0", None),
        rows(world, "Y", [2, 4, 6]),
        ReplayEnded("tick.Y\0", None),
    ]
    step(world)
    world.check()
    world.assign("x", "X")  # and comes again
    begin(world)
    assert line().asked[2:] == [("tick.X\0", 1, 6, 0)]


def test_a_display_that_fails_on_the_way_leaves_its_round_and_comes_again(world):
    world.display_set.make = type("Failing", (world.make,), {"fails_at": {3.0: 1}})
    two_symbols(world)
    line().coming = [rows(world, "X", [1, 3, 5]), ReplayEnded("tick.X\0", None)]
    step(world)
    world.now += 60
    begin(world)
    assert line().asked[2:] == [("tick.X\0", 1, 6, 0)]
    line().coming = [
        rows(world, "X", [1, 3, 5]),
        ReplayEnded("tick.X\0", None),
        rows(world, "Y", [2, 4, 6]),
        ReplayEnded("tick.Y\0", None),
    ]
    step(world)
    world.check()


def test_all_rounds_together_hold_back_no_more_than_there_is_room_for(world):
    world.display_set.building.hold = 10
    two_symbols(world)
    numbers = iter(range(7, 100))
    for symbol, number in islice(zip("XXXXXXXXYYYY", numbers, strict=False), 12):
        world.journal.append(symbol)
        world.take(1, number, [made(symbol, number)], 1, world.now)
    item, other = world.display_set.building.backfills["X"], world.display_set.building.backfills["Y"]
    assert (item.held, item.overflowed, len(other.held), other.overflowed) == ([], True, 4, False)
    world.given = world.display_set.position
    first = [
        rows(world, "X", [1, 3, 5]),
        ReplayEnded("tick.X\0", None),
        rows(world, "Y", [2, 4, 6]),
        ReplayEnded("tick.Y\0", None),
    ]
    line().coming = first
    step(world)
    assert line().asked[2:] == [("tick.X\0", 7, 18, 0)]
    line().coming = [rows(world, "X", range(7, 15)), ReplayEnded("tick.X\0", None)]
    step(world)
    world.check()

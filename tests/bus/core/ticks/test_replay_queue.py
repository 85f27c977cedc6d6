"""Turns of replays of several clients, with a journal in memory and a clock that is a number."""

import pytest
from replay_fixture import MemorySegments, decode
from request_arguments import read_wanted

from hulak.bus.core.ticks.replay import Replay
from hulak.bus.core.ticks.replay_queue import CLIENT_TIMEOUT_S, PROGRESS_S, RUNNING, WAITS_S, ReplayQueue
from hulak.bus.errors import ProtocolError


def reads(address):
    return True


class Slow:
    """A library that finds nothing for long: its index is still to be made."""

    def __init__(self, shelves):
        self.shelves, self.slices = shelves, 0

    def index(self, place):
        return None

    def work(self, place):
        self.slices += 1
        return True


def replay(shelves, topic="ticks", **args):
    wanted = read_wanted({"topic": topic, **args})
    return Replay(wanted, shelves.shelves[0], shelves.number, shelves.number)


def turns(replays, count, now=0.0, reading=reads):
    return [turn for _ in range(count) for turn in replays.turn(now, reading)]


def rows(results):
    return [(turn.request, decode(row)) for turn in results for row in turn.rows or ()]


def test_clients_take_turns_so_that_a_long_replay_does_not_hold_up_a_short_one():
    shelves = MemorySegments(3000, padding=100)
    replays = ReplayQueue(shelves)
    replays.begin(b"greedy", b"long", replay(shelves), 0.0)
    replays.begin(b"modest", b"short", replay(shelves, to=2), 0.0)
    assert rows(turns(replays, 2))[-2:] == [(b"short", 1), (b"short", 2)]
    assert (len(replays), replays.served) == (1, 1)
    turns(replays, 100)
    assert (len(replays), replays.served) == (0, 2)
    assert turns(replays, 1) == []


def test_a_client_with_a_thousand_replays_delays_another_by_one_slice():
    shelves = MemorySegments(3000, padding=100)
    replays = ReplayQueue(shelves)
    for number in range(1000):
        replays.begin(b"greedy", b"%d" % number, replay(shelves, topic=f"tick.{number:04d}*"), 0.0)
    replays.begin(b"modest", b"short", replay(shelves, to=2), 0.0)
    assert rows(turns(replays, 2)) == [(b"short", 1), (b"short", 2)]


def test_some_of_a_clients_replays_take_turns_and_the_others_wait_behind_them():
    shelves = MemorySegments(3000, padding=100)
    replays = ReplayQueue(shelves)
    for number in range(RUNNING + 1):
        replays.begin(b"a", b"%d" % number, replay(shelves, topic=f"tick.{'EURUSD'[: number % 6]}*", since_ns=number + 1), 0.0)
    assert len(replays) == 6  # of one topic the newest only
    shelves.reads = 0
    results = turns(replays, 12)
    assert len({turn.request for turn in results}) == 6


def test_what_is_asked_again_takes_the_place_of_the_one_before():
    shelves = MemorySegments(30)
    replays = ReplayQueue(shelves)
    assert replays.begin(b"a", b"1", replay(shelves), 0.0) is None
    assert replays.begin(b"a", b"2", replay(shelves, topic="tick.EURUSD"), 0.0) is None
    assert replays.begin(b"b", b"3", replay(shelves), 0.0) is None
    assert replays.begin(b"a", b"4", replay(shelves, **{"from": 29}), 0.0) == b"1"
    assert (len(replays), replays.replaced) == (3, 1)
    results = turns(replays, 10)
    assert {request for request, _ in rows(results)} == {b"2", b"3", b"4"}
    assert [number for request, number in rows(results) if request == b"4"] == [29, 30]


def test_a_replay_that_finds_nothing_for_long_shows_progress():
    slow = Slow(MemorySegments(5))
    replays = ReplayQueue(slow)
    replays.begin(b"a", b"1", replay(slow.shelves), 10.0)
    assert turns(replays, 5, now=10.0 + PROGRESS_S / 2) == []
    (turn,) = turns(replays, 3, now=10.0 + PROGRESS_S)
    assert (turn.request, turn.rows, turn.replay.ended) == (b"1", [], False)
    assert turns(replays, 3, now=10.1 + PROGRESS_S) == []
    assert len(turns(replays, 3, now=10.0 + 2 * PROGRESS_S)) == 1
    assert slow.slices == 14


def test_a_client_that_does_not_read_waits_and_costs_the_others_nothing():
    shelves = MemorySegments(3000, padding=100)
    replays = ReplayQueue(shelves)
    replays.begin(b"stuck", b"1", replay(shelves), 0.0)
    replays.begin(b"well", b"2", replay(shelves, to=2), 0.0)
    stuck = {b"stuck"}

    def reading(address):
        return address not in stuck

    assert rows(turns(replays, 3, 0.0, reading)) == [(b"2", 1), (b"2", 2)]
    assert replays.next_due() == pytest.approx(WAITS_S)
    assert turns(replays, 1, 1.0, reading) == []
    stuck.clear()
    assert len({number for _, number in rows(turns(replays, 100, 2.0, reading))}) == 3000


def test_a_client_that_reads_nothing_for_long_loses_its_replays():
    shelves = MemorySegments(5)
    replays = ReplayQueue(shelves)
    replays.begin(b"stuck", b"1", replay(shelves), 0.0)
    assert turns(replays, 1, 0.0, lambda address: False) == []
    assert turns(replays, 1, CLIENT_TIMEOUT_S, lambda address: False) == []
    assert len(replays) == 1
    assert turns(replays, 1, CLIENT_TIMEOUT_S + 1, lambda address: False) == []
    assert (len(replays), replays.abandoned) == (0, 1)


def test_more_replays_than_allowed_are_refused_and_a_clients_are_dropped_with_it():
    shelves = MemorySegments(5)
    replays = ReplayQueue(shelves, per_client=2, most=3)
    for address, topic in ((b"a", "ticks"), (b"a", "tick.EURUSD"), (b"b", "ticks")):
        replays.begin(address, b"1", replay(shelves, topic=topic), 0.0)
    for address, text in ((b"a", "2 replays of this client"), (b"c", "3 replays are")):
        with pytest.raises(ProtocolError, match=text) as caught:
            replays.begin(address, b"2", replay(shelves, topic="tick.USDJPY"), 0.0)
        assert caught.value.code == "BUSY"
    replays.drop(b"a")
    replays.drop(b"nobody")
    assert (len(replays), replays.abandoned) == (1, 2)
    assert {turn.address for turn in turns(replays, 3)} == {b"b"}


def test_a_replay_without_parts_sends_none_not_even_of_progress():
    shelves = Slow(MemorySegments(5))
    replays = ReplayQueue(shelves)
    replays.begin(b"req", b"1", replay(shelves.shelves, parts=False), 0.0)
    assert turns(replays, 1, PROGRESS_S) == []
    assert shelves.slices == 1

"""Replays with a journal in memory: the requested ticks, in slices, past damage, to the end."""

import pytest
from replay_fixture import MemorySegments, run
from request_arguments import read_wanted

from hulak.bus.core.ticks.replay import MAX_MISSING, PART_BYTES, REPLY_BYTES, SLICE_BYTES, Replay

# Ranges


def test_everything_comes_in_order_over_segments():
    assert MemorySegments(5, 7, 3).replay() == (list(range(1, 16)), {"count": 15, "next": None, "missing": []})


def test_a_range_of_all_ticks_is_inclusive_at_both_ends():
    assert MemorySegments(5, 7).replay(from_=4, to=8)[0] == [4, 5, 6, 7, 8]


def test_a_range_of_a_topic_is_in_its_own_numbers():
    assert MemorySegments(10).replay(topic="tick.USDJPY", from_=2, to=4) == ([4, 6, 8], {"count": 3, "next": None, "missing": []})


def test_a_prefix_takes_its_topics_in_the_one_order():
    shelves = MemorySegments(6)
    assert shelves.replay(topic="tick.")[0] == [1, 2, 3, 4, 5, 6]
    assert shelves.replay(topic="tick.EUR*", from_=2)[0] == [3, 5]


def test_a_topic_with_its_nul_is_that_one_alone_in_the_one_order():
    shelves = MemorySegments(6)
    assert shelves.replay(topic="tick.EURUSD\0", from_=2)[0] == [3, 5]
    assert shelves.replay(topic="tick.EUR\0")[0] == []


def test_times_bound_it_too_and_nothing_outside_them_is_called_missing():
    summary = {"count": 4, "next": None, "missing": []}
    assert MemorySegments(6, 6).replay(since_ns=5, until_ns=8) == ([5, 6, 7, 8], summary)
    assert MemorySegments(6, 6).replay(until_ns=4) == ([1, 2, 3, 4], summary)
    assert MemorySegments(6, 6).replay(topic="tick.EURUSD", until_ns=7) == ([1, 3, 5, 7], summary)


def test_what_is_written_after_the_request_is_live_and_not_replayed():
    shelves = MemorySegments(5)
    replay = Replay(read_wanted({"topic": "ticks"}), shelves.shelves[0], shelves.number, shelves.number)
    shelves.write()
    assert run(replay, shelves) == [1, 2, 3, 4, 5]


def test_a_range_beyond_the_newest_gives_nothing_and_misses_nothing():
    assert MemorySegments(5).replay(from_=6, to=9) == ([], {"count": 0, "next": None, "missing": []})


def test_it_may_begin_at_a_place_that_is_known():
    shelves = MemorySegments(9)
    replay = Replay(read_wanted({"topic": "tick.EURUSD", "from": 3}), shelves.shelves[0], 9, 5, at=4)
    assert run(replay, shelves) == [5, 7, 9]


# Slices


def test_a_step_reads_one_bounded_slice():
    shelves = MemorySegments(3000, padding=100)
    replay = Replay(read_wanted({"topic": "ticks"}), shelves.shelves[0], 3000, 3000)
    shelves.sizes = []
    while not replay.ended:
        reads = shelves.reads
        replay.step(shelves)
        assert shelves.reads <= reads + 1
    assert SLICE_BYTES - 400 < max(shelves.sizes) <= SLICE_BYTES


def test_a_record_longer_than_a_slice_is_read_whole():
    assert MemorySegments(3, padding=2 * SLICE_BYTES).replay()[0] == [1, 2, 3]


def test_parts_are_of_a_bounded_size():
    shelves = MemorySegments(3000, padding=100)
    replay, sizes = Replay(read_wanted({"topic": "ticks"}), shelves.shelves[0], 3000, 3000), []
    while not replay.ended:
        rows = replay.step(shelves)
        if rows:
            sizes.append(sum(len(frame) for _, frame in rows))
    assert len(sizes) > 3
    assert all(PART_BYTES <= size < 2 * PART_BYTES for size in sizes[:-1])


@pytest.mark.parametrize("topic", ["ticks", "tick.EURUSD"])
def test_a_full_reply_names_the_next_number_and_repeated_requests_get_all(topic):
    shelves = MemorySegments(200, 300, padding=10_000)
    replayed, first, replies = [], 1, 0
    while first is not None:
        numbers, summary = shelves.replay(topic=topic, from_=first)
        assert 10_000 * (len(numbers) - 1) <= REPLY_BYTES
        assert summary["missing"] == []
        replayed, first, replies = replayed + numbers, summary["next"], replies + 1
    assert replayed == [number for number in range(1, 501) if topic == "ticks" or number % 2]
    assert replies > 2


# Damage


def test_damaged_ticks_are_never_served_and_are_named_as_missing():
    shelves = MemorySegments(20, 20)
    for number in (4, 5, 6, 25, 40):
        shelves.damage(number)
    numbers, summary = shelves.replay()
    assert numbers == [number for number in range(1, 41) if number not in (4, 5, 6, 25, 40)]
    assert summary["missing"] == [[4, 6], [25, 25], [40, 40]]


def test_what_is_missing_of_a_topic_is_named_in_its_own_numbers():
    shelves = MemorySegments(20)
    for number in (1, 5, 6):
        shelves.damage(number)
    assert shelves.replay(topic="tick.EURUSD")[1]["missing"] == [[1, 1], [3, 3]]


def test_a_segment_that_is_gone_is_named_as_missing():
    shelves = MemorySegments(5, 5, 5)
    del shelves.shelves[1].data[:]
    numbers, summary = shelves.replay()
    assert (numbers, summary["missing"]) == ([1, 2, 3, 4, 5, 11, 12, 13, 14, 15], [[6, 10]])


def test_the_list_of_what_is_missing_is_bounded():
    shelves = MemorySegments(3 * MAX_MISSING)
    for number in range(2, 3 * MAX_MISSING, 2):
        shelves.damage(number)
    assert len(shelves.replay()[1]["missing"]) == MAX_MISSING


def test_without_parts_all_ticks_come_in_the_reply_which_is_bounded():
    shelves = MemorySegments(3000, padding=1000)
    first = Replay(read_wanted({"topic": "ticks", "parts": False}), shelves.shelves[0], shelves.number, shelves.number)
    assert run(first, shelves) == []
    summary = first.summary()
    assert [number for number, _ in summary["ticks"]] == list(range(1, summary["next"]))
    assert REPLY_BYTES <= sum(len(frame) for _, frame in summary["ticks"]) < REPLY_BYTES + 2000
    rest = Replay(read_wanted({"topic": "ticks", "from": 2999, "parts": False}), shelves.shelves[0], 3000, 3000)
    run(rest, shelves)
    assert [number for number, _ in rest.summary()["ticks"]] == [2999, 3000]

"""Timers, with plain numbers for time."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.core.tasks.timers import Timers


def made(**due):
    timers = Timers()
    for key, at in due.items():
        timers.set(key, at)
    return timers


def test_nothing_set_is_never_due():
    timers = Timers()
    assert (len(timers), timers.next(), list(timers.due(1e9))) == (0, None, [])


def test_what_is_due_comes_earliest_first_and_once():
    timers = made(b=2.0, a=1.0, c=3.0)
    assert timers.next() == 1.0
    assert list(timers.due(2.0)) == ["a", "b"]
    assert list(timers.due(2.0)) == []
    assert timers.next() == 3.0


def test_of_equal_times_the_one_set_first_comes_first_and_setting_again_counts():
    timers = made(a=1.0, b=1.0)
    timers.set("a", 1.0)
    assert list(timers.due(1.0)) == ["b", "a"]


def test_setting_a_key_again_moves_it_either_way():
    timers = made(a=5.0, b=5.0)
    timers.set("a", 1.0)
    timers.set("b", 9.0)
    assert (timers.next(), list(timers.due(8.0)), len(timers)) == (1.0, ["a"], 1)


def test_a_cancelled_key_is_not_due_and_an_unknown_one_may_be_cancelled():
    timers = made(a=1.0, b=2.0)
    timers.cancel("a")
    timers.cancel("never set")
    assert (timers.next(), list(timers.due(9.0))) == (2.0, ["b"])


def test_a_key_set_while_due_ones_are_read_comes_in_the_same_reading_only_if_it_is_due():
    timers = made(a=1.0)
    seen = []
    for key in timers.due(2.0):
        seen.append(key)
        if key == "a":
            timers.set("now", 2.0)
            timers.set("later", 2.5)
    assert seen == ["a", "now"]


def test_a_key_moved_while_due_ones_are_read_is_due_at_its_new_time_only():
    timers = made(a=1.0, b=1.5)
    for key in timers.due(2.0):
        assert key == "a"
        timers.set("b", 9.0)
    assert timers.next() == 9.0


def test_memory_stays_within_twice_the_active_keys_even_if_one_is_set_to_the_same_time_repeatedly():
    timers = Timers()
    for _ in range(10_000):
        timers.set("same", 5.0)
    assert len(timers._heap) <= 2 * 1 + 64
    for number in range(10_000):
        timers.set(number, float(number))
    for number in range(10_000):
        timers.cancel(number)
    assert len(timers._heap) <= 2 * 1 + 64


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)))), st.integers(0, 20))
def test_due_keys_are_those_of_a_plain_table_after_any_settings_and_cancellations(steps, now):
    timers, table = Timers(), {}
    for key, due in steps:
        if due is None:
            timers.cancel(key)
            table.pop(key, None)
        else:
            timers.set(key, float(due))
            table[key] = due
    assert timers.next() == min(table.values(), default=None)
    came = list(timers.due(now))
    assert [table[key] for key in came] == sorted(due for due in table.values() if due <= now)
    assert len(timers) == len(table) - len(came)


# Times that are nearly always cancelled


def test_keys_of_several_lengths_are_due_in_order_among_those_of_exact_times():
    timers = Timers()
    timers.set_after("long", 100.0, 5.0)
    timers.set_after("short", 101.0, 1.0)
    timers.set("exact", 103.0)
    timers.set_after("second", 101.5, 1.0)
    assert (timers.next(), len(timers)) == (102.0, 4)
    assert list(timers.due(101.9)) == []
    assert list(timers.due(105.0)) == ["short", "second", "exact", "long"]
    assert (timers.next(), len(timers)) == (None, 0)


def test_what_was_cancelled_is_not_due_and_may_be_set_again():
    timers = Timers()
    timers.set_after("a", 100.0, 1.0)
    timers.cancel_after("a", 1.0)
    timers.cancel_after("a", 1.0)
    timers.set_after("b", 100.5, 1.0)
    timers.set_after("a", 100.6, 1.0)
    assert list(timers.due(101.0)) == []
    assert timers.next() == 101.5
    assert list(timers.due(101.6)) == ["b", "a"]


def test_keys_may_be_cancelled_and_set_while_others_are_found_due():
    timers = Timers()
    for key in ("a", "b", "c"):
        timers.set_after(key, 100.0, 1.0)
    timers.set("first", 100.5)
    fired = []
    for key in timers.due(102.0):
        fired.append(key)
        if key == "first":
            timers.cancel_after("b", 1.0)
            timers.cancel_after("c", 1.0)
            timers.set_after("c", 102.0, 1.0)
    assert fired == ["first", "a"]
    assert (timers.next(), list(timers.due(103.0))) == (103.0, ["c"])


def test_more_lengths_than_there_are_lanes_are_due_all_the_same():
    timers = Timers()
    for number in range(200):
        timers.set_after(number, 100.0, 1.0 + number)
    for number in range(0, 200, 2):
        timers.cancel_after(number, 1.0 + number)
    assert list(timers.due(400.0)) == list(range(1, 200, 2))
    assert len(timers) == 0


def test_lanes_agree_with_sorting_in_a_random_walk():
    chance = random.Random(5)
    timers, wanted, now = Timers(), {}, 100.0
    for step in range(5000):
        now += chance.random() * 0.1
        if chance.random() < 0.6:
            length = chance.choice((0.3, 1.0, 5.0, chance.random()))
            timers.set_after(step, now, length)
            wanted[step] = (now + length, length)
        elif wanted:
            key = chance.choice(list(wanted))
            timers.cancel_after(key, wanted.pop(key)[1])
        due = sorted(key for key, (at, _) in wanted.items() if at <= now)
        assert sorted(timers.due(now)) == due, step
        for key in due:
            del wanted[key]
        assert timers.next() is None or timers.next() <= min((at for at, _ in wanted.values()), default=math.inf)

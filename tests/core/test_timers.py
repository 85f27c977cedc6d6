"""What is due when, with plain numbers for time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.core.timers import Timers


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


def test_memory_stays_within_twice_the_living_keys_even_if_one_is_set_to_the_same_time_for_ever():
    timers = Timers()
    for _ in range(10_000):
        timers.set("same", 5.0)
    assert len(timers._heap) <= 2 * 1 + 64
    for number in range(10_000):
        timers.set(number, float(number))
    for number in range(10_000):
        timers.cancel(number)
    assert len(timers._heap) <= 2 * 1 + 64


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 20)))), st.integers(0, 20))
def test_whatever_was_set_and_cancelled_what_is_due_is_what_a_plain_table_says(steps, now):
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

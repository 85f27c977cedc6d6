"""How long tasks take."""

import pytest

from hulak.bus.wire.messages import Task
from hulak.workers.runtime.task_timings import MOST_ACTIONS, TaskTimings


def tasks(*actions):
    return [Task(bytes(16), 1, action, {}, 60_000, 75_000) for action in actions]


def test_an_action_is_short_while_it_takes_next_to_no_time():
    took = TaskTimings()
    took.took(0.0001, tasks("a"))
    assert took.short == {"a"}
    took.took(0.001, tasks("a"))
    assert took.short == set()


def test_of_several_that_were_done_in_one_go_none_is_short_any_more_if_they_took_too_long():
    took = TaskTimings()
    took.took(0.0001, tasks("a"))
    took.took(0.0001, tasks("b"))
    took.took(0.0005, tasks("a", "b", "a"))
    assert took.short == {"a", "b"}
    took.took(0.0007, tasks("a", "b", "a"))
    assert took.short == set()


def test_so_many_names_are_kept_and_no_more():
    took = TaskTimings()
    for number in range(MOST_ACTIONS + 1):
        took.took(0.0, tasks(str(number)))
    assert took.short == {str(MOST_ACTIONS)}


def test_the_mean_is_of_what_was_done_since_it_was_asked_last():
    took = TaskTimings()
    assert took.mean_s() == 0.0
    took.took(0.003, tasks("a", "b"))
    took.took(0.003, tasks("a"))
    assert took.mean_s() == pytest.approx(0.002)
    assert took.mean_s() == pytest.approx(0.002)
    took.took(0.0, tasks("a"))
    assert took.mean_s() == 1e-6

"""The task runner: a generator's values are sent as numbered parts before its result; every task ends."""

import itertools

import pytest
import structlog

from hulak.bus.errors import TaskFailed
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Task
from hulak.workers.runtime.task_runner import SoftLimit, TaskRunner

MAX_BYTES = 65_536


def counting(args):
    for number in range(args["to"]):
        yield {"at": number}
    return "all"


def failing(_):
    yield 1
    raise TaskFailed("NO_MORE", "the exchange went away", retryable=True)


def crashing(_):
    yield 1
    raise ZeroDivisionError


def large(_):
    yield b"x" * MAX_BYTES
    return "never"


def plain(args):
    return dict(args)


def slow(_):
    raise SoftLimit


def unpackable(_):
    return object()


ACTIONS = {function.__name__: function for function in (counting, failing, crashing, large, plain, slow, unpackable)}


@pytest.fixture
def do():
    """Run a task; return every message up to its result, and check the frame of each."""
    runner = TaskRunner(lambda: ACTIONS, MAX_BYTES, structlog.get_logger())
    numbers = itertools.count(1)

    def run(action, args=None):
        task = Task(bytes(15) + bytes([next(numbers)]), 2, action, args or {}, 60_000, 75_000)
        parts = []
        end = runner.carry_out(task, lambda part, frame: parts.append((part, frame)))
        parts.append((end.message, end.frame))
        for message, frame in parts:
            assert codec.decode_from_worker(frame) == message
            assert (message.task, message.attempt) == (task.id, 2)
        return [message for message, _ in parts]

    return run


def test_what_a_generator_yields_are_parts_and_what_it_returns_is_the_result(do):
    *parts, result = do("counting", {"to": 3})
    assert [(part.number, part.value) for part in parts] == [(1, {"at": 0}), (2, {"at": 1}), (3, {"at": 2})]
    assert (result.done, result.value) == (True, "all")


def test_an_action_that_gives_its_result_at_once_has_no_parts(do):
    [result] = do("plain", {"a": 1})
    assert (result.done, result.value) == (True, {"a": 1})


@pytest.mark.parametrize(
    ("action", "code", "parts"),
    [
        ("failing", "NO_MORE", 1),
        ("crashing", "CRASHED", 1),
        ("large", "TOO_LARGE", 0),
        ("slow", "SOFT_LIMIT", 0),
        ("unpackable", "CRASHED", 0),
        ("unheard", "UNKNOWN_ACTION", 0),
    ],
)
def test_a_failure_ends_the_task_as_any_failure_and_the_next_one_is_well(do, action, code, parts):
    *before, result = do(action)
    assert len(before) == parts
    assert (result.done, result.value["code"]) == (False, code)
    assert do("plain", {"a": 1})[-1].done

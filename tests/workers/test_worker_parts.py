"""A worker's task thread: what a generator yields goes out as parts, numbered, before its result."""

import itertools

import pytest
import structlog
import zmq

from bus import frames, sockets
from bus.errors import TaskFailed
from bus.messages import Result, Task, TaskPart
from workers.worker import INPROC, TaskThread

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


ACTIONS = {"counting": counting, "failing": failing, "crashing": crashing, "large": large, "plain": plain}


@pytest.fixture
def do():
    """Have a task done by a real task thread; gives every message up to its result."""
    context = zmq.Context()
    pair = sockets.make(context, zmq.PAIR)
    pair.bind(INPROC)
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[structlog.processors.JSONRenderer(default=repr)])
    thread = TaskThread(context, lambda: ACTIONS, MAX_BYTES, log)
    thread.start()
    numbers = itertools.count(1)

    def run(action, args=None):
        task = Task(bytes(15) + bytes([next(numbers)]), 2, action, args or {}, 60_000, 75_000)
        pair.send(frames.encode(task))
        messages = []
        while not messages or isinstance(messages[-1], TaskPart):
            assert pair.poll(5000), "the thread is silent"
            messages.append(frames.decode_from_worker(pair.recv()))
            assert (messages[-1].task, messages[-1].attempt) == (task.id, 2)
        return messages

    yield run
    pair.close()
    context.term()
    thread.join(5)
    assert not thread.is_alive()


def test_what_a_generator_yields_are_parts_and_what_it_returns_is_the_result(do):
    *parts, result = do("counting", {"to": 3})
    assert [(part.number, part.value) for part in parts] == [(1, {"at": 0}), (2, {"at": 1}), (3, {"at": 2})]
    assert isinstance(result, Result)
    assert (result.done, result.value) == (True, "all")


def test_an_action_that_gives_its_result_at_once_has_no_parts(do):
    [result] = do("plain", {"a": 1})
    assert (result.done, result.value) == (True, {"a": 1})


@pytest.mark.parametrize(
    ("action", "code", "parts"), [("failing", "NO_MORE", 1), ("crashing", "CRASHED", 1), ("large", "TOO_LARGE", 0)]
)
def test_a_failure_after_parts_ends_the_task_as_any_failure_and_the_next_one_is_well(do, action, code, parts):
    *before, result = do(action)
    assert len(before) == parts
    assert (result.done, result.value["code"]) == (False, code)
    assert do("plain", {"a": 1})[-1].done

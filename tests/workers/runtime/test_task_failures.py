"""A failure arrives whatever is in it: code and text always, details as far as msgpack has them, the rest as text."""

import datetime as dt
import enum
import math
from decimal import Decimal

import pytest
import structlog

from hulak.bus.errors import TaskFailed
from hulak.bus.wire import codec
from hulak.bus.wire.failures import LONGEST_TEXT, LONGEST_TRACEBACK, Failure
from hulak.bus.wire.messages import Task
from hulak.workers.runtime.task_failures import crash_of
from hulak.workers.runtime.task_runner import TaskRunner

MAX_BYTES = 1 << 20
TASK = Task(bytes(16), 1, "do", {}, 60_000, 75_000)


class Mute(Exception):
    def __str__(self):
        raise SystemExit(5)


class Bare(TaskFailed):
    def __init__(self):
        pass


class Awkward(dict):
    def items(self):
        raise KeyboardInterrupt


class Colour(enum.Enum):
    RED = 1


def end_of(raised):
    """Raise an exception in a task; return the failure as the broker decodes it."""

    def action(_):
        raise raised

    end = TaskRunner(lambda: {"do": action}, MAX_BYTES, structlog.get_logger()).carry_out(TASK, lambda *_: None)
    assert not end.message.done
    assert codec.decode_from_worker(end.frame) == end.message
    return Failure.of(end.message.value)


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (SystemExit(1), "SystemExit: 1"),
        (SystemExit(), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit("x"), "GeneratorExit: x"),
        (BaseException("base"), "BaseException: base"),
        (BaseExceptionGroup("several", [SystemExit(1)]), "BaseExceptionGroup: several (1 sub-exception)"),
        (ValueError("caf\udce9"), "ValueError: caf\\udce9"),
        (Mute(), "Mute: (no text: str() failed)"),
        (MemoryError(), "MemoryError"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_whatever_a_task_raises_is_a_crash_with_its_name_and_text(raised, text):
    failure = end_of(raised)
    assert (failure.code, failure.text, failure.retryable) == ("CRASHED", text, False)
    assert failure.text.startswith(crash_of(raised)[:4])


def test_a_crash_brings_the_end_of_its_traceback_and_a_failure_that_the_task_reports_brings_none():
    assert end_of(ValueError("no")).traceback.endswith("ValueError: no\n")
    long = end_of(RuntimeError("x" * 9000)).traceback
    assert (len(long), long[-2:]) == (LONGEST_TRACEBACK, "x\n")
    assert end_of(TaskFailed("CODE", "text")).traceback == ""
    assert Failure.of({"traceback": 5}).traceback == ""


def test_an_enormous_text_is_cut_and_marked_as_cut():
    text = end_of(RuntimeError("x" * (9 << 20))).text
    assert len(text) == LONGEST_TEXT
    assert text.endswith("x ... (9437198 characters)")
    assert len(end_of(RuntimeError("\udce9" * 9000)).text) == LONGEST_TEXT


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def looped():
    value = []
    value += [value, value]
    return value


@pytest.mark.parametrize(
    ("details", "arrive"),
    [
        ({"a": 1, "b": [b"x", None, 1.5]}, {"a": 1, "b": [b"x", None, 1.5]}),
        ({"price": Decimal("1.50"), "n": 1}, {"price": "1.50", "n": 1}),
        ({"as_of": dt.datetime(2026, 11, 28, tzinfo=dt.UTC)}, {"as_of": "2026-11-28 00:00:00+00:00"}),
        ({404: "x", None: {(1, 2): Colour.RED}}, {"404": "x", "None": {"(1, 2)": "Colour.RED"}}),
        ({"big": 2**70, "least": -(2**63), "most": 2**64 - 1}, {"big": str(2**70), "least": -(2**63), "most": 2**64 - 1}),
        ({"huge": 10**5000}, {"huge": "(no text: str() failed)"}),
        ({"text": "caf\udce9", "one": {7}}, {"text": "caf\\udce9", "one": [7]}),
        ({"nested": {"a": Decimal(1)}, "nan": math.inf}, {"nested": {"a": "1"}, "nan": math.inf}),
        ({"x": Mute()}, {"x": "(no text: str() failed)"}),
        ([1, 2], {"left_out": "details of more than 65536 bytes, or that cannot be read: [1, 2]"}),
        (None, {}),
    ],
)
def test_of_details_what_cannot_be_packed_arrives_as_text(details, arrive):
    failed = TaskFailed("REFUSED", "it was refused")
    failed.details = details
    failure = end_of(failed)
    assert (failure.code, failure.text) == ("REFUSED", "it was refused")
    assert failure.details == arrive


LARGE = [deep(400), deep(600), deep(5000), looped(), Awkward(a=1), {"a": b"x" * (9 << 20)}, ["x"] * 100_000]


@pytest.mark.parametrize("value", LARGE)
def test_details_that_are_too_deep_or_too_large_are_replaced_by_a_text(value):
    failure = end_of(TaskFailed("REFUSED", "it was refused", details={"value": value, "more": object()}))
    assert (failure.code, failure.text) == ("REFUSED", "it was refused")
    assert "left out" in str(failure.details) or "left_out" in failure.details


@pytest.mark.parametrize(
    ("after_s", "arrives"),
    [(None, None), (1.5, 1.5), (Decimal("0.5"), 0.5), (math.inf, 86_400.0), (math.nan, None), (-1, 0.0), ("soon", None)],
)
def test_times_that_are_none_cost_nothing(after_s, arrives):
    failure = end_of(TaskFailed("X", "x", retryable=True, retry_after_s=after_s, cool_down_s=after_s))
    assert (failure.code, failure.retryable, failure.retry_after_s) == ("X", True, arrives)


def test_a_failure_that_never_was_made_is_a_failure():
    assert end_of(Bare()).code == "FAILED"


def test_a_log_that_cannot_be_written_costs_nothing():
    class Full:
        def error(self, *_, **__):
            raise OSError("no space left")

    def action(_):
        raise SystemExit(3)

    end = TaskRunner(lambda: {"do": action}, MAX_BYTES, Full()).carry_out(TASK, lambda *_: None)
    assert end.message.value["text"] == "SystemExit: 3"

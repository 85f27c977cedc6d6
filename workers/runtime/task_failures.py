"""The failed result of a task, encoded so that it always arrives, whatever its content. PROTOCOL.md section 5.4. Pure.

Code and text always arrive. Details that msgpack cannot encode arrive as text; details that are too large are replaced by a note.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hulak.bus.wire import codec
from hulak.bus.wire.failures import (
    LONGEST_CODE,
    LONGEST_TEXT,
    LONGEST_TRACEBACK,
    MAX_COOL_DOWN_S,
    MAX_DETAILS_BYTES,
    MAX_RETRY_AFTER_S,
)
from hulak.bus.wire.messages import Result, Task
from hulak.bus.wire.plain_values import DEEPEST, short

MOST_VALUES = 1000  # of details that must be converted
Made = TypeVar("Made")
NUMBERS = range(-(1 << 63), 1 << 64)  # integers that msgpack can encode


class SoftLimit(BaseException):
    """Raised inside a task that exceeded its soft limit; not an `Exception`, so that `except Exception` does not catch it."""


def crash_of(error: BaseException) -> str:
    """Return one line about an exception that a task raised."""
    name, text = _guarded(lambda: type(error).__name__, "an exception"), text_of(error)
    return f"{name}: {text}" if text else name


def text_of(error: object) -> str:
    """Return the text of an exception, or of any object; a note if `str` fails."""
    return _guarded(lambda: "" + str(error), "(no text: str() failed)")


def failed_result(task: Task, failed: BaseException, traceback: str = "") -> tuple[Result, bytes]:
    """Return the failed result of a task, and its frame.

    Args:
        task: the task that failed.
        failed: a `TaskFailed`; its fields may hold any values.
        traceback: of the program, if it crashed; its end is sent.
    """
    why = {
        "code": fitting(text_of(getattr(failed, "code", "FAILED")), LONGEST_CODE),
        "text": fitting(text_of(failed), LONGEST_TEXT),
        "retryable": _guarded(lambda: bool(getattr(failed, "retryable", False)), False),
        "retry_after_ms": _milliseconds(getattr(failed, "retry_after_s", None), MAX_RETRY_AFTER_S),
        "cool_down_ms": _milliseconds(getattr(failed, "cool_down_s", None), MAX_COOL_DOWN_S),
    }
    if traceback:
        why["traceback"] = fitting(traceback[-LONGEST_TRACEBACK:], LONGEST_TRACEBACK)
    details = getattr(failed, "details", None)
    for make_details in _forms(details):
        try:
            result = Result(task.id, task.attempt, False, {**why, "details": make_details()})
            frame = codec.encode(result)
            if len(codec.pack(result.value["details"])) > MAX_DETAILS_BYTES:
                continue
            codec.decode_from_worker(frame)  # as the broker will
        except SoftLimit:
            raise
        except BaseException:  # noqa: BLE001, S112 - objects in the details may raise anything: the next form is tried
            continue
        return result, frame
    raise AssertionError("an empty map can always be packed")


def _forms(details: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """Yield the forms of the details, the most complete first."""
    if not _guarded(lambda: bool(details), True):
        yield dict
    if type(details) is dict and all(type(key) is str for key in details):
        yield lambda: details
    count = itertools.count(1)
    yield lambda: {fitting(text_of(key), LONGEST_CODE): _plain(value, DEEPEST - 4, count) for key, value in details.items()}
    yield lambda: {"left_out": f"details of more than {MAX_DETAILS_BYTES} bytes, or that cannot be read: {short(details)}"}
    yield lambda: {"left_out": "details that cannot be read"}


def _plain(value: Any, levels: int, count: "itertools.count[int]") -> Any:
    """Return any value in a form that msgpack can encode."""
    if value is None or isinstance(value, bool | bytes | float) or (isinstance(value, int) and value in NUMBERS):
        return value
    if next(count) > MOST_VALUES or not levels:
        return f"left out: {_guarded(lambda: short(value), 'a value')}"
    if isinstance(value, dict):
        return {fitting(text_of(key), LONGEST_TEXT): _plain(item, levels - 1, count) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, levels - 1, count) for item in value]
    return fitting(text_of(value), LONGEST_TEXT)


def fitting(text: str, longest: int) -> str:
    """Shorten a text that is too long, with a mark; escape surrogates, which UTF-8 cannot encode."""
    if len(text) > longest:
        mark = f" ... ({len(text)} characters)"
        text = text[: max(0, longest - len(mark))] + mark
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="backslashreplace").decode()[:longest]
    return text


def _milliseconds(seconds: Any, most_s: float) -> int | None:
    if seconds is None:
        return None
    return _guarded(lambda: max(0, int(min(float(seconds), most_s) * 1000)), None)


def _guarded(make: Callable[[], Made], otherwise: Made) -> Made:
    """Return the result of `make`, or `otherwise`: methods of a task's object may raise anything."""
    try:
        return make()
    except SoftLimit:
        raise
    except BaseException:  # noqa: BLE001 - see above
        return otherwise

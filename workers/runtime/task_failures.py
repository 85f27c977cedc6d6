"""The failure of a task, made so that it arrives whatever is in it. PROTOCOL.md section 5.4. Pure.

Code and text always arrive. Of the details, what msgpack has not arrives as text; where there is too much of it, that is said in
its place.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hulak.bus.wire import codec
from hulak.bus.wire.failures import LONGEST_CODE, LONGEST_TEXT, MAX_COOL_DOWN_S, MAX_DETAILS_BYTES, MAX_RETRY_AFTER_S
from hulak.bus.wire.messages import Result, Task
from hulak.bus.wire.plain_values import DEEPEST, short

MOST_VALUES = 1000  # of details that have to be made plain
Made = TypeVar("Made")
NUMBERS = range(-(1 << 63), 1 << 64)  # whole numbers that msgpack has


class SoftLimit(BaseException):
    """Raised inside a task that has passed its soft limit; not an `Exception`, so that no task's own handler swallows it."""


def crash_of(error: BaseException) -> str:
    """Say in one line what a task's code raised."""
    name, said = _guarded(lambda: type(error).__name__, "an exception"), text_of(error)
    return f"{name}: {said}" if said else name


def text_of(error: object) -> str:
    """Make the text of an exception, or of any object; if it has none, say so."""
    return _guarded(lambda: "" + str(error), "(its text cannot be made)")


def failed_result(task: Task, failed: BaseException) -> tuple[Result, bytes]:
    """Make the failed result of a task, and its frame.

    Args:
        task: that failed.
        failed: a `TaskFailed`, whatever its fields hold.
    """
    why = {
        "code": fitting(text_of(getattr(failed, "code", "FAILED")), LONGEST_CODE),
        "text": fitting(text_of(failed), LONGEST_TEXT),
        "retryable": _guarded(lambda: bool(getattr(failed, "retryable", False)), False),
        "retry_after_ms": _milliseconds(getattr(failed, "retry_after_s", None), MAX_RETRY_AFTER_S),
        "cool_down_ms": _milliseconds(getattr(failed, "cool_down_s", None), MAX_COOL_DOWN_S),
    }
    details = getattr(failed, "details", None)
    for some in _ways(details):
        try:
            result = Result(task.id, task.attempt, False, {**why, "details": some()})
            frame = codec.encode(result)
            if len(codec.pack(result.value["details"])) > MAX_DETAILS_BYTES:
                continue
            codec.decode_from_worker(frame)  # as the broker will
        except SoftLimit:
            raise
        except BaseException:  # noqa: BLE001, S112 - what the details are made of may raise anything: they are told otherwise
            continue
        return result, frame
    raise AssertionError("an empty map can always be packed")


def _ways(details: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """Give the ways of telling details, the fullest first."""
    if not _guarded(lambda: bool(details), True):
        yield dict
    if type(details) is dict and all(type(key) is str for key in details):
        yield lambda: details
    left = itertools.count(1)
    yield lambda: {fitting(text_of(key), LONGEST_CODE): _plain(one, DEEPEST - 4, left) for key, one in details.items()}
    yield lambda: {"left_out": f"details of more than {MAX_DETAILS_BYTES} bytes, or that cannot be read: {short(details)}"}
    yield lambda: {"left_out": "details that cannot be read"}


def _plain(value: Any, levels: int, count: "itertools.count[int]") -> Any:
    """Make what msgpack has of any value."""
    if value is None or isinstance(value, bool | bytes | float) or (isinstance(value, int) and value in NUMBERS):
        return value
    if next(count) > MOST_VALUES or not levels:
        return f"left out: {_guarded(lambda: short(value), 'a value')}"
    if isinstance(value, dict):
        return {fitting(text_of(key), LONGEST_TEXT): _plain(one, levels - 1, count) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, levels - 1, count) for one in value]
    return fitting(text_of(value), LONGEST_TEXT)


def fitting(text: str, longest: int) -> str:
    """Cut a text that is too long, and say so; write as escapes the halves of characters that UTF-8 has not."""
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
    """Make something of a task's object, whose methods may raise anything."""
    try:
        return make()
    except SoftLimit:
        raise
    except BaseException:  # noqa: BLE001 - see above
        return otherwise

"""Reasons of failed attempts as their workers report them, of a bounded size. PROTOCOL.md section 6.1. Pure."""

from typing import Any

from msgspec import Struct

from hulak.bus.wire.codec import pack
from hulak.bus.wire.plain_values import short

MAX_COOL_DOWN_S = 3600.0
MAX_RETRY_AFTER_S = 86_400.0  # a longer delay is cut to one day
LONGEST_CODE, LONGEST_TEXT = 100, 10_000  # characters
MAX_DETAILS_BYTES = 1 << 16  # of a failure's details, packed
LONGEST_TRACEBACK = 4000  # characters, its end


class Failure(Struct, frozen=True):
    """The reason of a failed attempt, as its worker reported it."""

    code: str
    text: str
    retryable: bool
    retry_after_s: float | None
    details: dict[str, Any]
    cool_down_s: float = 0.0  # time for which the whole service gets no task
    traceback: str = ""  # of the worker's program; empty if it sent none

    @classmethod
    def of(cls, value: Any) -> "Failure":
        """Parse the value of a failed `Result`. A field that is missing or wrong makes the failure final; long fields are cut."""
        fields = value if isinstance(value, dict) else {}
        after = fields.get("retry_after_ms")
        pause = fields.get("cool_down_ms")
        details = fields.get("details")
        return cls(
            code=_text(fields.get("code"), "FAILED", LONGEST_CODE),
            text=_text(fields.get("text"), "the worker gave no reason", LONGEST_TEXT),
            retryable=fields.get("retryable") is True,
            retry_after_s=min(after / 1000, MAX_RETRY_AFTER_S) if type(after) is int and after >= 0 else None,
            cool_down_s=min(pause / 1000, MAX_COOL_DOWN_S) if type(pause) is int and pause > 0 else 0.0,
            details=_details(details),
            traceback=traceback[-LONGEST_TRACEBACK:] if isinstance(traceback := fields.get("traceback"), str) else "",
        )


def _text(value: Any, otherwise: str, longest: int) -> str:
    text = value if isinstance(value, str) else otherwise if value is None else short(value)
    return text[:longest]


def _details(value: Any) -> dict[str, Any]:
    details = {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}
    size = len(pack(details))
    return (
        details if size <= MAX_DETAILS_BYTES else {"left_out": f"{size} bytes of details, {MAX_DETAILS_BYTES} are kept at most"}
    )

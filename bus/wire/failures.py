"""Why an attempt failed, as its worker tells it: bounded, whatever the worker sent. PROTOCOL.md section 6.1. Pure."""

from dataclasses import dataclass
from typing import Any

from hulak.bus.wire.codec import pack
from hulak.bus.wire.plain_values import short

MAX_COOL_DOWN_S = 3600.0
MAX_RETRY_AFTER_S = 86_400.0  # a worker that asks for more gets a day
LONGEST_CODE, LONGEST_TEXT = 100, 10_000  # characters of a failure's
MAX_DETAILS_BYTES = 1 << 16  # of a failure's details, packed


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as its worker told."""

    code: str
    text: str
    retryable: bool
    retry_after_s: float | None
    details: dict[str, Any]
    cool_down_s: float = 0.0  # for which the whole service is given nothing more

    @classmethod
    def of(cls, value: Any) -> "Failure":
        """Read the value of a failed `Result`; whatever is missing or wrong makes it a final failure, and too much is cut."""
        told = value if isinstance(value, dict) else {}
        after = told.get("retry_after_ms")
        pause = told.get("cool_down_ms")
        details = told.get("details")
        return cls(
            code=_text(told.get("code"), "FAILED", LONGEST_CODE),
            text=_text(told.get("text"), "the worker gave no reason", LONGEST_TEXT),
            retryable=told.get("retryable") is True,
            retry_after_s=min(after / 1000, MAX_RETRY_AFTER_S) if type(after) is int and after >= 0 else None,
            cool_down_s=min(pause / 1000, MAX_COOL_DOWN_S) if type(pause) is int and pause > 0 else 0.0,
            details=_details(details),
        )


def _text(value: Any, otherwise: str, longest: int) -> str:
    said = value if isinstance(value, str) else otherwise if value is None else short(value)
    return said[:longest]


def _details(value: Any) -> dict[str, Any]:
    found = {key: one for key, one in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}
    size = len(pack(found))
    return found if size <= MAX_DETAILS_BYTES else {"left_out": f"{size} bytes of details, {MAX_DETAILS_BYTES} are kept at most"}

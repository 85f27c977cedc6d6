"""What the core wants done, as values; the broker carries them out with one `match`."""

from dataclasses import dataclass, field
from typing import Any

from bus import messages


@dataclass(frozen=True, slots=True)
class ToClient:
    """Send a message to a client on the frontend."""

    identity: bytes
    message: messages.ToClient


@dataclass(frozen=True, slots=True)
class ToWorker:
    """Send a message to a worker on the backend; if it cannot be reached, the worker is lost."""

    identity: bytes
    message: messages.ToWorker


@dataclass(frozen=True, slots=True)
class Note:
    """Write a log line: an event in the past tense, with the ids needed to follow it."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)


Effect = ToClient | ToWorker | Note

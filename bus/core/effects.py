"""What the core wants done, as values; the broker carries them out with one `match`."""

from dataclasses import dataclass, field
from typing import Any

from bus import messages
from bus.messages import Error, Reply


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


@dataclass(frozen=True, slots=True)
class Begun:
    """Note in the store that a posted task's attempt was given to a worker."""

    task: bytes
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True)
class Delayed:
    """Note in the store that a posted task is to be tried again."""

    task: bytes
    attempt: int  # the one that just ended
    in_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Note in the store how a posted task ended; whoever waits for it is told when that is safe."""

    task: bytes
    state: str  # done, failed, expired or cancelled
    attempt: int
    message: Reply | Error


Effect = ToClient | ToWorker | Note | Begun | Delayed | Ended

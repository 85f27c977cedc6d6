"""What the core wants done, as values; the broker carries them out with one `match`."""

from typing import Any

import msgspec

from bus.wire import messages
from bus.wire.messages import Error, Reply


class ToClient(msgspec.Struct, frozen=True, gc=False):
    """Send a message, or several replies, to a client on the frontend."""

    identity: bytes
    message: messages.MessageToClient | list[Reply]


class ToWorker(msgspec.Struct, frozen=True, gc=False):
    """Send a message, or several tasks, to a worker on the backend; if it cannot be reached, the worker is lost."""

    identity: bytes
    message: messages.MessageToWorker | list[messages.Task]


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """Write a log line: an event in the past tense, with the ids needed to follow it."""

    event: str
    fields: dict[str, Any] = {}


class Begun(msgspec.Struct, frozen=True, gc=False):
    """Note in the store that a posted task's attempt was given to a worker."""

    task: bytes
    attempt: int
    worker: str


class Delayed(msgspec.Struct, frozen=True, gc=False):
    """Note in the store that a posted task is to be tried again."""

    task: bytes
    attempt: int  # the one that just ended
    in_s: float
    why: str


class Ended(msgspec.Struct, frozen=True, gc=False):
    """Note in the store how a posted task ended; whoever waits for it is told when that is safe."""

    task: bytes
    state: str  # done, failed, expired or cancelled
    attempt: int
    message: Reply | Error


Effect = ToClient | ToWorker | LogLine | Begun | Delayed | Ended

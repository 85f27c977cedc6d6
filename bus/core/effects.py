"""Effects as values: `bus.broker.effect_runner` carries them out. Pure."""

from typing import Any

import msgspec

from hulak.bus.core.security.callers import Caller
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import messages
from hulak.bus.wire.messages import Error, Reply


class ToClient(msgspec.Struct, frozen=True, gc=False):
    """Send a message, or several replies, to a client on the frontend."""

    identity: bytes
    message: messages.MessageToClient | list[Reply]


class ToWorker(msgspec.Struct, frozen=True, gc=False):
    """Send a message, or several tasks, to a worker on the backend; if it cannot be reached, the worker is lost."""

    identity: bytes
    message: messages.MessageToWorker | list[messages.Task]


class Publish(msgspec.Struct, frozen=True, gc=False):
    """Publish a message to the subscribers of its topic."""

    message: bytes


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """Log an event in the past tense, with the ids needed to follow it."""

    event: str
    fields: dict[str, Any] = {}


class Begun(msgspec.Struct, frozen=True, gc=False):
    """Record in the store that a posted task's attempt was given to a worker."""

    task: bytes
    attempt: int
    worker: str


class Delayed(msgspec.Struct, frozen=True, gc=False):
    """Record in the store that a posted task is to be retried."""

    task: bytes
    attempt: int  # the one that just ended
    in_s: float
    why: str


class Run(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An attempt of a task that has ended; times in seconds."""

    attempt: int
    worker: str
    after_s: float  # from the task's acceptance in this run of the broker to the start of the attempt
    run_s: float | None  # to its result; None: its worker was lost
    trouble: str = ""  # why it failed


class Ended(msgspec.Struct, frozen=True, gc=False):
    """Record in the store how a posted task ended; clients that wait for it are answered when that is committed."""

    task: bytes
    state: str  # done, failed, expired or cancelled
    attempt: int
    message: Reply | Error
    worker: str = ""  # that had the attempt; empty: none had it
    runs: tuple["Run", ...] = ()  # its last attempts


Effect = ToClient | ToWorker | Publish | LogLine | Begun | Delayed | Ended


class Asker(msgspec.Struct, frozen=True, gc=False):
    """The client of a control request, and the request's id."""

    client: bytes  # its address
    request: bytes  # 16 bytes
    connection: Any = None  # on which it came, as the shell knows it; only for a request that may wait for long
    caller: Caller | None = None  # its key; None: the owner of the broker
    trace: dict[str, str] | None = None  # the trace context in its options

    def reply(self, value: Any) -> ToClient:
        """Answer with a value."""
        return ToClient(self.client, Reply(self.request, value))

    def refuse(self, error: ProtocolError) -> ToClient:
        """Answer with an error."""
        return ToClient(self.client, Error(self.request, error.code, str(error), error.details))

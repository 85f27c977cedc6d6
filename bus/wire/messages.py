"""The messages of the bus, decoded: frozen values, one class per message of PROTOCOL.md sections 3 to 6.

`bus.wire.codec` encodes and decodes them, `bus.core` decides about them. Each is a `msgspec.Struct`, which is created in a
tenth of a frozen dataclass's time: there may be a hundred thousand a second.
"""

from typing import Annotated, Any, ClassVar

import msgspec

# Bid above ask; bid equal to ask; older than the feed's tick of its symbol before it; one side of the book is empty; both are;
# not tradeable now, as the venue says.
FLAGS = ("crossed", "locked", "late", "one-sided", "empty", "halted", "last")
FIRST_MS, END_MS = 631_152_000_000, 4_102_444_800_000  # bounds of a venue's time: from 1990 to before 2100, ms since 1970 UTC
ID_BYTES = 16  # of a request and of the task made from it; chosen by the client, at random

# Types of the fields of dialogs; `bus.wire.schema` has the same bounds with error texts.
Id = Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]
PartNumber = Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=1 << 42)]


class Tick(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One quote of one symbol. The fields are the keys of its body (section 3.3)."""

    symbol: str  # upper case, e.g. "EURUSD"
    bid: float | None  # quote currency; None where that side of the book is empty
    ask: float | None  # likewise
    timestamp: int  # the venue's clock, ms since 1970 UTC; the receipt time where the venue gives none
    source: str  # the venue, e.g. "binance"
    flags: tuple[str, ...] = ()  # oddities of the quote, of FLAGS in their order; an odd quote is flagged, never dropped
    received_ns: int = 0  # when the feed received it, ns since 1970 UTC; 0 if unknown


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """The 24 bytes between topic and body (section 3.2)."""

    epoch: int  # from the broker: its numbering's epoch; from a feed: the feed's instance, 0 for unnumbered
    sequence: int  # from 1, +1 for each message; of the topic from a broker, of the instance from a feed
    time_ns: int  # when it was stamped, ns since 1970 UTC


class Publication(msgspec.Struct, frozen=True, gc=False):
    """A published message, split; its body stays packed."""

    topic: str
    stamp: Stamp
    body: bytes  # one msgpack value


# Client dialog (section 4)


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A client requests an action of a service."""

    KIND: ClassVar[bytes] = b"Q"
    id: Id  # unique for all time: a repeated id joins the request that is already running
    service: str  # e.g. "nepse"; `hulak.*` is the broker itself
    action: str  # e.g. "market-status"; "" for control services
    args: dict[str, Any] = {}  # of a Majordomo client perhaps still packed, as `CalledTask.args` of `bus.core.tasks.task_queue`
    options: dict[str, Any] = {}  # timeout_ms, retries (section 4.2)


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A part of the answer, before its end."""

    KIND: ClassVar[bytes] = b"P"
    id: Id
    number: PartNumber  # from 1
    value: Any


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The answer to a request that was done."""

    KIND: ClassVar[bytes] = b"R"
    id: Id
    value: Any


class Error(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The answer to a request that was not done, to bytes that are not a request, or to a refused READY."""

    KIND: ClassVar[bytes] = b"E"
    id: Id | None  # None where the request's id could not be read
    code: str  # section 8
    text: str  # one sentence
    details: dict[str, Any] = {}


# Worker dialog (section 5)


class HeldTask(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An attempt at a task that a worker holds."""

    task: Id
    attempt: Attempt  # from 1


class Ready(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker offers to hold up to `credit` tasks of one service at a time; 0 withdraws the offer."""

    KIND: ClassVar[bytes] = b"Y"
    service: str
    worker: str  # its name, unique among living workers and kept over reconnections
    credit: int
    held: tuple[HeldTask, ...] = ()  # the tasks that it still holds when it registers again
    info: dict[str, Any] = {}  # pid, slot, host


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker assigns one attempt at a task to a worker."""

    KIND: ClassVar[bytes] = b"T"
    id: Id
    attempt: Attempt  # from 1
    action: str
    args: dict[str, Any]
    soft_ms: Milliseconds  # the worker interrupts the task after this time
    hard_ms: Milliseconds  # the worker exits after this time, and the broker gives the task up


class TaskContext(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The trace context of the caller, sent before the TASK to a worker that wants it."""

    KIND: ClassVar[bytes] = b"C"
    task: Id
    attempt: Attempt
    context: dict[str, str]  # traceparent, tracestate
    waited_us: int | None  # in the queue; None: unknown


class TaskPart(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker sends a part of its result, before its end."""

    KIND: ClassVar[bytes] = b"P"
    task: Id
    attempt: Attempt
    number: PartNumber  # from 1
    value: Any


class Result(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker ends an attempt: done with a value, or failed with a failure."""

    KIND: ClassVar[bytes] = b"R"
    task: Id
    attempt: Attempt
    done: bool
    value: Any  # of a done attempt any value; of a failed one a map: code, text, retryable, retry_after_ms, details


class WorkerHeartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker is alive, and holds these tasks. It does not mean that the worker is ready."""

    KIND: ClassVar[bytes] = b"H"
    held: tuple[HeldTask, ...] = ()
    report: dict[str, Any] | None = None  # about its process: rss_bytes, cpu_s, task_s


class BrokerHeartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker is alive; a worker that the broker does not know, or that has another epoch, registers again."""

    KIND: ClassVar[bytes] = b"H"
    epoch: int
    known: bool


class Retire(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker asks a worker to finish the tasks that it holds and to exit with 0."""

    KIND: ClassVar[bytes] = b"X"
    reason: str


class Goodbye(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker leaves; the tasks that it still holds go to other workers at once."""

    KIND: ClassVar[bytes] = b"G"
    reason: str


MessageFromClient = Request
MessageToClient = Part | Reply | Error
MessageFromWorker = Ready | TaskPart | Result | WorkerHeartbeat | Goodbye
MessageToWorker = Task | TaskContext | BrokerHeartbeat | Retire | Error  # the ERROR answers a READY that was refused

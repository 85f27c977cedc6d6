"""What travels over the bus, decoded: frozen values, one class per message of PROTOCOL.md sections 3 to 6.

The bytes are the business of `bus.wire.codec`; what is decided about a message, that of `bus.core`. What there is a hundred
thousand times a second is a `msgspec.Struct`: made in a tenth of the time that a frozen dataclass takes.
"""

from typing import Annotated, Any, ClassVar

import msgspec

# Bid above ask; bid equal to ask; older than the feed's tick of its symbol before it; one side of the book is empty; both are;
# not tradeable now, as the venue says.
FLAGS = ("crossed", "locked", "late", "one-sided", "empty", "halted")
FIRST_MS, END_MS = 631_152_000_000, 4_102_444_800_000  # what a venue's time may be: from 1990 to before 2100, ms since 1970 UTC
ID_BYTES = 16  # of a request and of the task made from it; chosen by the client, at random

# What the fields of dialogs must be; `bus.wire.schema` says the same in sentences.
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
    flags: tuple[str, ...] = ()  # what is odd about it, of FLAGS in their order; an odd quote is marked, never dropped
    received_ns: int = 0  # when the feed received it, ns since 1970 UTC; 0 where nobody told


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """The 24 bytes between topic and body (section 3.2)."""

    epoch: int  # from the broker: its numbering's epoch; from a feed: the feed's instance, 0 for unnumbered
    sequence: int  # from 1, +1 for each message; of the topic from a broker, of the instance from a feed
    time_ns: int  # when it was stamped, ns since 1970 UTC


class Publication(msgspec.Struct, frozen=True, gc=False):
    """A published message, taken apart but for its body."""

    topic: str
    stamp: Stamp
    body: bytes  # one msgpack value


# Client dialog (section 4)


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A client wants an action done by a service."""

    KIND: ClassVar[bytes] = b"Q"
    id: Id  # unique for ever: a repeated id joins the request that runs already
    service: str  # e.g. "nepse"; `hulak.*` is the broker itself
    action: str  # e.g. "market-status"; "" for control services
    args: dict[str, Any] = {}  # of a Majordomo client perhaps still packed, as `Task.args` of `bus.core.tasks.task_queue`
    options: dict[str, Any] = {}  # timeout_ms, retries (section 4.2)


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Something of the answer, before its end."""

    KIND: ClassVar[bytes] = b"P"
    id: Id
    number: PartNumber  # from 1
    value: Any


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The answer to a request: it was done."""

    KIND: ClassVar[bytes] = b"R"
    id: Id
    value: Any


class Error(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The answer to a request, to bytes that are none, or to a READY: it was not done."""

    KIND: ClassVar[bytes] = b"E"
    id: Id | None  # None where the request's id could not be read
    code: str  # section 8
    text: str  # one sentence
    details: dict[str, Any] = {}


# Worker dialog (section 5)


class HeldTask(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One attempt at a task, as its worker names it."""

    task: Id
    attempt: Attempt  # from 1


class Ready(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker offers to hold up to `credit` tasks of one service at a time; 0 takes the offer back."""

    KIND: ClassVar[bytes] = b"Y"
    service: str
    worker: str  # its name, unique among living workers and kept over reconnections
    credit: int
    held: tuple[HeldTask, ...] = ()  # what it holds still, when it registers again
    info: dict[str, Any] = {}  # pid, slot, host


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker gives a worker one attempt at a task."""

    KIND: ClassVar[bytes] = b"T"
    id: Id
    attempt: Attempt  # from 1
    action: str
    args: dict[str, Any]
    soft_ms: Milliseconds  # the worker interrupts the task then
    hard_ms: Milliseconds  # the worker ends itself then, and the broker has given the task up


class TaskPart(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker sends something of its result, before its end."""

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
    value: Any  # of a done attempt anything; of a failed one a map: code, text, retryable, retry_after_ms, details


class WorkerHeartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker is alive, and holds these tasks. It says nothing of being ready."""

    KIND: ClassVar[bytes] = b"H"
    held: tuple[HeldTask, ...] = ()
    report: dict[str, Any] | None = None  # about its process: rss_bytes, cpu_s, task_s


class BrokerHeartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker is alive; a worker that it does not know, or that knew another epoch, registers again."""

    KIND: ClassVar[bytes] = b"H"
    epoch: int
    known: bool


class Retire(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker asks a worker to finish what it holds and to exit with 0."""

    KIND: ClassVar[bytes] = b"X"
    reason: str


class Goodbye(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A worker leaves; what it still holds is given to others at once."""

    KIND: ClassVar[bytes] = b"G"
    reason: str


MessageFromClient = Request
MessageToClient = Part | Reply | Error
MessageFromWorker = Ready | TaskPart | Result | WorkerHeartbeat | Goodbye
MessageToWorker = Task | BrokerHeartbeat | Retire | Error  # the ERROR answers a READY that was refused

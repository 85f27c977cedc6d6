"""Effects on the store, in addition to those of `bus.core.effects`."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hulak.bus.broker.storage.database import Job
from hulak.bus.core.effects import Asker, Effect
from hulak.bus.core.tasks.posted import Posting
from hulak.bus.errors import ProtocolError

# Called after a job with the job's value and an empty text, or with None and the reason why the job failed. A ProtocolError that
# it raises is the answer to the client.
AfterJob = Callable[[Any, str], "list[BrokerEffect]"]


class Store(msgspec.Struct, frozen=True):
    """Run a job in the next transaction, and then `then`."""

    job: Job
    then: AfterJob
    askers: Sequence[Asker] = ()  # are answered if `then` raises


class Load(msgspec.Struct, frozen=True):
    """Run a job that reads a service's rows at the start: at once if the store can be used, else as soon as it can."""

    job: Job
    then: AfterJob


class Post(msgspec.Struct, frozen=True, gc=False):
    """Write a new task of a client; those of one iteration are written together."""

    asker: Asker
    posting: Posting


class ReadTask(msgspec.Struct, frozen=True, gc=False):
    """Answer with a posted task's row; those of one iteration are read together."""

    asker: Asker
    task: bytes
    until: float | None = None  # wait for the end of the task until then, monotonic seconds; None: answer at once


BrokerEffect = Effect | Store | Load | Post | ReadTask


def check_stored(why: str, what: str = "") -> None:
    """Raise an error if a job failed.

    Args:
        why: the reason; empty if the job succeeded.
        what: the consequence, for the error's text.
    Raises:
        ProtocolError: `STORE_FAILED`.
    """
    if why:
        raise ProtocolError("STORE_FAILED", f"{what}: {why}" if what else why)

"""What the services want done in the store, as values beside those of `bus.core.effects`."""

from collections.abc import Callable
from typing import Any

import msgspec

from hulak.bus.broker.storage.database import Job
from hulak.bus.core.effects import Asker, Effect
from hulak.bus.errors import ProtocolError

# What follows a job: it gets the job's value and an empty text, or None and why the job failed. A ProtocolError that it raises is
# the answer to whoever asked.
AfterJob = Callable[[Any, str], "list[BrokerEffect]"]


class Store(msgspec.Struct, frozen=True):
    """Have a job done in the next transaction, and then what follows it."""

    job: Job
    then: AfterJob
    asker: Asker | None = None  # is answered if `then` raises


class Load(msgspec.Struct, frozen=True):
    """Have something read that a service begins with: at once if the store can be used, else as soon as it can."""

    job: Job
    then: AfterJob


BrokerEffect = Effect | Store | Load


def check_stored(why: str, what: str = "") -> None:
    """Go on if a job was done.

    Args:
        why: it failed; empty if it did not.
        what: follows of that, for the sentence.
    Raises:
        ProtocolError: `STORE_FAILED`.
    """
    if why:
        raise ProtocolError("STORE_FAILED", f"{what}: {why}" if what else why)

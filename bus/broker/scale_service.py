"""The target number of workers of a service, kept in the store, so that it survives a restart. PROTOCOL.md section 7.4."""

import sqlite3
from functools import partial
from typing import Any

from hulak.bus.broker.store_effects import BrokerEffect, Load, Store, check_stored
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_requests import ScaleArguments
from hulak.bus.core.effects import Asker, LogLine
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.names import AUTO, SCALED_SERVICES


def read(connection: sqlite3.Connection) -> dict[str, int]:
    """Read the targets that were set: service -> workers; a row with another type is ignored."""
    rows = connection.execute("SELECT service, workers FROM targets").fetchall()
    return {service: workers for service, workers in rows if type(workers) is int}


def write(connection: sqlite3.Connection, service: str, workers: int | None) -> None:
    """Write the target of a service; None: the scaler decides again."""
    connection.execute("DELETE FROM targets WHERE service = ?", (service,))
    if workers is not None:
        connection.execute("INSERT INTO targets (service, workers) VALUES (?, ?)", (service, workers))


class ScaleService:
    """Answers `hulak.scale`, when the target is in the store.

    Args:
        bus: holds the targets.
    """

    def __init__(self, bus: BrokerState) -> None:
        self.bus = bus

    def begin(self) -> list[BrokerEffect]:
        """Read the targets that were set earlier."""
        return [Load(read, self._restore)]

    def _restore(self, kept: dict[str, int] | None, why: str) -> list[BrokerEffect]:
        """Restore the targets that were set earlier, within the bounds of today's settings."""
        del why  # the store logs it
        kept = kept or {}
        least, most = self.bus.limits.min_workers, self.bus.limits.max_workers
        self.bus.targets |= {service: max(least, min(most, kept[service])) for service in SCALED_SERVICES if service in kept}
        return []

    def scale(self, asker: Asker, args: ScaleArguments, now: float) -> list[BrokerEffect]:
        """Set the number of workers of a service, or let the scaler decide again.

        Raises:
            ProtocolError: `BAD_ARGUMENT`.
        """
        del now
        service, workers = args.service, args.workers
        if service not in SCALED_SERVICES:
            known = ", ".join(SCALED_SERVICES)
            raise ProtocolError("BAD_ARGUMENT", f"argument service is {service!r}, must be one of the scaled services: {known}")
        least, most = self.bus.limits.min_workers, self.bus.limits.max_workers
        if workers != AUTO and not least <= workers <= most:
            allowed = f"{AUTO!r} or a number from {least} to {most} ([scaling] min_workers, max_workers)"
            raise ProtocolError("BAD_ARGUMENT", f"argument workers is {workers!r}, must be {allowed}")

        def then(_: Any, why: str) -> list[BrokerEffect]:
            check_stored(why, "the number of workers was not changed")
            if workers == AUTO:
                self.bus.targets.pop(service, None)
            else:
                self.bus.targets[service] = workers
            answer = {"service": service, "workers": workers}
            return [LogLine("scale target set", answer), asker.reply(answer)]

        return [Store(partial(write, service=service, workers=None if workers == AUTO else workers), then, asker)]

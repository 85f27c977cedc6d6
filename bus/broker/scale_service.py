"""How many workers a service has by hand, kept in the store: a restart of the broker changes nothing. PROTOCOL.md section 7.4."""

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
    """Read what was set by hand: service -> workers; a row that is no number of workers is passed over."""
    rows = connection.execute("SELECT service, workers FROM targets").fetchall()
    return {service: workers for service, workers in rows if type(workers) is int}


def write(connection: sqlite3.Connection, service: str, workers: int | None) -> None:
    """Write what was set by hand; None: it is automatic again."""
    connection.execute("DELETE FROM targets WHERE service = ?", (service,))
    if workers is not None:
        connection.execute("INSERT INTO targets (service, workers) VALUES (?, ?)", (service, workers))


class ScaleService:
    """Answers `hulak.scale`, when the store has it.

    Args:
        bus: whose targets these are.
    """

    def __init__(self, bus: BrokerState) -> None:
        self.bus = bus

    def begin(self) -> list[BrokerEffect]:
        """Read what an earlier broker was told."""
        return [Load(read, self._restore)]

    def _restore(self, kept: dict[str, int] | None, why: str) -> list[BrokerEffect]:
        """Take over what an earlier broker was told, as far as the settings still allow it."""
        del why  # the store tells it
        kept = kept or {}
        least, most = self.bus.limits.min_workers, self.bus.limits.max_workers
        self.bus.targets |= {service: max(least, min(most, kept[service])) for service in SCALED_SERVICES if service in kept}
        return []

    def scale(self, asker: Asker, args: ScaleArguments, now: float) -> list[BrokerEffect]:
        """Set by hand how many workers a service has, or leave it to the scaler again.

        Raises:
            ProtocolError: `BAD_ARGUMENT`.
        """
        del now
        service, workers = args.service, args.workers
        if service not in SCALED_SERVICES:
            known = ", ".join(SCALED_SERVICES)
            raise ProtocolError("BAD_ARGUMENT", f"argument service is {service!r}, must be one that is scaled: {known}")
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
            told = {"service": service, "workers": workers}
            return [LogLine("scale target set", told), asker.reply(told)]

        return [Store(partial(write, service=service, workers=None if workers == AUTO else workers), then, asker)]

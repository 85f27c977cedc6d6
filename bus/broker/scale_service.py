"""The target number of workers of a service, kept in the store, so that it survives a restart. PROTOCOL.md section 7.4."""

import sqlite3
from functools import partial
from typing import Any

from hulak.bus.broker.store_effects import BrokerEffect, Load, Store, check_stored
from hulak.bus.core.broker_state import BrokerState, Limits
from hulak.bus.core.control_requests import ScaleArguments
from hulak.bus.core.effects import Asker, LogLine
from hulak.bus.errors import ProtocolError
from hulak.bus.process.settings import Settings
from hulak.bus.wire.names import AUTO, NEPSE_SERVICE


def read(connection: sqlite3.Connection) -> dict[str, int]:
    """Read the targets that were set: service -> workers; a row with another type is ignored."""
    rows = connection.execute("SELECT service, workers FROM targets").fetchall()
    return {service: workers for service, workers in rows if type(workers) is int}


def write(connection: sqlite3.Connection, service: str, workers: int | None) -> None:
    """Write the target of a service; None: the scaler decides again."""
    connection.execute("DELETE FROM targets WHERE service = ?", (service,))
    if workers is not None:
        connection.execute("INSERT INTO targets (service, workers) VALUES (?, ?)", (service, workers))


def limits_of(settings: Settings) -> Limits:
    """Return the bounds that the settings give."""
    return Limits(
        max_topics=settings.broker.max_topics,
        max_tick_bytes=settings.broker.max_tick_bytes,
        min_workers=settings.scaling.min_workers,
        max_workers=settings.scaling.max_workers,
        max_displays=settings.display.max_displays,
        most_of={service: scaling.max_workers for service, scaling in settings.services.items() if scaling.max_workers},
    )


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
        least, most = self.bus.pools()[NEPSE_SERVICE]
        # The scaler holds the targets of other services within their bounds, which it has not reported yet.
        self.bus.targets |= kept
        if NEPSE_SERVICE in kept:
            self.bus.targets[NEPSE_SERVICE] = max(least, min(most, kept[NEPSE_SERVICE]))
        return []

    def scale(self, asker: Asker, args: ScaleArguments, now: float) -> list[BrokerEffect]:
        """Set the number of workers of a service, or let the scaler decide again.

        Raises:
            ProtocolError: `BAD_ARGUMENT`.
        """
        del now
        service, workers = args.service, args.workers
        pools = self.bus.pools()
        if service not in pools:
            known = ", ".join(pools)
            raise ProtocolError(
                "BAD_ARGUMENT",
                f"argument service is {service!r}, must be one of the scaled services: {known}; "
                "`hulak workers add` makes slots for another one, and the scaler has to run",
            )
        least, most = pools[service]
        if workers != AUTO and not least <= workers <= most:
            section = "scaling" if service == NEPSE_SERVICE else f"scaling.{service}"
            allowed = f"{AUTO!r} or a number from {least} to {most} ([{section}] min_workers, max_workers"
            allowed += ")" if service == NEPSE_SERVICE else ", and the number of slots)"
            raise ProtocolError("BAD_ARGUMENT", f"argument workers is {workers!r}, must be {allowed}")

        def then(_: Any, why: str) -> list[BrokerEffect]:
            check_stored(why, "the number of workers was not changed")
            if workers == AUTO:
                self.bus.targets.pop(service, None)
            else:
                self.bus.targets[service] = workers
            answer = {"service": service, "workers": workers}
            return [LogLine("scale target set", answer), asker.reply(answer)]

        return [Store(partial(write, service=service, workers=None if workers == AUTO else workers), then, [asker])]

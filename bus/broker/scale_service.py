"""How many workers a service has by hand, kept in the store: a restart of the broker changes nothing. PROTOCOL.md section 7.4."""

import sqlite3
from functools import partial
from typing import Any

from bus.broker.callbacks import Answer, CarryOut
from bus.broker.storage.database import Database
from bus.core import control, control_requests
from bus.core.broker_state import BrokerState
from bus.wire.messages import Error, Reply, Request
from bus.wire.names import AUTO, SCALED_SERVICES

SCALE = "hulak.scale"


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
        database: keeps them.
        answer: sends a message to a client.
        carry_out: carries out effects.
    """

    def __init__(self, bus: BrokerState, database: Database, answer: Answer, carry_out: CarryOut) -> None:
        self.bus = bus
        self.database = database
        self.answer = answer
        self.carry_out = carry_out

        database.load(read, self._restore)

    def _restore(self, kept: dict[str, int] | None, why: str) -> None:
        """Take over what an earlier broker was told, as far as the settings still allow it."""
        del why  # the store tells it
        kept = kept or {}
        least, most = self.bus.limits.min_workers, self.bus.limits.max_workers
        self.bus.targets |= {service: max(least, min(most, kept[service])) for service in SCALED_SERVICES if service in kept}

    def serve(self, client: bytes, request: Request, args: control_requests.ScaleArguments, now: float) -> None:
        """Set a target.

        Raises:
            ProtocolError: `BAD_ARGUMENT`.
        """
        before = dict(self.bus.targets)
        value, effects = control.scale(self.bus, now, args, {})
        self.bus.targets = before  # it holds when it is safe
        service, workers = value["service"], None if value["workers"] == AUTO else value["workers"]

        def then(_: Any, why: str) -> None:
            if why:
                self.answer(client, Error(request.id, "STORE_FAILED", f"the number of workers was not changed: {why}"))
                return
            self.bus.targets.pop(service, None)
            if workers is not None:
                self.bus.targets[service] = workers
            self.carry_out(effects, now)
            self.answer(client, Reply(request.id, value))

        self.database.put(partial(write, service=service, workers=workers), then, (client, request.id))

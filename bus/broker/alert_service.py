"""Alerts: their control services. PROTOCOL.md section 7.10.

The definitions are in the store alone. `hulak derive` evaluates them: it asks for them twice a second with the revision that it
has, which is answered from memory. The broker itself evaluates nothing.
"""

import time
from functools import partial
from operator import itemgetter
from typing import Any

from hulak.bus.broker.storage import alert_rows
from hulak.bus.broker.storage.alert_rows import AlertRow
from hulak.bus.broker.storage.database import Job
from hulak.bus.broker.store_effects import BrokerEffect, Store, check_stored
from hulak.bus.core.alerts.alert_requests import (
    AlertArguments,
    AlertEnableArguments,
    AlertListArguments,
    AlertNameArguments,
)
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.effects import Asker
from hulak.bus.core.process_reports import ProcessReport
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import decode_publication, unpack
from hulak.bus.wire.firings import MOST_BYTES, is_firing
from hulak.bus.wire.names import ALERT_TOPICS, DERIVER, TICK_TOPICS
from hulak.bus.wire.replay_range import prefix_of
from hulak.bus.wire.roles import CONTROL

LATE_S = 5.0  # a process reports each second
NOT_RUNNING = "`hulak derive` is not running"


class AlertForbidden(ProtocolError):
    """The client may not change this alert; the refusal is counted in the loop's thread."""


class AlertService:
    """All alerts of the broker.

    Args:
        bus: has the firings, as last messages of topics, and the report of the process that evaluates.
    """

    def __init__(self, bus: BrokerState) -> None:
        self.bus = bus
        self.revision = time.time_ns() // 1000  # grows with each change, and over restarts

    def add(self, asker: Asker, args: AlertArguments, now: float) -> list[BrokerEffect]:
        """Add an alert; answers when it is in the store."""
        del now
        owner = "" if asker.caller is None else asker.caller.name
        job = partial(alert_rows.add, args=args, new_id=asker.request, owner=owner, now_ns=time.time_ns())
        return [self._change(job, asker)]

    def rows(self, asker: Asker, args: AlertListArguments, now: float) -> list[BrokerEffect]:
        """List the alerts, or the one that is named; to a key that may not read everything its own."""
        revision = self.revision
        head = {"revision": revision, **self._evaluation(now)}
        if args.revision == revision:
            return [asker.reply({**head, "alerts": None})]
        lasts = [log.frame for log in self.bus.topics.under(ALERT_TOPICS) if log.frame]

        def then(rows: list[AlertRow] | None, why: str) -> list[BrokerEffect]:
            check_stored(why)
            named = [row for row in rows or [] if args.name in (None, row["name"])]
            listed = [_shown(asker, row) for row in named if _may(asker, row, reads=True)]
            if args.name is not None and not listed:
                raise _unknown(args.name)
            return [asker.reply({**head, "alerts": listed})]

        return [Store(partial(_with_firings, lasts), then, [asker])]

    def enable(self, asker: Asker, args: AlertEnableArguments, now: float) -> list[BrokerEffect]:
        """Let an alert be evaluated, or not."""
        del now
        job = partial(alert_rows.enable, name=args.name, enabled=args.enabled)
        return [self._change(_permitted(asker, args.name, job), asker)]

    def remove(self, asker: Asker, args: AlertNameArguments, now: float) -> list[BrokerEffect]:
        """Remove an alert; its firings stay in the journal."""
        del now
        return [self._change(_permitted(asker, args.name, partial(alert_rows.remove, name=args.name)), asker)]

    def _change(self, job: Job, asker: Asker) -> Store:
        def answered(connection: Any) -> Any:
            try:
                return job(connection)
            except ProtocolError as error:
                return error

        def then(value: Any, why: str) -> list[BrokerEffect]:
            check_stored(why, "nothing was changed")
            if isinstance(value, AlertForbidden) and asker.caller is not None:
                raise asker.caller.forbid(str(value), CONTROL)
            if isinstance(value, ProtocolError):
                raise value
            self.revision += 1
            return [asker.reply(value)]

        return Store(answered, then, [asker])

    def _evaluation(self, now: float) -> dict[str, Any]:
        """Return whether the definitions of this revision are evaluated, and why not."""
        why = why_not_evaluated(self.bus.reports.last.get(("feed", DERIVER)), self.revision, now)
        return {"evaluated": not why, "why": why}


def why_not_evaluated(report: ProcessReport | None, revision: int, now: float) -> str:
    """Return why the alerts of a revision are not evaluated; empty if they are.

    Args:
        report: of `hulak derive`, if it reports.
        revision: of the definitions.
        now: monotonic seconds.
    """
    if report is None or now - report.at > LATE_S:
        return NOT_RUNNING
    values = report.values
    if text := str(values.get("alerts_why") or "")[:300]:
        return text
    if values.get("alerts_revision") != revision:
        return "`hulak derive` takes the newest definitions over now"
    return ""


def _with_firings(lasts: list[bytes], connection: Any) -> list[AlertRow]:
    """Return all alerts, each with its number of firings and its last one, of the last messages of their topics."""
    fired: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for frame in lasts:
        try:
            packed = decode_publication(frame).body
            body = unpack(packed) if len(packed) <= MOST_BYTES else None
        except ProtocolError:
            continue
        if is_firing(body):
            fired.setdefault((body["alert"], body["id"]), []).append(body)
    rows = alert_rows.rows(connection)
    for row in rows:
        bodies = fired.get((row["name"], row["id"].hex()), [])
        row["firings"] = sum(body["fired"] for body in bodies)
        row["last"] = max(bodies, key=itemgetter("at"), default=None)
    return rows


def _permitted(asker: Asker, name: str, job: Job) -> Job:
    """Return a job that is run only if there is an alert of this name, and the client may change it."""

    def checked(connection: Any) -> Any:
        row = alert_rows.read(connection, name)
        if row is None:
            return _unknown(name)
        return job(connection) if _may(asker, row) else AlertForbidden("FORBIDDEN", f"change alert {name!r}")

    return checked


def _may(asker: Asker, row: AlertRow, *, reads: bool = False) -> bool:
    if asker.caller is None:
        return True
    rights = asker.caller.rights
    return rights.may_control or (reads and rights.may_read) or row["owner"] == asker.caller.name


def _shown(asker: Asker, row: AlertRow) -> AlertRow:
    """Return a row without its last firing, which has prices, if the client's key may not read these ticks any more."""
    rights = None if asker.caller is None else asker.caller.rights
    if rights is None or rights.may_control or rights.may_read:
        return row
    may = rights.may_subscribe(prefix_of(TICK_TOPICS.decode() + row["symbol"]))
    return row if may else {**row, "last": None}


def _unknown(name: str) -> ProtocolError:
    return ProtocolError("UNKNOWN_ALERT", f"there is no alert {name!r}")

"""The display service of the broker: rows in the store, the topic `displays`, and the assignment. PROTOCOL.md section 11.

A client's request is answered when it is in the store. The worker of a display is written too, but without waiting for it:
tokens grow even if the last ones were not written.
"""

import time
from functools import partial
from typing import Any

from hulak.bus.broker.config_service import ConfigService
from hulak.bus.broker.storage import display_rows
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.store_effects import BrokerEffect, Load, Store, check_stored
from hulak.bus.core import display_assignment
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_requests import (
    ConfigSetArguments,
    DisplayCreateArguments,
    DisplayDayArguments,
    DisplayRemoveArguments,
    DisplayUpdateArguments,
    NoArguments,
)
from hulak.bus.core.display_assignment import Display, check_symbol
from hulak.bus.core.effects import Asker, Publish
from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import DISPLAY
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.wire import names
from hulak.bus.wire.codec import pack
from hulak.bus.wire.names import DISPLAYS


class DisplayService:
    """The shell around the assignment of displays.

    Args:
        settings: checked.
        bus: with the assignment.
        database: open.
        config: holds each display's values.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        bus: BrokerState,
        database: Database,
        config: ConfigService,
        log: Log,
    ) -> None:
        self.bus = bus
        self.assignment = bus.displays
        self.database = database
        self.config = config
        self.log = log
        self.known = False  # true after the store was read
        self.version = self.assignment.last_token  # grows over restarts, like tokens
        self.settles = time.monotonic() + settings.task.lease_s  # until then the workers of an earlier broker may return
        self.settled = False
        self.seen = -1  # the last counter of changes in the roster
        self.news = True  # rows that are not published yet
        self.coming: dict[str, tuple[str, list[Asker]]] = {}  # being written to the store: id -> symbol, waiting requests
        self.unwritten: dict[str, tuple[str | None, int]] = {}  # id -> worker and token that are not in the store
        self.writing = False

    def begin(self) -> list[BrokerEffect]:
        """Read the displays in the store."""
        return [Load(display_rows.rows, self._loaded)]

    def _loaded(self, rows: list[Display] | None, why: str) -> list[BrokerEffect]:
        if rows is None:
            self.log.error("displays not read", why=why)
            return []
        self.known = True
        self.assignment.restore(rows, time.time_ns() // 1000)
        self.version, self.seen, self.news = self.assignment.last_token, -1, True
        return []

    def _check_known(self) -> None:
        if not self.known:
            raise ProtocolError("STORE_FAILED", f"the displays cannot be read yet: {self.database.failed}")

    def turn(self, now: float) -> list[BrokerEffect]:
        """Assign displays without a worker after a change of the roster or the end of the grace; then publish changes."""
        if not self.known:
            return []
        effects: list[BrokerEffect] = []
        roster = self.bus.dispatcher.roster
        if roster.changes != self.seen or (not self.settled and now >= self.settles):
            self.seen, self.settled = roster.changes, now >= self.settles
            living = [worker for worker in roster if worker.service == names.DISPLAY_SERVICE and not worker.retiring]
            slots = {slot for worker in living if isinstance(slot := worker.info.get("slot"), str) and slot}
            changed = self.assignment.rebalance({worker.name for worker in living}, settled=self.settled, slots=slots)
            if changed:
                workers = sorted({row.worker or "none" for row in changed})
                self.log.info("displays assigned", displays=len(changed), to=workers)
                effects = self._changed(changed)
        return [*effects, *self._publish()] if self.news else effects

    def _changed(self, rows: list[Display]) -> list[BrokerEffect]:
        self.news = True
        self.unwritten.update({row.id: (row.worker, row.token) for row in rows})
        return self._write()

    def _publish(self) -> list[BrokerEffect]:
        self.news = False
        self.version += 1
        body = pack(self.assignment.as_dict(self.version))
        message = self.bus.topics.publish(DISPLAYS, body, time.time_ns())
        return [] if message is None else [Publish(message)]

    def _write(self) -> list[BrokerEffect]:
        """Write assignments, the newest of each display; later changes are written after these."""
        if self.writing or not self.unwritten:
            return []
        self.writing, given = True, self.unwritten
        self.unwritten = {}

        def then(value: Any, why: str) -> list[BrokerEffect]:
            del value
            self.writing = False
            if not why:
                return self._write()
            self.log.error("store failed", why=why)  # retried with the next change; nothing depends on it
            self.unwritten = {**given, **self.unwritten}
            return []

        return [Store(partial(display_rows.assign, given=given), then)]

    # Requests of clients: each may raise STORE_FAILED, the store could not be read yet

    def create(self, asker: Asker, args: DisplayCreateArguments, now: float) -> list[BrokerEffect]:
        """Create a display; answers when it is in the store.

        Raises:
            ProtocolError: `BAD_ARGUMENT`, a display of this id has another symbol; `BUSY`.
        """
        del now
        self._check_known()
        symbol = args.symbol
        display = args.display or f"display-{asker.request.hex()[:16]}"  # the same request, repeated, means the same display
        first = self.bus.topics.ticks + 1 if args.first is None else args.first
        if self.assignment.find(display, symbol) is not None:
            return [asker.reply({"display": display, "new": False})]
        waits_for, waiting = self.coming.get(display, (symbol, []))
        check_symbol(display, waits_for, symbol)
        if waiting:
            waiting.append(asker)
            return []
        self.assignment.check_room(len(self.coming))
        init = args.init if args.source is None else {**args.init, "only_source": args.source}
        self.coming[display] = symbol, [asker]
        return self._configure(Display(display, symbol, init, first), args.config)

    def _configure(self, row: Display, config: dict[str, Any] | None) -> list[BrokerEffect]:
        """Write a new display's config, if it has one; only then the display."""

        def then(value: Any, error: ProtocolError | None) -> list[BrokerEffect]:
            del value
            if error is not None:
                return self._refused(row, error)
            return [Store(partial(display_rows.insert, row=row), partial(self._created, row), self.coming[row.id][1][:1])]

        if config is None:
            return then(None, None)
        try:
            return self.config.change(ConfigSetArguments(scope=DISPLAY + row.id, values=config, by="hulak.display.create"), then)
        except ProtocolError:
            del self.coming[row.id]
            raise

    def _refused(self, row: Display, error: ProtocolError) -> list[BrokerEffect]:
        return [asker.refuse(error) for asker in self.coming.pop(row.id)[1]]

    def _created(self, row: Display, value: Any, why: str) -> list[BrokerEffect]:
        del value
        if why:
            gone = self.config.drop_scope(DISPLAY + row.id, "its display was not created")
            return [*gone, *self._refused(row, ProtocolError("STORE_FAILED", why))]
        self.assignment.create(row)
        askers = self.coming.pop(row.id)[1]
        answers = [asker.reply({"display": row.id, "new": at == 0}) for at, asker in enumerate(askers)]
        return [*self._changed([row]), *answers]

    def update(self, asker: Asker, args: DisplayUpdateArguments, now: float) -> list[BrokerEffect]:
        """Restart a display with other values; answers when they are in the store.

        Raises:
            ProtocolError: `UNKNOWN_DISPLAY`.
        """
        del now
        self._check_known()
        display = args.display
        former = self.assignment.find(display)
        if former is None:
            raise ProtocolError("UNKNOWN_DISPLAY", f"there is no display {display!r}; `hulak displays` lists them")
        init = {**{name: former.init[name] for name in display_assignment.ASKED if name in former.init}, **args.init}

        def then(value: Any, why: str) -> list[BrokerEffect]:
            del value
            check_stored(why)
            row = self.assignment.update(display, init)
            answer = {"display": display, "updated": row is not None}
            return [*self._changed([] if row is None else [row]), asker.reply(answer)]

        return [Store(partial(display_rows.set_init, display=display, init=init), then, [asker])]

    def remove(self, asker: Asker, args: DisplayRemoveArguments, now: float) -> list[BrokerEffect]:
        """Remove displays; answers when they are removed from the store."""
        del now
        self._check_known()
        gone = self.assignment.of_symbol(args.symbol or "") if args.display is None else [args.display]

        def then(value: Any, why: str) -> list[BrokerEffect]:
            del value
            check_stored(why)
            effects: list[BrokerEffect] = []
            removed = self.assignment.remove(gone)
            self.bus.states.forget(removed)
            for display in removed:
                self.unwritten.pop(display, None)
                effects += self.config.drop_scope(DISPLAY + display, "its display was removed")
            if removed:
                effects += self._changed(self.assignment.rebalance(self.assignment.workers, settled=self.settled))
            return [*effects, asker.reply({"removed": removed})]

        return [Store(partial(display_rows.delete, gone=gone), then, [asker])]

    def day(self, asker: Asker, args: DisplayDayArguments, now: float) -> list[BrokerEffect]:
        """Store the values with which the day of a display began: a worker that takes it over needs no earlier ticks.

        Raises:
            ProtocolError: `NOT_YOURS`.
        """
        del now
        self._check_known()
        display, token, init, first = args.display, args.token, args.init, args.first
        row = self.assignment.find(display)
        if row is None or row.token != token:
            raise ProtocolError("NOT_YOURS", f"display {display!r} is not assigned under token {token!r}")

        def then(value: Any, why: str) -> list[BrokerEffect]:
            del value
            check_stored(why)
            effects: list[BrokerEffect] = []
            present = self.assignment.find(display)
            if present is not None and present.token == token:
                present.init, present.first, self.news = init, first, True
            elif present is not None:  # updated in the meantime: the values of the update stay, in the store too
                job = partial(display_rows.set_day, display=display, init=present.init, first=present.first)
                effects.append(Store(job, self._not_written))
            return [*effects, asker.reply({"display": display, "from": first})]

        return [Store(partial(display_rows.set_day, display=display, init=init, first=first), then, [asker])]

    def _not_written(self, value: Any, why: str) -> list[BrokerEffect]:
        del value
        if why:
            self.log.error("store failed", why=why)
        return []

    def rows(self, asker: Asker, args: NoArguments, now: float) -> list[BrokerEffect]:
        """List all displays with their workers."""
        del args, now
        self._check_known()
        return [asker.reply(self.assignment.as_dict(self.version))]

"""The display service of the broker: rows in the store, the topic `displays`, and who computes what. PROTOCOL.md section 11.

What a client asked for is answered when it is in the store. Which worker has a display is written too, but not waited for: tokens
are made so that they grow even if the last ones were not written.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from bus.broker.callbacks import Answer, Publish
from bus.broker.config_service import ConfigService
from bus.broker.storage import display_rows
from bus.broker.storage.database import Database, Job
from bus.core import control_requests, display_assignment
from bus.core.broker_state import BrokerState
from bus.core.display_assignment import Display
from bus.errors import ProtocolError
from bus.live_config.keys import DISPLAY
from bus.process.settings import Settings
from bus.wire import names
from bus.wire.codec import pack
from bus.wire.messages import Error, Reply, Request
from bus.wire.names import DISPLAYS

Serve = Callable[[bytes, Request, Any], None]
Waiting = list[tuple[bytes, bytes]]  # client and request


class DisplayService:
    """The shell around the assignment of displays.

    Args:
        settings: checked.
        bus: with the assignment.
        database: open.
        config: keeps each display's own values.
        answer: sends a message to a client.
        publish: sends a message to the subscribers, None for nothing.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        bus: BrokerState,
        database: Database,
        config: ConfigService,
        answer: Answer,
        publish: Publish,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.bus = bus
        self.assignment = bus.displays
        self.database = database
        self.config = config
        self.answer = answer
        self.publish = publish
        self.log = log
        self.known = False  # what the store has was read
        database.load(display_rows.rows, self._loaded)
        self.version = self.assignment.last_token  # grows over restarts, as tokens do
        self.settles = time.monotonic() + settings.task.lease_s  # until then a former broker's workers may come back
        self.settled = False
        self.seen = -1  # changes of the roster
        self.news = True  # rows that were not told yet
        self.coming: dict[str, tuple[str, Waiting]] = {}  # on their way to the store: id -> symbol, who waits
        self.unwritten: dict[str, tuple[str | None, int]] = {}  # id -> worker and token that are not in the store
        self.writing = False
        serve: dict[str, Callable[[bytes, Request, Any], None]] = {
            "hulak.display.create": self._create,
            "hulak.display.update": self._update,
            "hulak.display.remove": self._remove,
            "hulak.display.list": self._list,
            "hulak.display.day": self._day,
        }
        # Each answers when the store has it; each may raise BAD_ARGUMENT, UNKNOWN_DISPLAY, NOT_YOURS or BUSY.
        self.services = {name: partial(self._serve, one) for name, one in serve.items()}

    def _loaded(self, rows: list[Display] | None, why: str) -> None:
        if rows is None:
            self.log.error("displays not read", why=why)
            return
        self.known = True
        self.assignment.restore(rows, time.time_ns() // 1000)
        self.version, self.seen, self.news = self.assignment.last_token, -1, True

    def _serve(self, serve: Serve, client: bytes, request: Request, args: Any, now: float) -> None:
        del now
        if not self.known:
            raise ProtocolError("STORE_FAILED", f"the displays cannot be read yet: {self.database.failed}")
        serve(client, request, args)

    def turn(self, now: float) -> None:
        """Assign what a change of the roster, or the end of the grace, left without a worker; then tell what is new."""
        if not self.known:
            return
        roster = self.bus.dispatcher.roster
        if roster.changes != self.seen or (not self.settled and now >= self.settles):
            self.seen, self.settled = roster.changes, now >= self.settles
            living = [worker for worker in roster if worker.service == names.DISPLAY_SERVICE and not worker.retiring]
            slots = {slot for one in living if isinstance(slot := one.info.get("slot"), str) and slot}
            changed = self.assignment.look({one.name for one in living}, settled=self.settled, slots=slots)
            if changed:
                workers = sorted({row.worker or "nobody" for row in changed})
                self.log.info("displays assigned", displays=len(changed), to=workers)
                self._changed(changed)
        if self.news:
            self._tell()

    def _changed(self, rows: list[Display]) -> None:
        self.news = True
        self.unwritten.update({row.id: (row.worker, row.token) for row in rows})
        self._write()

    def _tell(self) -> None:
        self.news = False
        self.version += 1
        body = pack(self.assignment.told(self.version))
        self.publish(self.bus.topics.publish(DISPLAYS, body, time.time_ns()))

    def _write(self) -> None:
        """Write assignments, the newest of each display; what comes while it is being done is written after it."""
        if self.writing or not self.unwritten:
            return
        self.writing, given = True, self.unwritten
        self.unwritten = {}

        def then(value: Any, why: str) -> None:
            del value
            self.writing = False
            if why:  # the next change tries again; nothing depends on it
                self.log.error("store failed", why=why)
                self.unwritten = {**given, **self.unwritten}
            else:
                self._write()

        self.database.put(partial(display_rows.assign, given=given), then)

    # What clients ask for

    def _create(self, client: bytes, request: Request, args: control_requests.DisplayCreateArguments) -> None:
        symbol = args.symbol
        display = args.display or f"display-{request.id.hex()[:16]}"  # repeated, the request means the same display
        first = self.bus.topics.ticks + 1 if args.first is None else args.first
        if self.assignment.find(display, symbol) is not None:
            self.answer(client, Reply(request.id, {"display": display, "new": False}))
            return
        waits_for, waiting = self.coming.get(display, (symbol, []))
        if waits_for != symbol:
            raise ProtocolError("BAD_ARGUMENT", f"display {display!r} shows {waits_for}, so it cannot show {symbol}")
        if not waiting:
            self.assignment.check_room(len(self.coming))
            self.coming[display] = symbol, waiting
        waiting.append((client, request.id))
        if len(waiting) == 1:
            init = args.init if args.source is None else {**args.init, "only_source": args.source}
            self._configure(Display(display, symbol, init, first), args.config)

    def _configure(self, row: Display, config: dict[str, Any] | None) -> None:
        """Write a new display's own config, if it has one; only then the display."""

        def then(value: Any, error: ProtocolError | None) -> None:
            del value
            if error is None:
                self.database.put(partial(display_rows.insert, row=row), partial(self._created, row), self.coming[row.id][1][0])
            else:
                self._refused(row, error)

        if config is None:
            then(None, None)
            return
        try:
            self.config.set(
                control_requests.ConfigSetArguments(scope=DISPLAY + row.id, values=config, by="hulak.display.create"), then
            )
        except ProtocolError:
            del self.coming[row.id]
            raise

    def _refused(self, row: Display, error: ProtocolError) -> None:
        for client, request_id in self.coming.pop(row.id)[1]:
            self.answer(client, Error(request_id, error.code, str(error), error.details))

    def _created(self, row: Display, value: Any, why: str) -> None:
        del value
        if why:
            self.config.drop_scope(DISPLAY + row.id, "its display was not created")
            self._refused(row, ProtocolError("STORE_FAILED", why))
            return
        self.assignment.create(row)
        self._changed([row])
        for at, (client, request_id) in enumerate(self.coming.pop(row.id)[1]):
            self.answer(client, Reply(request_id, {"display": row.id, "new": at == 0}))

    def _update(self, client: bytes, request: Request, args: control_requests.DisplayUpdateArguments) -> None:
        display = args.display
        former = self.assignment.find(display)
        if former is None:
            raise ProtocolError("UNKNOWN_DISPLAY", f"there is no display {display!r}; `hulak displays` lists them")
        init = {**{name: former.init[name] for name in display_assignment.ASKED if name in former.init}, **args.init}

        def then() -> Any:
            row = self.assignment.update(display, init)
            self._changed([] if row is None else [row])
            return {"display": display, "updated": row is not None}

        self._do(client, request, partial(display_rows.set_init, display=display, init=init), then)

    def _remove(self, client: bytes, request: Request, args: control_requests.DisplayRemoveArguments) -> None:
        gone = self.assignment.of_symbol(args.symbol or "") if args.display is None else [args.display]

        def then() -> Any:
            removed = self.assignment.remove(gone)
            self.bus.states.forget(removed)
            for display in removed:
                self.unwritten.pop(display, None)
                self.config.drop_scope(DISPLAY + display, "its display was removed")
            if removed:
                self._changed(self.assignment.look(self.assignment.workers, settled=self.settled))
            return {"removed": removed}

        self._do(client, request, partial(display_rows.delete, gone=gone), then)

    def _day(self, client: bytes, request: Request, args: control_requests.DisplayDayArguments) -> None:
        """A display worker tells what the day of a display began with: who takes it over needs nothing before."""
        display, token, init, first = args.display, args.token, args.init, args.first
        row = self.assignment.find(display)
        if row is None or row.token != token:
            raise ProtocolError("NOT_YOURS", f"display {display!r} is not assigned under token {token!r}")

        def then() -> Any:
            present = self.assignment.find(display)
            if present is not None and present.token == token:
                present.init, present.first, self.news = init, first, True
            elif present is not None:  # an update came in between: what it said holds, in the store too
                job = partial(display_rows.set_day, display=display, init=present.init, first=present.first)
                self.database.put(job, lambda _, why: self.log.error("store failed", why=why) if why else None)
            return {"display": display, "from": first}

        self._do(client, request, partial(display_rows.set_day, display=display, init=init, first=first), then)

    def _do(self, client: bytes, request: Request, job: Job, after: Callable[[], Any]) -> None:
        def then(value: Any, why: str) -> None:
            del value
            self.answer(client, Error(request.id, "STORE_FAILED", why) if why else Reply(request.id, after()))

        self.database.put(job, then, (client, request.id))

    def _list(self, client: bytes, request: Request, args: control_requests.NoArguments) -> None:
        del args
        self.answer(client, Reply(request.id, self.assignment.told(self.version)))

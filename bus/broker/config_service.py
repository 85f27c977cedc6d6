"""The live configuration of the broker, around its database. PROTOCOL.md section 7.5.

A version is written to the disk, then it is the present one, then it is published, and then who asked for it is answered. One at
a time: each is checked against what the one before it left, which may be that the disk refused it.
"""

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
import structlog

from bus.broker.bug_guard import internal
from bus.broker.callbacks import Answer, ControlHandler, Publish
from bus.broker.storage import config_rows
from bus.broker.storage.database import Database
from bus.core import control_requests
from bus.core.broker_state import BrokerState
from bus.core.config_versions import ConfigVersion, ConfigVersions
from bus.core.control_arguments import Arguments
from bus.errors import ProtocolError
from bus.live_config.keys import defaults_of, refuse
from bus.live_config.scopes import effective, rows
from bus.process import log as logs
from bus.process.settings import Settings
from bus.wire.codec import pack
from bus.wire.messages import Error, Reply, Request
from bus.wire.names import CONFIG

MOST_WAITING = 1000  # changes that wait for the one before them
SILENT_S = 2.0  # without a report for so long: it is looked whether the process is there at all
Prepare = Callable[[Any, int], ConfigVersion | None]  # makes a version of arguments, at a time; may refuse them
ChangeCallback = Callable[[dict[str, Any] | None, ProtocolError | None], None]  # told {version, changed}, or why not


class ConfigService:
    """The keeper of the live configuration.

    Args:
        settings: checked; the defaults of live keys.
        database: open.
        bus: whose topics and reports it uses.
        publish: sends a frame to whoever wants it.
        answer: sends a message to a client.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: BrokerState,
        publish: Publish,
        answer: Answer,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.defaults = defaults_of(settings)
        self.database = database
        self.bus = bus
        self.publish = publish
        self.answer = answer
        self.log = log
        self.versions = ConfigVersions()
        self.known = False  # what the store has was read
        self.waiting: deque[tuple[Prepare, Arguments, ChangeCallback]] = deque()
        self.writing = False
        self.services: dict[str, ControlHandler] = {
            "hulak.config.get": self._get,
            "hulak.config.set": lambda client, request, args, _: self._change(client, request, args, self.set),
            "hulak.config.revert": lambda client, request, args, _: self._change(client, request, args, self.revert),
            "hulak.config.history": self._history,
            "hulak.config.applied": self._applied,
        }
        database.load(config_rows.load, self._loaded)

    def _loaded(self, versions: ConfigVersions | None, why: str) -> None:
        if versions is None:
            self.log.error("configuration not read", why=why)
            return
        self.versions, self.known = versions, True
        self._broadcast()

    # Changes

    def set(self, args: control_requests.ConfigSetArguments, then: ChangeCallback) -> None:
        """Make a new version; `then` is told in the loop's thread, now or later.

        Raises:
            ProtocolError: `BUSY`; `STORE_FAILED`, the configuration could not be read yet.
        """
        self._queue(self.versions.set, args, then)

    def revert(self, args: control_requests.ConfigRevertArguments, then: ChangeCallback) -> None:
        """Make a version as one before; else as `set`."""
        self._queue(self.versions.revert, args, then)

    def drop_scope(self, scope: str, by: str) -> None:
        """Let all values of a scope go, as when its display is removed."""
        keys = list(self.versions.scopes.get(scope, {}))
        if keys:  # however many changes wait: nobody is there who could ask again
            self.waiting.append(
                (self.versions.set, control_requests.ConfigSetArguments(scope=scope, unset=keys, by=by), lambda *_: None)
            )
            self._next()

    def _change(self, client: bytes, request: Request, args: Any, change: Callable[[Any, ChangeCallback], None]) -> None:
        def then(value: dict[str, Any] | None, error: ProtocolError | None) -> None:
            if error is None:
                self.answer(client, Reply(request.id, value))
            else:
                self.answer(client, Error(request.id, error.code, str(error), error.details))

        change(args, then)

    def _queue(self, prepare: Prepare, args: Arguments, then: ChangeCallback) -> None:
        if not self.known:
            raise ProtocolError("STORE_FAILED", f"the configuration cannot be read yet: {self.database.failed}")
        if len(self.waiting) >= MOST_WAITING:
            raise ProtocolError("BUSY", f"{MOST_WAITING} changes of the configuration wait, no more are taken")
        self.waiting.append((prepare, args, then))
        self._next()

    def _next(self) -> None:
        while self.waiting and not self.writing:
            prepare, args, then = self.waiting.popleft()
            try:
                version = prepare(args, time.time_ns())
            except ProtocolError as error:
                self.bus.refused += 1
                then(None, error)
                continue
            except Exception as error:  # noqa: BLE001 - who waits for it, and who waits behind it, must not wait for ever
                self.database.trouble(error, None)
                then(None, ProtocolError("INTERNAL", internal(None, error).text))
                continue
            if version is None:
                then({"version": self.versions.version, "changed": False}, None)
                continue
            self.writing = True
            self.database.put(
                partial(config_rows.write, version=version, keep=self.versions.keep), partial(self._written, version, then)
            )

    def _written(self, version: ConfigVersion, then: ChangeCallback, value: Any, why: str) -> None:
        del value
        self.writing = False
        if why:
            self.log.error("configuration not written", version=version.version, why=why)
            then(None, ProtocolError("STORE_FAILED", f"the configuration was not changed: {why}"))
        else:
            self.versions.accept(version)
            self._broadcast()
            told = {f"{one.scope} {one.key}": one.after for one in version.changes[:10]}
            self.log.info("configuration changed", version=version.version, by=version.by, note=version.note, changes=told)
            then({"version": version.version, "changed": True}, None)
        self._next()

    def _broadcast(self) -> None:
        document = self.versions.document()
        logs.set_level(str(effective(document, "broker", "", self.defaults)["log_level"]))
        self.publish(self.bus.topics.publish(CONFIG, pack(document), time.time_ns()))

    def stats(self) -> dict[str, Any]:
        """Say which version is in force, and for how long."""
        newest = self.versions.document()
        return {"version": newest["version"], "age_s": round(time.time() - newest["at_ns"] / 1e9, 3)}

    # Questions

    def _get(self, client: bytes, request: Request, args: control_requests.ConfigGetArguments, now: float) -> None:
        del now
        document = self.versions.document()
        if args.version is not None:
            document |= {"version": args.version, "scopes": self.versions.at(args.version)}
        told = {**document, "rows": rows(document, args.scope, self.defaults)}
        self.answer(client, Reply(request.id, told))

    def _history(self, client: bytes, request: Request, args: control_requests.ConfigHistoryArguments, now: float) -> None:
        del now
        self.answer(client, Reply(request.id, self.versions.history(args.limit)))

    def _applied(self, client: bytes, request: Request, args: control_requests.ConfigAppliedArguments, now: float) -> None:
        if args.version is not None and args.version > self.versions.version:
            allowed = f"0 to {self.versions.version}"
            raise refuse("", "version", args.version, allowed, f"version is {args.version}, must be {allowed}")
        self.answer(client, Reply(request.id, self.applied(now)))

    def applied(self, now: float) -> list[dict[str, Any]]:
        """List every living process that applies the configuration: kind, name, pid, version (that it applies), age_s.

        Who was killed is not waited for; who is frozen, is.
        """
        return [
            {"kind": row["kind"], "name": row["name"], "pid": row["pid"], "version": row["config_version"], "age_s": row["age_s"]}
            for row in self.bus.reports.rows(now)
            if type(row.get("config_version")) is int and (row["age_s"] < SILENT_S or psutil.pid_exists(row["pid"]))
        ]

"""The live configuration of the broker, around its database. PROTOCOL.md section 7.5.

A version is written to the disk, then it is the present one, then it is published, and then who asked for it is answered. One at
a time: each is checked against what the one before it left, which may be that the disk refused it.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
import structlog

from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.storage import config_rows
from hulak.bus.broker.storage.database import Database
from hulak.bus.broker.store_effects import BrokerEffect, Load, Store
from hulak.bus.broker.waiters import Waiters
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.config_versions import ConfigVersion, ConfigVersions, unknown_version
from hulak.bus.core.control_arguments import Arguments
from hulak.bus.core.control_requests import (
    ConfigAppliedArguments,
    ConfigGetArguments,
    ConfigHistoryArguments,
    ConfigRevertArguments,
    ConfigSetArguments,
)
from hulak.bus.core.effects import Asker, Publish
from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.keys import defaults_of
from hulak.bus.live_config.scopes import effective, rows
from hulak.bus.process import log as logs
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import pack
from hulak.bus.wire.names import CONFIG

MOST_WAITING = 1000  # changes that wait for the one before them
MOST_WAITERS = 1000  # requests that wait for a version to be applied
LOOK_S = 0.25  # between two looks whether a process that is waited for has ended
SILENT_S = 2.0  # without a report for so long: it is looked whether the process is there at all
Prepare = Callable[[Any, int], ConfigVersion | None]  # makes a version of arguments, at a time; may refuse them
# What follows a change, which is told as {version, changed}, or why there is none.
AfterChange = Callable[[dict[str, Any] | None, ProtocolError | None], list[BrokerEffect]]


class ConfigService:
    """The keeper of the live configuration.

    Args:
        settings: checked; the defaults of live keys.
        database: open.
        bus: whose topics and reports it uses.
        guard: told of bugs.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: BrokerState,
        guard: BugGuard,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.defaults = defaults_of(settings)
        self.database = database
        self.bus = bus
        self.guard = guard
        self.log = log
        self.versions = ConfigVersions()
        self.known = False  # what the store has was read
        self.waiting: deque[tuple[Prepare, Arguments, AfterChange]] = deque()
        self.writing = False
        self.waits: Waiters[int] = Waiters(MOST_WAITERS, "processes to apply a version")  # by version
        self.look_at = 0.0  # when it is looked again who has applied what, monotonic seconds; only if somebody waits
        self.seen = -1  # changes of the reports

    def begin(self) -> list[BrokerEffect]:
        """Read what the store has."""
        return [Load(config_rows.load, self._loaded)]

    def _loaded(self, versions: ConfigVersions | None, why: str) -> list[BrokerEffect]:
        if versions is None:
            self.log.error("configuration not read", why=why)
            return []
        self.versions, self.known = versions, True
        return self._broadcast()

    # Changes

    def set(self, asker: Asker, args: ConfigSetArguments, now: float) -> list[BrokerEffect]:
        """Make a new version, and answer when it is published.

        Raises:
            ProtocolError: `BUSY`; `STORE_FAILED`, the configuration could not be read yet.
        """
        del now
        return self.change(args, partial(_answer, asker))

    def revert(self, asker: Asker, args: ConfigRevertArguments, now: float) -> list[BrokerEffect]:
        """Make a version as one before; else as `set`."""
        del now
        return self._queue(self.versions.revert, args, partial(_answer, asker))

    def change(self, args: ConfigSetArguments, then: AfterChange) -> list[BrokerEffect]:
        """Make a new version; what follows it is asked of `then`, now or later. Raises as `set`."""
        return self._queue(self.versions.set, args, then)

    def drop_scope(self, scope: str, by: str) -> list[BrokerEffect]:
        """Let all values of a scope go, as when its display is removed."""
        keys = list(self.versions.scopes.get(scope, {}))
        if not keys:
            return []
        # However many changes wait: nobody is there who could ask again.
        self.waiting.append((self.versions.set, ConfigSetArguments(scope=scope, unset=keys, by=by), lambda *_: []))
        return self._next()

    def _queue(self, prepare: Prepare, args: Arguments, then: AfterChange) -> list[BrokerEffect]:
        if not self.known:
            raise ProtocolError("STORE_FAILED", f"the configuration cannot be read yet: {self.database.failed}")
        if len(self.waiting) >= MOST_WAITING:
            raise ProtocolError("BUSY", f"{MOST_WAITING} changes of the configuration wait, no more are taken")
        self.waiting.append((prepare, args, then))
        return self._next()

    def _next(self) -> list[BrokerEffect]:
        effects: list[BrokerEffect] = []
        while self.waiting and not self.writing:
            prepare, args, then = self.waiting.popleft()
            try:
                version = prepare(args, time.time_ns())
            except ProtocolError as error:
                self.bus.refused += 1
                effects += then(None, error)
                continue
            except Exception as error:  # noqa: BLE001 - who waits for it, and who waits behind it, must not wait for ever
                self.guard.tell("a change of the configuration", error)
                effects += then(None, ProtocolError("INTERNAL", internal(None, error).text))
                continue
            if version is None:
                effects += then({"version": self.versions.version, "changed": False}, None)
                continue
            self.writing = True
            job = partial(config_rows.write, version=version, keep=self.versions.keep)
            effects.append(Store(job, partial(self._written, version, then)))
        return effects

    def _written(self, version: ConfigVersion, then: AfterChange, value: Any, why: str) -> list[BrokerEffect]:
        del value
        self.writing = False
        if why:
            self.log.error("configuration not written", version=version.version, why=why)
            error = ProtocolError("STORE_FAILED", f"the configuration was not changed: {why}")
            return [*then(None, error), *self._next()]
        self.versions.accept(version)
        told = {f"{one.scope} {one.key}": one.after for one in version.changes[:10]}
        self.log.info("configuration changed", version=version.version, by=version.by, note=version.note, changes=told)
        effects = [*self._broadcast(), *then({"version": version.version, "changed": True}, None)]
        return [*effects, *self._next()]

    def _broadcast(self) -> list[BrokerEffect]:
        document = self.versions.document()
        logs.set_level(str(effective(document, "broker", "", self.defaults)["log_level"]))
        message = self.bus.topics.publish(CONFIG, pack(document), time.time_ns())
        return [] if message is None else [Publish(message)]

    def stats(self) -> dict[str, Any]:
        """Say which version is in force, and for how long."""
        newest = self.versions.document()
        return {"version": newest["version"], "age_s": round(time.time() - newest["at_ns"] / 1e9, 3)}

    # Questions

    def get(self, asker: Asker, args: ConfigGetArguments, now: float) -> list[BrokerEffect]:
        """Tell the document, or a former one, and what counts where.

        Raises:
            ProtocolError: `BAD_CONFIG`: there is no such scope or version.
        """
        del now
        document = self.versions.document()
        if args.version is not None:
            document |= {"version": args.version, "scopes": self.versions.at(args.version)}
        return [asker.reply({**document, "rows": rows(document, args.scope, self.defaults)})]

    def history(self, asker: Asker, args: ConfigHistoryArguments, now: float) -> list[BrokerEffect]:
        """List the newest versions."""
        del now
        return [asker.reply(self.versions.history(args.limit))]

    def applied(self, asker: Asker, args: ConfigAppliedArguments, now: float) -> list[BrokerEffect]:
        """List which process applies which version; with `wait_ms` once all apply it, or the time is over.

        Raises:
            ProtocolError: `BAD_CONFIG`: there is no such version; `BUSY`.
        """
        newest = self.versions.version
        version = newest if args.version is None else args.version
        if version > newest:
            raise unknown_version(version, 0, newest)
        rows = self.processes(now)
        if not args.wait_ms or _lowest(rows) >= version:
            return [asker.reply(rows)]
        until = now + args.wait_ms / 1000
        self.waits.add(version, asker, until)
        self.look_at = min(self.look_at, until)
        return []

    def turn(self, now: float) -> list[BrokerEffect]:
        """Answer who waits for a version that all apply now, and whose time is over."""
        if not self.waits or (self.bus.reports.changes == self.seen and now < self.look_at):
            return []
        self.seen = self.bus.reports.changes
        rows = self.processes(now)
        lowest = _lowest(rows)
        askers = [asker for version in self.waits if version <= lowest for asker in self.waits.pop(version)]
        askers += [asker for _, asker in self.waits.pop_over(now)]
        self.look_at = min(now + LOOK_S, self.waits.next_over())
        return [asker.reply(rows) for asker in askers]

    def processes(self, now: float) -> list[dict[str, Any]]:
        """List every living process that applies the configuration: kind, name, pid, version (that it applies), age_s.

        Who was killed is not waited for; who is frozen, is.
        """
        return [
            {"kind": one.kind, "name": one.name, "pid": one.pid, "version": version, "age_s": round(now - one.at, 3)}
            for one in self.bus.reports.known(now)
            if type(version := one.values.get("config_version")) is int
            and (now - one.at < SILENT_S or psutil.pid_exists(one.pid))
        ]


def _lowest(rows: list[dict[str, Any]]) -> float:
    """The version that every process applies at least; infinite if there is none."""
    return min((row["version"] for row in rows), default=math.inf)


def _answer(asker: Asker, value: dict[str, Any] | None, error: ProtocolError | None) -> list[BrokerEffect]:
    return [asker.reply(value) if error is None else asker.refuse(error)]

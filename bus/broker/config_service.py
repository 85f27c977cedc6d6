"""The live configuration of the broker, around its database. PROTOCOL.md section 7.5.

A version is written to disk, then put in force, then published, and then the request is answered. Changes run one at a time:
each is checked against the outcome of the one before, which the disk may have refused.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

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
from hulak.bus.process.lifecycle import is_running
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import pack
from hulak.bus.wire.names import CONFIG

MOST_WAITING = 1000  # changes that wait for an earlier one
MOST_WAITERS = 1000  # requests that wait for a version to be applied
CHECK_S = 0.25  # between two checks whether a process that is waited for has ended
SILENT_S = 2.0  # after this time without a report, the process table is checked for the process
Prepare = Callable[[Any, int], ConfigVersion | None]  # makes a version from arguments and a time; may refuse them
# Called after a change with {version, changed}, or with the error.
AfterChange = Callable[[dict[str, Any] | None, ProtocolError | None], list[BrokerEffect]]


class ConfigService:
    """The live configuration of the broker.

    Args:
        settings: checked; they hold the defaults of live keys.
        database: open.
        bus: its topics and reports are used.
        guard: counts and logs bugs.
        log: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: BrokerState,
        guard: BugGuard,
        log: Log,
    ) -> None:
        self.defaults = defaults_of(settings)
        self.database = database
        self.bus = bus
        self.guard = guard
        self.log = log
        self.versions = ConfigVersions()
        self.known = False  # true after the store was read
        self.waiting: deque[tuple[Prepare, Arguments, AfterChange]] = deque()
        self.writing = False
        self.waits: Waiters[int] = Waiters(MOST_WAITERS, "processes to apply a version")  # by version
        self.check_at = 0.0  # when the applied versions are checked again, monotonic seconds; only while requests wait
        self.seen = -1  # the last counter of changes in the reports

    def begin(self) -> list[BrokerEffect]:
        """Read the versions in the store."""
        return [Load(config_rows.load, self._loaded)]

    def _loaded(self, versions: ConfigVersions | None, why: str) -> list[BrokerEffect]:
        if versions is None:
            self.log.error("configuration not read", why=why)
            return []
        self.versions, self.known = versions, True
        return self._broadcast()

    # Changes

    def set(self, asker: Asker, args: ConfigSetArguments, now: float) -> list[BrokerEffect]:
        """Make a new version; answers when it is published.

        Raises:
            ProtocolError: `BUSY`; `STORE_FAILED`, the configuration could not be read yet.
        """
        del now
        return self.change(args, partial(_answer, asker))

    def revert(self, asker: Asker, args: ConfigRevertArguments, now: float) -> list[BrokerEffect]:
        """Make a new version with the values of an earlier one; otherwise as `set`."""
        del now
        return self._queue(self.versions.revert, args, partial(_answer, asker))

    def change(self, args: ConfigSetArguments, then: AfterChange) -> list[BrokerEffect]:
        """Make a new version; its effects come from `then`, now or later. Raises as `set`."""
        return self._queue(self.versions.set, args, then)

    def drop_scope(self, scope: str, by: str) -> list[BrokerEffect]:
        """Remove all values of a scope, for example when its display is removed."""
        keys = list(self.versions.scopes.get(scope, {}))
        if not keys:
            return []
        # MOST_WAITING does not apply: no client is there to retry.
        self.waiting.append((self.versions.set, ConfigSetArguments(scope=scope, unset=keys, by=by), lambda *_: []))
        return self._next()

    def _queue(self, prepare: Prepare, args: Arguments, then: AfterChange) -> list[BrokerEffect]:
        if not self.known:
            raise ProtocolError("STORE_FAILED", f"the configuration cannot be read yet: {self.database.failed}")
        if len(self.waiting) >= MOST_WAITING:
            raise ProtocolError(
                "BUSY", f"{MOST_WAITING} changes of the configuration wait, no more are taken; try again in a second"
            )
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
            except Exception as error:  # noqa: BLE001 - neither its request nor those after it may wait without limit
                self.guard.report("a change of the configuration", error)
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
        changes = {f"{change.scope} {change.key}": change.after for change in version.changes[:10]}
        self.log.info("configuration changed", version=version.version, by=version.by, note=version.note, changes=changes)
        effects = [*self._broadcast(), *then({"version": version.version, "changed": True}, None)]
        return [*effects, *self._next()]

    def _broadcast(self) -> list[BrokerEffect]:
        document = self.versions.document()
        logs.set_level(str(effective(document, "broker", "", self.defaults)["log_level"]))
        message = self.bus.topics.publish(CONFIG, pack(document), time.time_ns())
        return [] if message is None else [Publish(message)]

    def reload(self, settings: Settings) -> None:
        """Take the defaults of live keys from the settings file that was read again; may interrupt every other method."""
        self.defaults = defaults_of(settings)
        logs.set_level(str(effective(self.versions.document(), "broker", "", self.defaults)["log_level"]))

    def stats(self) -> dict[str, Any]:
        """Return the version in force, and its age."""
        newest = self.versions.document()
        return {"version": newest["version"], "age_s": round(time.time() - newest["at_ns"] / 1e9, 3)}

    # Questions

    def get(self, asker: Asker, args: ConfigGetArguments, now: float) -> list[BrokerEffect]:
        """Return the present document or an earlier one, with the effective values.

        Raises:
            ProtocolError: `BAD_CONFIG`: no such scope or version.
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
        """List the version that each process applies; with `wait_ms`, when all apply it or the time has expired.

        Raises:
            ProtocolError: `BAD_CONFIG`: no such version; `BUSY`.
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
        self.check_at = min(self.check_at, until)
        return []

    def turn(self, now: float) -> list[BrokerEffect]:
        """Answer the requests whose version is applied by all processes, and those that have expired."""
        if not self.waits or (self.bus.reports.changes == self.seen and now < self.check_at):
            return []
        self.seen = self.bus.reports.changes
        rows = self.processes(now)
        lowest = _lowest(rows)
        askers = [asker for version in self.waits if version <= lowest for asker in self.waits.pop(version)]
        askers += [asker for _, asker in self.waits.pop_over(now)]
        self.check_at = min(now + CHECK_S, self.waits.next_over())
        return [asker.reply(rows) for asker in askers]

    def processes(self, now: float) -> list[dict[str, Any]]:
        """List every living process that applies the configuration: kind, name, pid, version (that it applies), age_s.

        A process that was killed is not waited for; a frozen one is.
        """
        return [
            {"kind": report.kind, "name": report.name, "pid": report.pid, "version": version, "age_s": round(now - report.at, 3)}
            for report in self.bus.reports.known(now)
            if type(version := report.values.get("config_version")) is int
            and (now - report.at < SILENT_S or is_running(report.pid))
        ]


def _lowest(rows: list[dict[str, Any]]) -> float:
    """Return the lowest version that a process applies; infinite if no process does."""
    return min((row["version"] for row in rows), default=math.inf)


def _answer(asker: Asker, value: dict[str, Any] | None, error: ProtocolError | None) -> list[BrokerEffect]:
    return [asker.reply(value) if error is None else asker.refuse(error)]

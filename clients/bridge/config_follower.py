"""The bridge of a site that follows the live configuration of another one. PROTOCOL.md section 15.5.

Each check compares the owner's newest document with that of this broker and sets what differs, so that nothing has to be kept: a
change that was made here is overwritten, and after any failure the next check does what is left.
"""

import asyncio
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import shared_config
from hulak.clients.bridge.config_source import ANSWER_S, read_document
from hulak.clients.bridge.config_stream import ConfigStream, published_ns
from hulak.clients.bridge.shared_config import Refused, SharedDocument, Step
from hulak.clients.bridge.state import FAILING, RECEIVING, WAITING, State
from hulak.clients.bridge.stream import FAILURES
from hulak.clients.calls.async_client import AsyncBusClient

CHECK_S = 1.0  # between two comparisons
REFUSALS = ("BAD_CONFIG", "BAD_ARGUMENT")  # of the values themselves: they are not tried again
MOST_NAMED = 5  # refused values in a report
MOST_OLDER = 10  # checks that find an older message than the one in force, until it counts: the owner replaces it in one or two


class ConfigFollower:
    """Keeps the shared scopes of this broker as those of the owner.

    Args:
        settings: of the bridge.
        client: of NATS, connected.
        broker: of this site.
        log: of this process.
    """

    def __init__(self, settings: BridgeSettings, client: Any, broker: AsyncBusClient, log: Log) -> None:
        self.settings = settings
        self.broker = broker
        self.log = log
        self.stream = ConfigStream(client, settings.config)
        self.state = State()
        self.refused = Refused()
        self.version = 0  # of the owner's document that is in force here
        self.applied_ns = 0  # when its message was published
        self.changes = self.overwritten = self.malformed = self.failures = 0
        self._hulak = ""  # the version of this broker's program
        self._malformed_sequence = self._older = 0

    async def run(self) -> None:
        """Follow without end."""
        while True:
            try:
                await self._check()
            except (*FAILURES, BusError) as error:
                self.failures += 1
                why = f"{type(error).__name__}: {error}"
                if self.state.become(FAILING, why):
                    self.log.warning("configuration not followed", stream=self.stream.name, why=why)
            await asyncio.sleep(CHECK_S)

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        named = list(self.refused.rows.items())[-MOST_NAMED:]
        return {
            "stream": self.stream.name,
            **self.state.values(),
            "owner": self.settings.config,
            "version": self.version,
            "changes": self.changes,
            "overwritten": self.overwritten,
            "malformed": self.malformed,
            "refused_values": self.refused.count,
            "refused_now": len(self.refused.rows),
            "refused_named": [f"{scope} {key}: {why}"[:200] for (scope, key), (_, why) in named],
            "failures": self.failures,
        }

    async def _check(self) -> None:
        own = await read_document(self.broker)  # first: then the message is not older than any that made this document
        message = await self.stream.last()
        if message is None:
            self.state.become(WAITING, f"site {self.settings.config} has published no configuration")
            return
        try:
            time_ns, document = published_ns(message), shared_config.decode(message.body)
        except ProtocolError as error:
            if message.sequence != self._malformed_sequence:
                self._malformed_sequence = message.sequence
                self.malformed += 1
                self.log.warning("configuration malformed", stream=self.stream.name, why=str(error))
            self.state.become(FAILING, str(error))
            return
        self._older = self._older + 1 if time_ns < self.applied_ns else 0
        if 0 < self._older <= MOST_OLDER:
            self.state.become(WAITING, f"NATS has lost version {self.version}, which is in force here")
            return
        await self._apply(own, time_ns, document)
        self.state.become(RECEIVING)

    async def _apply(self, own: dict[str, Any], time_ns: int, document: SharedDocument) -> None:
        """Set what differs, one scope after the other, and leave out what is refused."""
        again = time_ns == self.applied_ns
        hulak = str((await self.broker.call("hulak.ping", "", {}, timeout_s=ANSWER_S))["version"])
        if hulak != self._hulak:  # it may take what the version before refused
            self._hulak, self.refused.rows = hulak, {}
        self.refused.keep(document.scopes)
        present, version = {**own["scopes"]}, own["version"]
        while step := next(shared_config.steps(document.scopes, present, self.refused), None):
            try:
                version = await self._set(step, document, version)
            except BusError as error:
                if error.code == "OTHER_VERSION":  # changed meanwhile: the next check compares again
                    return
                if error.code not in REFUSALS:
                    raise
                self.refused.add(step, error.details.get("key"), str(error))
                self.log.warning("configuration refused", scope=step.scope, why=str(error))
                continue
            present[step.scope] = step.on(present.get(step.scope, {}))
            self.changes += step.size
            if again:
                self.overwritten += step.size
        self.applied_ns, self.version = time_ns, document.version

    async def _set(self, step: Step, document: SharedDocument, version: int) -> int:
        """Send one change, of the version of this broker that was compared; returns the one that it makes."""
        owner = self.settings.config
        args = {
            "scope": step.scope,
            "values": step.values,
            "unset": step.unset,
            "if_version": version,
            "by": f"bridge of {self.settings.site}",
            "note": f"version {document.version} of {owner}",
        }
        reply = await self.broker.call("hulak.config.set", "", args, timeout_s=ANSWER_S)
        return int(reply["version"])

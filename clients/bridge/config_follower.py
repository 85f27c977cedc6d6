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
from hulak.clients.bridge.config_source import ANSWER_S, Published, read_document
from hulak.clients.bridge.config_stream import ConfigStream, epoch_of
from hulak.clients.bridge.shared_config import Refused, SharedDocument, Step
from hulak.clients.bridge.state import FAILING, RECEIVING, WAITING, State
from hulak.clients.bridge.stream import FAILURES
from hulak.clients.calls.async_client import AsyncBusClient

CHECK_S = 1.0  # between two comparisons
REFUSALS = ("BAD_CONFIG", "BAD_ARGUMENT")  # of the values themselves: they are not tried again
MOST_NAMED = 5  # refused values in a report


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
        self.applied = (0, 0)  # epoch and version of the newest document of the owner that is in force here
        self.changes = self.overwritten = self.malformed = self.failures = 0
        self._epoch = 0  # of this broker
        self._malformed_sequence = 0

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
            "version": self.applied[1],
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
            epoch, document = epoch_of(message), shared_config.decode(message.body)
        except ProtocolError as error:
            if message.sequence != self._malformed_sequence:
                self._malformed_sequence = message.sequence
                self.malformed += 1
                self.log.warning("configuration malformed", stream=self.stream.name, why=str(error))
            self.state.become(FAILING, str(error))
            return
        if (epoch, document.version) < self.applied:
            self.state.become(WAITING, f"the stream has lost version {self.applied[1]}, which is in force here")
            return
        await self._apply(own, epoch, document)
        self.state.become(RECEIVING)

    async def _apply(self, own: Published, epoch: int, document: SharedDocument) -> None:
        """Set what differs, one scope after the other, and leave out what is refused."""
        again = (epoch, document.version) == self.applied
        if own.epoch != self._epoch:  # it may be another version of Hulak
            self._epoch, self.refused.rows = own.epoch, {}
        self.refused.keep(document.scopes)
        present, version = {**own.document["scopes"]}, own.document["version"]
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
        self.applied = epoch, document.version

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

"""The bridge of the site that owns the live configuration: its newest document goes into the stream. PROTOCOL.md section 15.5.

Each check compares the broker's document with the message that is there, so that nothing has to be kept: a stream that was
deleted, or has lost its message, gets it again. A message replaces only the one that was seen: an older document never replaces
a newer one.
"""

import asyncio
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import shared_config
from hulak.clients.bridge.config_source import read_document
from hulak.clients.bridge.config_stream import ConfigStream, epoch_of
from hulak.clients.bridge.state import FAILING, SENDING, State
from hulak.clients.bridge.stream import FAILURES, Stored
from hulak.clients.calls.async_client import AsyncBusClient

CHECK_S = 1.0  # between two comparisons


class NewerInStream(Exception):
    """The stream has a newer document than this broker."""


class ConfigOwner:
    """Keeps the message of this site the newest document of its broker.

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
        self.stream = ConfigStream(client, settings.site)
        self.state = State()
        self.version = 0  # that the stream has
        self.messages = self.failures = 0

    async def run(self) -> None:
        """Publish without end. Raises ConfigError: the stream is not as it has to be."""
        while True:
            try:
                await self._check()
            except (*FAILURES, BusError, NewerInStream) as error:
                self.failures += 1
                why = f"{type(error).__name__}: {error}"
                if self.state.become(FAILING, why):
                    self.log.warning("configuration not published", stream=self.stream.name, why=why)
            await asyncio.sleep(CHECK_S)

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        return {
            "stream": self.stream.name,
            **self.state.values(),
            "owner": self.settings.site,
            "version": self.version,
            "messages": self.messages,
            "failures": self.failures,
        }

    async def _check(self) -> None:
        last = await self.stream.last()  # first: the broker then has at least all that it has published
        own = await read_document(self.broker)
        if last is None:
            await self.stream.make(self.settings)
        there = _order_of(last)
        if there > own.order:
            epoch, version = there
            raise NewerInStream(
                f"the stream has version {version} of epoch {epoch}, the broker has version {own.order[1]} of epoch {own.epoch}: "
                f"another broker is of site {self.settings.site} too, or the clock was set back; delete the stream if this one "
                "is right"
            )
        if there < own.order:
            body = shared_config.encode(own.document)
            await self.stream.publish(body, own.epoch, last.sequence if last is not None else 0)
            self.messages += 1
        self.version = own.order[1]
        self.state.become(SENDING)


def _order_of(message: Stored | None) -> tuple[int, int]:
    """Return epoch and version of a message; a message that cannot be read is older than all."""
    if message is None:
        return 0, 0
    try:
        return epoch_of(message), shared_config.decode(message.body).version
    except ProtocolError:
        return 0, 0

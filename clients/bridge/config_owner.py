"""The bridge of the site that owns the live configuration: its newest document goes into the stream. PROTOCOL.md section 15.5.

Each check compares the broker's document with the message that is there, so that nothing has to be kept: a stream that was
deleted, or has lost its message, gets it again. The message is read first, and a document replaces only that message: so an older
document never replaces a newer one, however many bridges the site has. Versions say nothing about that: they begin again with
another database.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import shared_config
from hulak.clients.bridge.config_source import read_document
from hulak.clients.bridge.config_stream import ConfigStream, published_ns
from hulak.clients.bridge.state import FAILING, SENDING, State
from hulak.clients.bridge.stream import FAILURES, Stored
from hulak.clients.calls.async_client import AsyncBusClient

CHECK_S = 1.0  # between two comparisons


class OtherOwner(Exception):
    """A document that this broker does not have was published behind the one that it has."""


class ConfigOwner:
    """Keeps the message of this site the newest document of its broker.

    Args:
        settings: of the bridge.
        client: of NATS, connected.
        broker: of this site.
        log: of this process.
        now_ns: returns ns since 1970 UTC.
    """

    def __init__(
        self, settings: BridgeSettings, client: Any, broker: AsyncBusClient, log: Log, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.settings = settings
        self.broker = broker
        self.log = log
        self.now_ns = now_ns
        self.stream = ConfigStream(client, settings.site)
        self.state = State()
        self.version = 0  # that the stream has
        self.messages = self.failures = 0
        self._seen = (0, b"")  # sequence and body of the last message that was right

    async def run(self) -> None:
        """Publish without end. Raises ConfigError: the stream is not as it has to be."""
        while True:
            try:
                await self._check()
            except (*FAILURES, BusError, OtherOwner) as error:
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
        document = await read_document(self.broker)
        body = shared_config.encode(document)
        if last is None:
            await self.stream.make(self.settings)
        if last is None or last.body != body:
            last = await self._replace(last, body)
        self._seen = last.sequence, body
        self.version = document["version"]
        self.state.become(SENDING)

    async def _replace(self, last: Stored | None, body: bytes) -> Stored:
        sequence, seen = self._seen
        if last is not None and last.sequence > sequence and body == seen:
            raise OtherOwner(
                f"another broker has published its configuration as that of site {self.settings.site}: each site needs "
                "another name; this one publishes again with its next change, or when its bridge is started again"
            )
        after = last.sequence if last is not None else 0
        stored = await self.stream.publish(body, max(self.now_ns(), _time_of(last) + 1), after)
        self.messages += 1
        return stored


def _time_of(message: Stored | None) -> int:
    """Return when a message was published; 0 if there is none, or it cannot be read."""
    try:
        return published_ns(message) if message is not None else 0
    except ProtocolError:
        return 0

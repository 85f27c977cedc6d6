"""The results of this site's tasks that other sites have done, from their stream to the senders. PROTOCOL.md section 15.4."""

import asyncio
import contextlib
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import task_messages
from hulak.clients.bridge.stream import FAILURES
from hulak.clients.bridge.task_sender import AGAIN_S, TaskSender
from hulak.clients.bridge.work_stream import WorkStream

FETCH_S = 1.0


class TaskResults:
    """Reads the stream of results of this site.

    Args:
        settings: of the bridge.
        client: of NATS, connected.
        senders: one for each service.
        log: of this process.
    """

    def __init__(self, settings: BridgeSettings, client: Any, senders: list[TaskSender], log: Log) -> None:
        self.settings = settings
        self.log = log
        self.senders = {sender.service: sender for sender in senders}
        site = settings.site
        self.stream = WorkStream(client, task_messages.results_stream(site), f"{task_messages.RESULTS}.{site}.>")

    async def run(self) -> None:
        """Read without end."""
        while True:
            try:
                await self._follow()
            except FAILURES as error:
                self.log.warning("results of other sites interrupted", why=f"{type(error).__name__}: {error}")
                await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        await self.stream.open(self.settings)
        try:
            while True:
                for message in await self.stream.fetch(FETCH_S):
                    await self._take(message)
        finally:
            with contextlib.suppress(*FAILURES):
                await self.stream.close()

    async def _take(self, message: Any) -> None:
        try:
            route = task_messages.route_of(message.subject)
            result = task_messages.read_result(message.data)
        except ProtocolError as error:
            self.log.warning("result malformed", subject=message.subject, why=str(error))
            await message.term()
            return
        sender = self.senders.get(route.service)
        if sender is None or sender.site != route.of:
            await message.ack()  # of a service that is no longer sent there
            return
        await sender.result(message, result)

"""The context of an operation: the bus, and the gateway's knowledge of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hulak.bus.process.settings import Settings
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.gateway.bus_calls import BusCalls
from hulak.clients.judge.verdict import Verdict

CALL_S = 5.0  # limit for the broker's answer


@dataclass(frozen=True, slots=True)
class Context:
    """The context of an operation.

    Args:
        settings: checked.
        home: the broker's folder.
        client: calls the broker.
        reads: threads with clients, for reads of the journal that are not made for asyncio.
        verdict: returns the newest one.
        supervised: returns the rows of the supervised processes.
    """

    settings: Settings
    home: Path
    client: AsyncBusClient
    reads: BusCalls
    verdict: Callable[[], Verdict]
    supervised: Callable[[], Sequence[Mapping[str, Any]]]

    async def call(self, service: str, args: Mapping[str, Any] | None = None, timeout_s: float = CALL_S) -> Any:
        """Call a control service. Raises as `BusClient.call`."""
        return await self.client.call(service, "", args or {}, timeout_s=timeout_s)


Work = Callable[[Context, Mapping[str, Any]], Awaitable[Any]]

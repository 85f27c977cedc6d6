"""The live configuration of this broker, as it has published it. PROTOCOL.md section 7.5."""

from typing import Any

from hulak.bus.errors import BusError
from hulak.bus.subscriber.events import event_of
from hulak.clients.calls.async_client import AsyncBusClient

ANSWER_S = 5.0


async def read_document(broker: AsyncBusClient) -> dict[str, Any]:
    """Ask for the newest document. Raises BusError: `TIMEOUT`, `FORBIDDEN` and others."""
    frames = await broker.call("hulak.last", "", {"topic": "config"}, timeout_s=ANSWER_S)
    if not frames:
        raise BusError("INTERNAL", "the broker has published no configuration")
    document: dict[str, Any] = event_of(bytes(frames[0])).body
    return document

"""The live configuration of this broker, as it has published it. PROTOCOL.md section 7.5."""

from dataclasses import dataclass
from typing import Any

from hulak.bus.errors import BusError
from hulak.bus.subscriber.events import event_of
from hulak.clients.calls.async_client import AsyncBusClient

ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Published:
    """A document, and the epoch of the broker that has published it."""

    epoch: int
    document: dict[str, Any]

    @property
    def order(self) -> tuple[int, int]:
        """Return what a newer document has larger."""
        return self.epoch, self.document["version"]


async def read_document(broker: AsyncBusClient) -> Published:
    """Ask for the newest document. Raises BusError: `TIMEOUT`, `FORBIDDEN` and others."""
    frames = await broker.call("hulak.last", "", {"topic": "config"}, timeout_s=ANSWER_S)
    if not frames:
        raise BusError("INTERNAL", "the broker has published no configuration")
    event = event_of(bytes(frames[0]))
    return Published(event.stamp.epoch, event.body)

"""The stream of the shared configuration in JetStream: one message, the newest document of its owner."""

from typing import Any

from nats.js import api
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from hulak.bus.errors import ProtocolError
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import shared_config
from hulak.clients.bridge.spans import LARGEST
from hulak.clients.bridge.stream import ANSWER_S, Stored, make_stream

PUBLISHED = "Hulak-Published-Ns"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
MOST_BYTES = 1 << 20  # of the stream: the shared scopes have few keys


class ConfigStream:
    """The stream of one owner.

    Args:
        client: of nats-py, connected.
        site: the owner.
    """

    def __init__(self, client: Any, site: str) -> None:
        self.name = shared_config.stream_name(site)
        self.subject = shared_config.subject(site)
        self.context: JetStreamContext = client.jetstream(timeout=ANSWER_S)

    async def make(self, settings: BridgeSettings) -> None:
        """Make the stream, or compare the one that is there.

        Raises:
            ConfigError: a stream of this name has another configuration.
        """
        await make_stream(self.context, self._configuration(settings))

    async def last(self) -> Stored | None:
        """Return the message; None if there is none, or no stream."""
        try:
            message = await self.context.get_last_msg(self.name, self.subject)
        except NotFoundError:
            return None
        return Stored(message.seq or 0, message.subject or "", message.headers, message.data or b"")

    async def publish(self, body: bytes, time_ns: int, after: int) -> Stored:
        """Replace the message; returns the new one.

        Args:
            body: of `shared_config.encode`.
            time_ns: now, ns since 1970 UTC; larger than that of the message that is replaced.
            after: the sequence of the message that is replaced, 0 for none; the server refuses it behind another one.
        """
        headers = {PUBLISHED: str(time_ns), EXPECTED: str(after)}
        done = await self.context.publish(self.subject, body, timeout=ANSWER_S, headers=headers)
        return Stored(done.seq, self.subject, headers, body)

    def _configuration(self, settings: BridgeSettings) -> api.StreamConfig:
        return api.StreamConfig(
            name=self.name,
            description="the live configuration of a Hulak broker, see docs/bridge.md; only its bridge may publish here",
            subjects=[self.subject],
            retention=api.RetentionPolicy.LIMITS,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.OLD,
            max_bytes=MOST_BYTES,
            max_msgs=-1,
            max_msgs_per_subject=1,
            max_age=0,
            num_replicas=settings.replicas,
        )


def published_ns(message: Stored) -> int:
    """Return when a message was published, ns since 1970 UTC.

    Raises:
        ProtocolError: `BAD_BODY`, the header is missing or no such number.
    """
    text = (message.headers or {}).get(PUBLISHED, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and 0 < int(text) <= LARGEST):
        raise ProtocolError("BAD_BODY", f"header {PUBLISHED} is {text[:40]!r}, must be a number from 1 to {LARGEST}")
    return int(text)

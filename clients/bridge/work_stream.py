"""A stream of tasks or results in JetStream: each message is there until its reader has acknowledged it."""

import time
from typing import Any

from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import api
from nats.js.client import JetStreamContext

from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge.stream import ANSWER_S, READ_MESSAGES, make_stream

MOST_BYTES = 256 << 20  # of a stream: as many as the arguments of tasks that a broker accepts
MOST_UNACKNOWLEDGED = 256  # messages
ACK_WAIT_S = 10.0  # after which a message that is neither acknowledged nor renewed comes again
RENEW_S = 3.0
CHECK_S = 5.0  # between two checks whether a silent stream still exists
DURABLE = "bridge"  # its only reader


class WorkStream:
    """A stream that one bridge reads, and others publish into.

    Args:
        client: of nats-py, connected.
        name: of the stream.
        subjects: of its messages.
    """

    def __init__(self, client: Any, name: str, subjects: str) -> None:
        self.client = client
        self.name = name
        self.subjects = subjects
        self.context: JetStreamContext = client.jetstream(timeout=ANSWER_S)
        self._subscription: Any = None
        self._behind = 0
        self._check_at = 0.0

    async def open(self, settings: BridgeSettings) -> None:
        """Make the stream and its reader, or compare the stream that is there.

        Raises:
            ConfigError: a stream of this name has another configuration.
        """
        await make_stream(self.context, self._configuration(settings))
        reader = api.ConsumerConfig(
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=MOST_UNACKNOWLEDGED,
            max_deliver=-1,
        )
        self._subscription = await self.context.pull_subscribe(self.subjects, durable=DURABLE, stream=self.name, config=reader)
        self._behind = 0

    async def fetch(self, wait_s: float) -> list[Msg]:
        """Return the next messages; none if there is none in time. `open` comes first, and again after a failure."""
        count = max(1, min(READ_MESSAGES, self._behind))  # nats-py waits until a batch is full
        try:
            messages: list[Msg] = await self._subscription.fetch(count, timeout=wait_s)
        except (TimeoutError, NatsTimeout):
            self._behind = 0
            if time.monotonic() >= self._check_at:
                self._check_at = time.monotonic() + CHECK_S
                await self.context.consumer_info(self.name, DURABLE)
            return []
        self._behind = messages[-1].metadata.num_pending or 0
        return messages

    async def close(self) -> None:
        """End the reading; the server keeps the reader's position."""
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            await subscription.unsubscribe()

    def _configuration(self, settings: BridgeSettings) -> api.StreamConfig:
        return api.StreamConfig(
            name=self.name,
            description="tasks or results of Hulak brokers, see docs/bridge.md",
            subjects=[self.subjects],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.NEW,  # a full stream refuses a message, and the sender tries again: none is dropped
            max_bytes=MOST_BYTES,
            max_msgs=-1,
            max_age=0,
            num_replicas=settings.replicas,
        )

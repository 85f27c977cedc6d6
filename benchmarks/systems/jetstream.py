"""NATS JetStream: a stream on disk, acknowledged publishing and ordered consumers, with nats-py on uvloop.

The promise is that of Hulak: a confirmed tick is in the server's file, which is synced each second; ticks are numbered, and a
consumer repairs its gaps from the file.
"""

import asyncio
import importlib
from typing import Any

from benchmarks.system import SETTLES_S, BenchmarkError, Publisher
from benchmarks.systems.nats import NO_LIMIT, Nats, NatsPublisher, Take, connect

STREAM, SUBJECTS = "TICKS", "tick.*"
MOST_BYTES = 2 << 30  # as Hulak's journal
MOST_PENDING = 8192  # acknowledgements: above the window, so that the client does not stop


class AcknowledgedPublisher(NatsPublisher):
    """Publishes without waiting for each acknowledgement, as Hulak's feeds do; every one is checked."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.stream: Any = self.client.jetstream(publish_async_max_pending=MOST_PENDING)
        self.refusal: BaseException | None = None

    def flush(self) -> None:
        """Publish the buffered ticks, let the client write, and read the acknowledgements that are there.

        Raises:
            BenchmarkError: the server refused a tick.
        """
        super().flush()
        if self.refusal is not None:
            raise BenchmarkError(f"JetStream refused a tick: {self.refusal}")

    async def _publish(self) -> None:
        for topic, body in self.buffered:
            (await self.stream.publish_async(topic, body)).add_done_callback(self._check)
        await self._write()

    def _check(self, acknowledgement: "asyncio.Future[Any]") -> None:
        self.refusal = self.refusal or acknowledgement.exception()

    def close(self) -> None:
        """Wait until every tick is acknowledged, and close.

        Raises:
            BenchmarkError: the server refused a tick, or did not acknowledge all in time.
        """
        self.flush()
        waiting = asyncio.wait_for(self.stream.publish_async_completed(), SETTLES_S)
        try:
            self.loop.run_until_complete(waiting)
        except TimeoutError:
            count = self.stream.publish_async_pending()
            raise BenchmarkError(f"JetStream did not acknowledge {count} ticks within {SETTLES_S:g} s") from None
        super().close()


def storage(folder: str, sync: str) -> str:
    """Return the part of a server's file that switches JetStream on.

    Args:
        folder: for its files.
        sync: time between two syncs, such as `1s`, or `always`: before each acknowledgement.
    """
    return f'jetstream {{\n  store_dir: "{folder}/jetstream"\n  sync_interval: "{sync}"\n}}\n'


class JetStream(Nats):
    """One stream with the ticks of all symbols, and an ordered consumer for each subscriber."""

    def configuration(self) -> str:
        """Return the text of the server's file: it syncs as often as Hulak does."""
        return super().configuration() + storage(self.place.folder, "1s")

    def start(self) -> None:
        """Start the server and make the stream."""
        super().start()
        asyncio.run(self._make_stream())

    async def _make_stream(self) -> None:
        client = await connect(self.place.ports[0])
        configuration: Any = importlib.import_module("nats.js.api").StreamConfig(
            name=STREAM, subjects=[SUBJECTS], storage="file", max_bytes=MOST_BYTES
        )
        await client.jetstream().add_stream(configuration)
        await client.close()

    def publisher(self) -> Publisher:
        """Connect a client."""
        return AcknowledgedPublisher(self.place.ports[0])

    async def subscribe(self, client: Any, take: Take) -> None:
        """Make an ordered consumer of the stream, from its beginning on."""
        await client.jetstream().subscribe(SUBJECTS, stream=STREAM, cb=take, ordered_consumer=True, **NO_LIMIT)

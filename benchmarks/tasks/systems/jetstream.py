"""NATS JetStream as a task queue: a stream of tasks, pulled by workers, and a stream of results, with nats-py on uvloop.

A task is in the server's file before it is accepted, and so is its result before the task is acknowledged and the client has it:
the promise of Hulak's posted tasks.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Any

from benchmarks import installed, machine
from benchmarks.system import Place
from benchmarks.systems.jetstream import storage
from benchmarks.systems.nats import NO_LIMIT, SERVER, connect
from benchmarks.systems.nats import Nats as Server
from benchmarks.tasks import work
from benchmarks.tasks.system import AsyncClient
from benchmarks.tasks.systems.nats import Nats
from hulak.bus.wire.codec import pack, unpack

TASKS, RESULTS, WORKERS = "TASKS", "RESULTS", "workers"  # streams, consumer
TASK, RESULT = "task.noop", "result"  # subjects; a result's ends with the task's number
MOST_BYTES = 1 << 30  # of each stream


class JetStreamClient(AsyncClient):
    """Publishes a task, waits until it is accepted, and then for its result, from an ordered consumer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.waiting: dict[int, asyncio.Future[Any]] = {}

    async def open(self) -> None:
        """Connect, and subscribe to results."""
        self.connection: Any = await connect(self.port)
        self.stream: Any = self.connection.jetstream()
        await self.stream.subscribe(f"{RESULT}.*", stream=RESULTS, cb=self._take, ordered_consumer=True, **NO_LIMIT)

    async def _take(self, message: Any) -> None:
        future = self.waiting.pop(int(message.subject.rpartition(".")[2]), None)
        if future is not None and not future.done():
            future.set_result(unpack(message.data))

    async def call(self, number: int, within_s: float) -> Any:
        """Post a task and wait for its result."""
        result = self.waiting[number] = asyncio.get_running_loop().create_future()
        await self.stream.publish(TASK, pack(work.argument(number)), timeout=within_s)
        return await asyncio.wait_for(result, within_s)  # it may have come before the acknowledgement

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()


class JetStream(Nats):
    """A separate server with two streams, and workers that pull from one and publish to the other.

    Args:
        place: of the cell.
        workers: processes.
        sync: when the server syncs its files: `always`, before each acknowledgement, or a time.
    """

    app = "benchmarks.tasks.apps.jetstream_worker"

    def __init__(self, place: Place, workers: int, *, sync: str = "always") -> None:
        super().__init__(place, workers)
        self.sync = sync

    def start_server(self) -> None:
        """Start the server, and make the streams and the workers' consumer."""
        folder = self.place.folder
        file = Path(folder) / "nats.conf"
        file.write_text(Server(self.place).configuration() + storage(folder, self.sync))
        self.spawn([installed.program(SERVER) or SERVER, "-c", str(file)])
        machine.connect_tcp(self.place.ports[0]).close()
        asyncio.run(self._make_streams())

    async def _make_streams(self) -> None:
        api: Any = importlib.import_module("nats.js.api")
        client = await connect(self.place.ports[0])
        stream = client.jetstream()
        common = {"storage": "file", "max_bytes": MOST_BYTES}
        await stream.add_stream(api.StreamConfig(name=TASKS, subjects=[TASK], retention="workqueue", **common))
        await stream.add_stream(api.StreamConfig(name=RESULTS, subjects=[f"{RESULT}.*"], **common))
        await stream.add_consumer(TASKS, api.ConsumerConfig(durable_name=WORKERS, ack_policy="explicit"))
        await client.close()

    def client(self) -> AsyncClient:
        """Return the client."""
        return JetStreamClient(self.place.ports[0])

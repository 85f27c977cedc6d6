"""NATS request/reply: nats-server, workers in a queue group, nats-py on uvloop at both ends. Nothing is stored on disk."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks import installed, machine
from benchmarks.machine import HOST
from benchmarks.system import SETTLES_S
from benchmarks.systems.nats import SERVER
from benchmarks.systems.nats import Nats as Server
from benchmarks.tasks import work
from benchmarks.tasks.system import AsyncClient, TaskSystem
from hulak.bus.wire.codec import pack, unpack

ADDRESS, SUBJECT = "BENCHMARK_NATS", "benchmark.noop"


class NatsClient(AsyncClient):
    """One connection; each task is a request."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def open(self) -> None:
        """Connect a client."""
        self.connection: Any = await importlib.import_module("nats").connect(self.address)

    async def call(self, number: int, within_s: float) -> Any:
        """Send a request."""
        answer = await self.connection.request(SUBJECT, pack(work.argument(number)), timeout=within_s)
        return unpack(answer.data)

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()


class Nats(TaskSystem):
    """A separate server and workers."""

    app = "benchmarks.tasks.apps.nats_worker"

    def missing(self) -> str | None:
        """Return what is not installed; None if nothing is missing."""
        return Server(self.place).missing()

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"nats://{HOST}:{self.place.ports[0]}"

    def start(self) -> None:
        """Start the server, then the workers, and wait until each has subscribed."""
        self.start_server()
        for _ in range(self.workers):
            self.spawn_python(self.app, variables={**self.variables(), ADDRESS: self.address})
        logs = [Path(self.place.folder) / f"broker{at}.log" for at in range(1, self.workers + 1)]
        machine.wait_for(lambda: all("serves" in log.read_text() for log in logs), SETTLES_S, "the workers of NATS")

    def start_server(self) -> None:
        """Start the server, and wait until it accepts connections."""
        self.spawn([installed.program(SERVER) or SERVER, "-a", HOST, "-p", str(self.place.ports[0])])
        machine.connect_tcp(self.place.ports[0]).close()

    def client(self) -> AsyncClient:
        """Return the client."""
        return NatsClient(self.address)

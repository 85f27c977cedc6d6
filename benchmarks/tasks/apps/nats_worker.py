"""`python -m benchmarks.tasks.apps.nats_worker`: a worker that answers requests, in a queue group."""

import asyncio
import os
from typing import Any

import nats
import uvloop

from benchmarks import machine
from benchmarks.tasks import work
from hulak.bus.wire.codec import pack, unpack

ADDRESS, SUBJECT, GROUP = "BENCHMARK_NATS", "benchmark.noop", "workers"


async def serve() -> None:
    """Answer requests until terminated."""
    connection: Any = await nats.connect(os.environ[ADDRESS])

    async def answer(message: Any) -> None:
        await message.respond(pack(work.noop(unpack(message.data))))

    await connection.subscribe(SUBJECT, queue=GROUP, cb=answer)
    await connection.flush()
    print("serves", flush=True)  # noqa: T201 - its log is what the cell waits for
    await asyncio.Event().wait()


if __name__ == "__main__":
    machine.end_with_parent()
    uvloop.run(serve())

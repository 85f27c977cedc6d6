"""`python -m benchmarks.tasks.apps.jetstream_worker`: it pulls tasks, and acknowledges each after its result is stored."""

import asyncio
import json
import os
from functools import partial
from typing import Any

import nats
import uvloop

from benchmarks import machine
from benchmarks.tasks import work
from hulak.bus.wire.codec import pack, unpack

ADDRESS = "BENCHMARK_NATS"
NEXT = "$JS.API.CONSUMER.MSG.NEXT.TASKS.workers"
MOST = 32  # tasks that a worker has requested and not yet received
REQUEST_S = 30  # after which the server forgets a request


async def serve() -> None:
    """Pull and run tasks until terminated.

    Tasks are requested again when half of the last ones have come, as the clients of other languages do; nats-py's `fetch` would
    cost a round trip each time.
    """
    connection: Any = await nats.connect(os.environ[ADDRESS])
    stream: Any = connection.jetstream()
    inbox = connection.new_inbox()
    loop = asyncio.get_running_loop()
    acknowledging: set[asyncio.Task[None]] = set()
    missing = 0  # tasks requested and not yet received

    async def request() -> None:
        nonlocal missing
        if missing <= MOST // 2:
            order = {"batch": MOST - missing, "expires": REQUEST_S * 1_000_000_000}
            missing = MOST
            await connection.publish(NEXT, json.dumps(order).encode(), inbox)

    def stored(message: Any, result: "asyncio.Future[Any]") -> None:
        result.result()  # raises if the result was refused
        acknowledged = loop.create_task(message.ack())
        acknowledging.add(acknowledged)
        acknowledged.add_done_callback(acknowledging.discard)

    async def take(message: Any) -> None:
        nonlocal missing
        if message.headers is not None and "Status" in message.headers:  # a request has expired
            missing -= int(message.headers.get("Nats-Pending-Messages", MOST))
        else:
            missing -= 1
            number = work.noop(unpack(message.data))
            result = await stream.publish_async(f"result.{number}", pack(number))
            result.add_done_callback(partial(stored, message))
        await request()

    await connection.subscribe(inbox, cb=take)
    await request()
    await connection.flush()
    print("serves", flush=True)  # noqa: T201 - its log is what the cell waits for
    await asyncio.Event().wait()


if __name__ == "__main__":
    machine.end_with_parent()
    uvloop.run(serve())

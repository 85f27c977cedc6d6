"""Sleeping in an asyncio loop until a ZeroMQ socket may have something."""

import asyncio
from collections.abc import Iterable

import zmq


async def readable(sockets: "Iterable[zmq.Socket[bytes]]", woken: asyncio.Event, limit_s: float) -> None:
    """Sleep until one of the sockets may have something, `woken` is set, or the time is over; `woken` is cleared.

    A socket's descriptor tells of changes only: what is there already is looked for first, which also arms it.
    """
    loop, looked = asyncio.get_running_loop(), list(sockets)
    descriptors = [int(socket.getsockopt(zmq.FD)) for socket in looked]
    for descriptor in descriptors:
        loop.add_reader(descriptor, woken.set)
    try:
        if not any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in looked):
            async with asyncio.timeout(limit_s):
                await woken.wait()
    except TimeoutError:
        return
    finally:
        woken.clear()
        for descriptor in descriptors:
            loop.remove_reader(descriptor)

"""Waiting in an asyncio loop until a ZeroMQ socket or a descriptor may be readable."""

import asyncio
from collections.abc import Iterable

import zmq


async def readable(sockets: "Iterable[zmq.Socket[bytes] | int]", woken: asyncio.Event, limit_s: float) -> None:
    """Wait until one of the sockets or descriptors may be readable, `woken` is set, or the time is over; `woken` is cleared.

    A socket's descriptor reports changes only: waiting messages are checked for first, which also arms it.
    """
    loop, given = asyncio.get_running_loop(), list(sockets)
    polled = [socket for socket in given if not isinstance(socket, int)]
    descriptors = [socket if isinstance(socket, int) else int(socket.getsockopt(zmq.FD)) for socket in given]
    for descriptor in descriptors:
        loop.add_reader(descriptor, woken.set)
    try:
        if not any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in polled):
            async with asyncio.timeout(limit_s):
                await woken.wait()
    except TimeoutError:
        return
    finally:
        woken.clear()
        for descriptor in descriptors:
            loop.remove_reader(descriptor)

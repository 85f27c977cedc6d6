"""Waits for several ZeroMQ sockets and file descriptors, with few system calls. zmq_getsockopt(3), `ZMQ_FD` and `ZMQ_EVENTS`.

`zmq_poll` asks every socket for its state before it waits and again afterwards, which costs two system calls for each. A
socket's descriptor becomes readable when another thread has news for it. So between two waits only these sockets need a look:
those that were used, since a call may have taken in the news without a sign, and those whose descriptor is readable.
"""

import select
import time
from collections.abc import Iterable
from typing import Any

import zmq
from zmq.backend import zmq_poll

Ready = list[tuple[Any, int]]  # each socket, or descriptor, that can be read, and POLLIN


class SocketPoll:
    """The sockets and descriptors of one loop, all for input."""

    def __init__(self) -> None:
        self._descriptors = select.poll()
        self._by_descriptor: dict[int, Any] = {}  # the socket, or None for a plain descriptor
        self._sockets: Ready = []

    def __contains__(self, item: Any) -> bool:
        return any(socket is item for socket, _ in self._sockets) or (item in self._by_descriptor if type(item) is int else False)

    def register(self, item: Any, events: int = zmq.POLLIN) -> None:
        """Add a socket, or a file descriptor."""
        is_socket = isinstance(item, zmq.Socket)
        descriptor = int(item.getsockopt(zmq.FD)) if is_socket else item
        if descriptor in self._by_descriptor:
            return
        self._descriptors.register(descriptor, select.POLLIN)
        self._by_descriptor[descriptor] = item if is_socket else None
        if is_socket:
            self._sockets.append((item, events))

    def unregister(self, item: Any) -> None:
        """Remove a socket that is still open, or a file descriptor."""
        descriptor = int(item.getsockopt(zmq.FD)) if isinstance(item, zmq.Socket) else item
        self._descriptors.unregister(descriptor)
        del self._by_descriptor[descriptor]
        self._sockets = [pair for pair in self._sockets if pair[0] is not item]

    def poll(self, wait_ms: int, used: Iterable[Any] | None = None) -> Ready:
        """Wait until something can be read; returns what, or nothing when the time is over.

        Args:
            wait_ms: at most; 0: only look.
            used: the sockets that were used since the last poll; None: perhaps all of them. A socket that was used and is
                not named may be found late.
        """
        asked = self._sockets if used is None else [(socket, zmq.POLLIN) for socket in used]
        ready: Ready = zmq_poll(asked, 0)
        until = time.monotonic() + wait_ms / 1000
        while True:
            left_s = 0.0 if ready else max(0.0, until - time.monotonic())
            woken = self._descriptors.poll(left_s * 1000)
            if woken:
                self._add(ready, [descriptor for descriptor, _ in woken])
            if ready or left_s == 0.0:
                return ready

    def _add(self, ready: Ready, woken: Iterable[int]) -> None:
        """Add what can be read of the woken ones; a socket's descriptor may also tell of a new connection or of room to send."""
        found = dict(ready)
        asked = []
        for descriptor in woken:
            socket = self._by_descriptor[descriptor]
            if socket is None:
                ready.append((descriptor, zmq.POLLIN))
            elif socket not in found:
                asked.append((socket, zmq.POLLIN))
        if asked:
            ready += zmq_poll(asked, 0)

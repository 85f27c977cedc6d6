"""Waits for several ZeroMQ sockets and file descriptors, with few system calls. zmq_getsockopt(3), `ZMQ_FD` and `ZMQ_EVENTS`.

`zmq_poll` asks every socket for its state before and after it waits: two system calls for each. A socket's descriptor becomes
readable when another thread has put a command into the socket's mailbox. So only two kinds of sockets are asked: used ones,
since a call may have read the mailbox, and those with a readable descriptor.
"""

import select
import time
from collections.abc import Iterable
from typing import Any

import zmq
from zmq.backend import zmq_poll

Readable = list[tuple[Any, int]]  # each socket that can be read, or descriptor of a file, and POLLIN


class SocketPoll:
    """The sockets and descriptors of one loop, all for input."""

    def __init__(self) -> None:
        self._descriptors = select.poll()
        self._by_descriptor: dict[int, Any] = {}  # the socket, or None for a plain descriptor
        self._sockets: Readable = []

    def __contains__(self, item: Any) -> bool:
        if isinstance(item, zmq.Socket):
            return any(socket is item for socket, _ in self._sockets)
        return _descriptor(item) in self._by_descriptor

    def register(self, item: Any, events: int = zmq.POLLIN) -> None:
        """Add a socket of ZeroMQ, or a file: its descriptor or an object that has one."""
        is_socket = isinstance(item, zmq.Socket)
        descriptor = _descriptor(item)
        if descriptor in self._by_descriptor:
            return
        self._descriptors.register(descriptor, select.POLLIN)
        self._by_descriptor[descriptor] = item if is_socket else None
        if is_socket:
            self._sockets.append((item, events))

    def unregister(self, item: Any) -> None:
        """Remove a socket or a file that is still open."""
        descriptor = _descriptor(item)
        self._descriptors.unregister(descriptor)
        del self._by_descriptor[descriptor]
        self._sockets = [pair for pair in self._sockets if pair[0] is not item]

    def poll(self, wait_ms: int, used: Iterable[Any] | None = None) -> Readable:
        """Wait until something can be read; returns what, or nothing when the time is over.

        Args:
            wait_ms: at most; 0: only look.
            used: the sockets that were used since the last poll; None: perhaps all of them. If a used socket is missing here,
                its messages may be found late.
        """
        asked = self._sockets if used is None else [(socket, zmq.POLLIN) for socket in used]
        ready: Readable = zmq_poll(asked, 0)
        until = time.monotonic() + wait_ms / 1000
        while True:
            left_s = 0.0 if ready else max(0.0, until - time.monotonic())
            woken = self._descriptors.poll(left_s * 1000)
            if woken:
                self._add(ready, [descriptor for descriptor, _ in woken])
            if ready or left_s == 0.0:
                return ready

    def _add(self, ready: Readable, woken: Iterable[int]) -> None:
        """Add the readable ones of these; a socket's descriptor also reports new connections and room to send."""
        known = dict(ready)
        asked = []
        for descriptor in woken:
            socket = self._by_descriptor[descriptor]
            if socket is None:
                ready.append((descriptor, zmq.POLLIN))
            elif socket not in known:
                asked.append((socket, zmq.POLLIN))
        if asked:
            ready += zmq_poll(asked, 0)


def _descriptor(item: Any) -> int:
    if isinstance(item, zmq.Socket):
        return int(item.getsockopt(zmq.FD))
    return item if type(item) is int else int(item.fileno())

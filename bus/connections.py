"""The connections of the publisher, as the kernel sees them: which take nothing, and how one is ended.

libzmq tells by its monitor which descriptors it has accepted. It alone reads and writes them: here they are looked at, and one is
shut down, which libzmq takes for the end of its peer. A descriptor is known by its inode too, since its number is used again.
"""

import contextlib
import ctypes
import os
import select
import socket as plain
import time
from typing import Any, NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from bus import sockets
from bus.core.blocked import Blocked

EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
AFTER_S = 1.0  # libzmq has freed the messages of a connection that is gone
_libc = ctypes.CDLL(None)


class Connection(NamedTuple):
    """One subscriber's."""

    descriptor: int
    inode: int


class Connections:
    """All connections of one socket that is bound.

    Args:
        context: of the socket.
        socket: bound; monitored from now on.
        most_bytes: that are published while a connection takes nothing; then it is ended.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", socket: "zmq.Socket[bytes]", most_bytes: int) -> None:
        self._context = context
        self._blocked: Blocked[Connection] = Blocked(most_bytes)
        self._trim_at: float | None = None
        self.watch(socket)

    def watch(self, socket: "zmq.Socket[bytes]") -> None:
        """Look after this socket from now on, and no other."""
        self._known: dict[int, Connection] = {}
        address = f"inproc://monitor-{id(socket)}-{time.monotonic_ns()}"
        socket.monitor(address, EVENTS)
        # No limit: libzmq's own threads would wait for room in it.
        self._monitor: zmq.Socket[Any] = sockets.make(self._context, zmq.PAIR, rcvhwm=0)
        self._monitor.connect(address)

    def close(self, socket: "zmq.Socket[bytes]") -> None:
        """Look after a socket no more; call it before it is closed."""
        socket.disable_monitor()
        self._monitor.close(linger=0)

    def look(self, published: int, now: float) -> list[str]:
        """End the connections that have taken nothing for too long.

        Args:
            published: bytes, since the start.
            now: monotonic seconds.
        Returns:
            their peers' addresses.
        """
        self._follow(now)
        ended = [self._end(one) for one in self._blocked.look(self._full(), published)]
        if ended:
            self._trim_at = now + AFTER_S
        elif self._trim_at is not None and now >= self._trim_at:
            self._trim_at = None
            give_back_memory()
        return ended

    def _follow(self, now: float) -> None:
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor, zmq.NOBLOCK)
            descriptor = event["value"]
            if event["event"] == zmq.EVENT_ACCEPTED:
                with contextlib.suppress(OSError):  # it is gone already
                    self._known[descriptor] = Connection(descriptor, os.fstat(descriptor).st_ino)
            elif descriptor in self._known and self._known.pop(descriptor) in self._blocked:  # with a long queue
                self._trim_at = now + AFTER_S

    def _full(self) -> list[Connection]:
        """Give those that take no byte now: the kernel's buffer is full, and the rest waits in libzmq."""
        poll = select.poll()
        for descriptor in self._known:
            poll.register(descriptor, select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(0)}
        return [one for descriptor, one in self._known.items() if descriptor not in ready]

    def _end(self, one: Connection) -> str:
        self._known.pop(one.descriptor, None)
        with contextlib.suppress(OSError):
            if os.fstat(one.descriptor).st_ino != one.inode:
                return ""  # it has ended by itself
            with contextlib.closing(plain.socket(fileno=os.dup(one.descriptor))) as connection:
                peer = connection.getpeername()
                connection.shutdown(plain.SHUT_RDWR)
            return ":".join(map(str, peer)) if isinstance(peer, tuple) else "a local socket"
        return ""


def give_back_memory() -> None:
    """Have the C library return to the kernel what was freed; else it keeps what a long queue took. Milliseconds."""
    with contextlib.suppress(AttributeError):  # another library than glibc
        _libc.malloc_trim(0)

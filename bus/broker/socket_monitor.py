"""The connections of one of the broker's sockets, as reported by libzmq's monitor, and the way to end one.

Only libzmq reads and writes them: this module checks them and shuts one down, which libzmq sees as the end of its peer. A
descriptor is identified by its inode too, since its number is used again.
"""

import contextlib
import os
import socket as plain
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq

from hulak.bus.process import sockets

ACCEPTED = int(zmq.EVENT_ACCEPTED)
CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: process, user, group
EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED


class PeerConnection(NamedTuple):
    """The connection of one peer."""

    descriptor: int
    inode: int

    @classmethod
    def of(cls, descriptor: int) -> "PeerConnection":
        """Return the connection with this descriptor; raises OSError if it is closed."""
        return cls(descriptor, os.fstat(descriptor).st_ino)

    def is_there(self) -> bool:
        """Return whether it is still open."""
        try:
            return os.fstat(self.descriptor).st_ino == self.inode
        except OSError:
            return False


def connection_of(frame: zmq.Frame | None) -> PeerConnection | None:
    """Return the connection by which a frame came; None without a connection (inproc), or if it has ended."""
    try:
        return None if frame is None else PeerConnection.of(int(frame.get(zmq.SRCFD)))
    except (zmq.ZMQError, ValueError, OSError):
        return None


def peer_of(peer: PeerConnection) -> tuple[int, str]:
    """Return the process id of a connection's peer (0: unknown, by TCP) and its address; of one that has ended 0 and no text."""
    try:
        connection = plain.socket(fileno=os.dup(peer.descriptor))
    except OSError:  # it has ended, or no descriptor is left
        return 0, ""
    with connection:
        if os.fstat(connection.fileno()).st_ino != peer.inode:
            return 0, ""
        if connection.family == plain.AF_UNIX:
            return CREDENTIALS.unpack(connection.getsockopt(plain.SOL_SOCKET, plain.SO_PEERCRED, CREDENTIALS.size))[0], "ipc"
        try:
            return 0, ":".join(map(str, connection.getpeername()[:2]))
        except OSError:
            return 0, ""


class SocketMonitor:
    """The connections of one socket.

    Args:
        context: of the socket.
        socket: not bound yet, so that no connection is missed.
        on_gone: called with each connection that has ended.
    """

    def __init__(
        self, context: "zmq.Context[Any]", socket: "zmq.Socket[bytes]", on_gone: Callable[[PeerConnection], object] | None = None
    ) -> None:
        self.known: dict[int, PeerConnection] = {}  # by descriptor
        self._on_gone = on_gone
        self.reader = sockets.monitor(context, socket, EVENTS)

    def close(self) -> None:
        """Close the reader. Disable the socket's monitor before, since libzmq's threads block without a reader."""
        self.reader.close(linger=0)

    def follow(self) -> list[PeerConnection]:
        """Read the events; returns the new connections, the oldest first, that are still open."""
        new: dict[int, PeerConnection] = {}
        with contextlib.suppress(zmq.Again):
            while True:
                event, descriptor = sockets.next_event(self.reader)
                if event == ACCEPTED:
                    with contextlib.suppress(OSError):  # closed already
                        new[descriptor] = self.known[descriptor] = PeerConnection.of(descriptor)
                else:
                    new.pop(descriptor, None)
                    self._gone(descriptor)
        return list(new.values())

    def has(self, peer: PeerConnection) -> bool:
        """Return whether a connection is not known to have ended."""
        return self.known.get(peer.descriptor) == peer

    def recount(self) -> None:
        """Remove connections that have ended without an event from libzmq."""
        for peer in list(self.known.values()):
            if not peer.is_there():
                self._gone(peer.descriptor)

    def _gone(self, descriptor: int) -> None:
        peer = self.known.pop(descriptor, None)
        if peer is not None and self._on_gone is not None:
            self._on_gone(peer)


class ConnectionCloser:
    """Ends connections, even while this process has no descriptor left: one is reserved for it."""

    def __init__(self) -> None:
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self._held = os.dup(self._nothing)

    def end(self, peer: PeerConnection) -> str | None:
        """End a connection; returns its peer's address, None if it has already ended.

        It is duplicated first: else libzmq could close it, and its number could be used again, between the check and the end.
        """
        try:
            os.dup2(peer.descriptor, self._held, inheritable=False)
            if os.fstat(self._held).st_ino != peer.inode:
                return None
            connection = plain.socket(fileno=self._held)
            try:
                address = connection.getpeername()
                connection.shutdown(plain.SHUT_RDWR)
            finally:
                connection.detach()
        except OSError:
            return None
        finally:
            os.dup2(self._nothing, self._held, inheritable=False)
        return ":".join(map(str, address)) if isinstance(address, tuple) else "a local socket"

    def close(self) -> None:
        """Close the reserved descriptors."""
        for descriptor in (self._nothing, self._held):
            with contextlib.suppress(OSError):
                os.close(descriptor)

"""The connections of one of the broker's sockets, as libzmq tells of them by its monitor, and how one is ended.

libzmq alone reads and writes them: here they are looked at, and one is shut down, which libzmq takes for the end of its peer. A
descriptor is known by its inode too, since its number is used again.
"""

import contextlib
import os
import socket as plain
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq

from hulak.bus.process import sockets

ACCEPTED = int(zmq.EVENT_ACCEPTED)
EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED


class PeerConnection(NamedTuple):
    """One peer's."""

    descriptor: int
    inode: int

    @classmethod
    def of(cls, descriptor: int) -> "PeerConnection":
        """Take in a connection that is there; raises OSError if it is not."""
        return cls(descriptor, os.fstat(descriptor).st_ino)

    def is_there(self) -> bool:
        """Say whether it has not ended."""
        try:
            return os.fstat(self.descriptor).st_ino == self.inode
        except OSError:
            return False


def connection_of(frame: zmq.Frame | None) -> PeerConnection | None:
    """Find the connection by which a frame came; None where there is none (inproc), or none any more."""
    try:
        return None if frame is None else PeerConnection.of(int(frame.get(zmq.SRCFD)))
    except (zmq.ZMQError, ValueError, OSError):
        return None


class SocketMonitor:
    """All connections of one socket.

    Args:
        context: of the socket.
        socket: not bound yet, so that none is missed.
        on_gone: told each that has ended.
    """

    def __init__(
        self, context: "zmq.Context[Any]", socket: "zmq.Socket[bytes]", on_gone: Callable[[PeerConnection], object] | None = None
    ) -> None:
        self.known: dict[int, PeerConnection] = {}  # by descriptor
        self._on_gone = on_gone
        self.reader = sockets.monitor(context, socket, EVENTS)

    def close(self) -> None:
        """Follow no more. The socket's monitor must be disabled before, since libzmq's threads wait for ever to tell nobody."""
        self.reader.close(linger=0)

    def follow(self) -> list[PeerConnection]:
        """Take in what has happened; returns the connections that are new, the oldest first, and still there."""
        new: dict[int, PeerConnection] = {}
        with contextlib.suppress(zmq.Again):
            while True:
                event, descriptor = sockets.next_event(self.reader)
                if event == ACCEPTED:
                    with contextlib.suppress(OSError):  # it is gone already
                        new[descriptor] = self.known[descriptor] = PeerConnection.of(descriptor)
                else:
                    new.pop(descriptor, None)
                    self._gone(descriptor)
        return list(new.values())

    def has(self, one: PeerConnection) -> bool:
        """Say whether a connection is not known to have ended."""
        return self.known.get(one.descriptor) == one

    def recount(self) -> None:
        """Forget connections of whose end libzmq has told nothing."""
        for one in list(self.known.values()):
            if not one.is_there():
                self._gone(one.descriptor)

    def _gone(self, descriptor: int) -> None:
        one = self.known.pop(descriptor, None)
        if one is not None and self._on_gone is not None:
            self._on_gone(one)


class ConnectionCloser:
    """Ends connections, also while this process has no descriptor left: one is kept for it."""

    def __init__(self) -> None:
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self._held = os.dup(self._nothing)

    def end(self, one: PeerConnection) -> str | None:
        """End a connection; returns its peer's address, None if it has ended by itself.

        It is held meanwhile: else libzmq could close it, and its number could become another one's, between the look and the end.
        """
        try:
            os.dup2(one.descriptor, self._held, inheritable=False)
            if os.fstat(self._held).st_ino != one.inode:
                return None
            connection = plain.socket(fileno=self._held)
            try:
                peer = connection.getpeername()
                connection.shutdown(plain.SHUT_RDWR)
            finally:
                connection.detach()
        except OSError:
            return None
        finally:
            os.dup2(self._nothing, self._held, inheritable=False)
        return ":".join(map(str, peer)) if isinstance(peer, tuple) else "a local socket"

    def close(self) -> None:
        """Give back what was kept."""
        for descriptor in (self._nothing, self._held):
            with contextlib.suppress(OSError):
                os.close(descriptor)

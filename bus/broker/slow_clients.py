"""Detects clients that do not read: libzmq does not report it for a ROUTER's peers, but the kernel does for their connections.

While a connection's own buffer has room, libzmq's queue for that client runs empty. Before much is sent to one client, its
connection is checked, and the sender waits while there is no room: a client that does not read costs bounded memory only.
"""

import select

import zmq

from hulak.bus.broker.socket_monitor import PeerConnection, connection_of

CHECK_EVERY = 16  # answers to one client between two checks of its connection
MOST_UNREAD = 64  # answers to one client while its connection has no room
MOST = 4096  # clients remembered; when full, the oldest is dropped, and counts as one with room


class ClientConnections:
    """The connections of clients that receive large answers."""

    def __init__(self) -> None:
        self._polls: dict[bytes, select.poll] = {}

    def note(self, address: bytes, connection: PeerConnection | None) -> None:
        """Remember a client's connection; a client without a connection (inproc) always counts as reading."""
        if connection is None:
            return
        self._polls.pop(address, None)
        if len(self._polls) >= MOST:
            del self._polls[next(iter(self._polls))]
        self._polls[address] = poll = select.poll()
        poll.register(connection.descriptor, select.POLLOUT)

    def reads(self, address: bytes) -> bool:
        """Return whether the client's connection has room. True for a closed descriptor: the send then fails."""
        poll = self._polls.get(address)
        return poll is None or bool(poll.poll(0))

    def clear(self) -> None:
        """Forget all clients."""
        self._polls.clear()


class UnreadAnswers:
    """Counts the unread answers of each client."""

    def __init__(self) -> None:
        self._connections = ClientConnections()
        self._counts: dict[
            bytes, int
        ] = {}  # address -> answers since its connection was last seen with room, checked every CHECK_EVERY answers

    def takes_one_more(self, address: bytes, frame: zmq.Frame) -> bool:
        """Count one more answer to a client; false if it has too many unread ones.

        Args:
            address: the client's.
            frame: of the client's request.
        """
        count = self._counts.get(address, 0) + 1
        if count % CHECK_EVERY == 0 or count > MOST_UNREAD:
            self._connections.note(address, connection_of(frame))
            if self._connections.reads(address):
                count = 0
        if count == 1 and len(self._counts) >= MOST:
            del self._counts[next(iter(self._counts))]
        self._counts[address] = min(count, MOST_UNREAD)
        return count <= MOST_UNREAD

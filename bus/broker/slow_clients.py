"""Whether a client takes what it is sent: what libzmq does not tell of a ROUTER's peers, the kernel tells of its connections.

As long as a connection's own buffer has room, libzmq's queue for that client runs empty. Who sends much to one client looks
first, and waits while there is no room: so a client that reads nothing costs a bounded amount of memory, and loses nothing.
"""

import select

import zmq

from hulak.bus.broker.socket_monitor import PeerConnection, connection_of

LOOK_EVERY = 16  # answers to one client between two looks at its connection
MOST_UNREAD = 64  # answers to one client after its connection had no more room
MOST = 4096  # clients remembered; beyond it the one noted first is forgotten, and counts as one that reads


class ClientConnections:
    """The connections of clients that get much."""

    def __init__(self) -> None:
        self._polls: dict[bytes, select.poll] = {}

    def note(self, address: bytes, connection: PeerConnection | None) -> None:
        """Remember a client's connection; one that has none (inproc) always counts as read."""
        if connection is None:
            return
        self._polls.pop(address, None)
        if len(self._polls) >= MOST:
            del self._polls[next(iter(self._polls))]
        self._polls[address] = poll = select.poll()
        poll.register(connection.descriptor, select.POLLOUT)

    def reads(self, address: bytes) -> bool:
        """Tell whether the client's connection has room. A descriptor that is closed has: sending tells that it is gone."""
        poll = self._polls.get(address)
        return poll is None or bool(poll.poll(0))

    def clear(self) -> None:
        """Forget all clients."""
        self._polls.clear()


class UnreadAnswers:
    """Counts the answers to clients that do not read them."""

    def __init__(self) -> None:
        self._connections = ClientConnections()
        self._counts: dict[
            bytes, int
        ] = {}  # address -> answers since its connection was seen to have room, looked at now and then

    def takes_one_more(self, address: bytes, frame: zmq.Frame) -> bool:
        """Count one more answer to a client; false if it has left too many unread.

        Args:
            address: of the client.
            frame: of its request.
        """
        count = self._counts.get(address, 0) + 1
        if count % LOOK_EVERY == 0 or count > MOST_UNREAD:
            self._connections.note(address, connection_of(frame))
            if self._connections.reads(address):
                count = 0
        if count == 1 and len(self._counts) >= MOST:
            del self._counts[next(iter(self._counts))]
        self._counts[address] = min(count, MOST_UNREAD)
        return count <= MOST_UNREAD

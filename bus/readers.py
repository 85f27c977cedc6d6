"""Whether a client takes what it is sent: what libzmq does not tell of a ROUTER's peers, the kernel tells of its connections.

As long as a connection's own buffer has room, libzmq's queue for that client runs empty. Who sends much to one client looks
first, and waits while there is no room: so a client that reads nothing costs a bounded amount of memory, and loses nothing.
"""

import select

import zmq

MOST_UNREAD = 64  # answers to one client after its connection had no more room
MOST = 4096  # clients remembered; beyond it the one noted first is forgotten, and counts as one that reads


class Readers:
    """The connections of clients that get much."""

    def __init__(self) -> None:
        self._polls: dict[bytes, select.poll] = {}

    def note(self, address: bytes, frame: zmq.Frame) -> None:
        """Remember by which connection a client's frame came; one without a descriptor (inproc) always counts as read."""
        try:
            descriptor = int(frame.get(zmq.SRCFD))
        except (zmq.ZMQError, ValueError):
            return
        self._polls.pop(address, None)
        if len(self._polls) >= MOST:
            del self._polls[next(iter(self._polls))]
        self._polls[address] = poll = select.poll()
        poll.register(descriptor, select.POLLOUT)

    def reads(self, address: bytes) -> bool:
        """Tell whether the client's connection has room. A descriptor that is closed has: sending tells that it is gone."""
        poll = self._polls.get(address)
        return poll is None or bool(poll.poll(0))

    def clear(self) -> None:
        """Forget all clients."""
        self._polls.clear()


class Unread:
    """Counts the answers to clients that do not read them."""

    def __init__(self) -> None:
        self._readers = Readers()
        self._counts: dict[bytes, int] = {}  # address -> answers since its connection was seen to have room

    def takes_one_more(self, address: bytes, frame: zmq.Frame) -> bool:
        """Count one more answer to a client; false if it has left too many unread.

        Args:
            address: of the client.
            frame: of its request.
        """
        self._readers.note(address, frame)
        if self._readers.reads(address):
            self._counts.pop(address, None)
            return True
        count = self._counts.pop(address, 0)
        if len(self._counts) >= MOST:
            del self._counts[next(iter(self._counts))]
        self._counts[address] = min(count + 1, MOST_UNREAD)
        return count < MOST_UNREAD

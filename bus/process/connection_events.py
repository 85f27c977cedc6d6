"""The state of a connection, from the events of the socket that connects: whether there is one, and whether the key was refused.

libzmq tries again after a connection was lost, and after the peer ended a handshake without a word. It does not after the peer
refused the key, or speaks without keys: then its owner must connect again, or give up.
"""

import zmq

CONNECTED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
LOST = int(zmq.EVENT_DISCONNECTED)
UNANSWERED = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
REFUSED = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH) | int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
FAILED = UNANSWERED | REFUSED
MOST_UNANSWERED = 4  # handshakes ended without a word: a broker that is stopping does it once


class ConnectionEvents:
    """The state of one socket's connections, of which there is one for each key that the broker may have."""

    def __init__(self) -> None:
        self.connections = 0  # that were made so far
        self.refused = False  # no connection will be made, or none has been after many attempts
        self._connected: set[bytes] = set()
        self._unanswered: dict[bytes, int] = {}

    @property
    def connected(self) -> bool:
        """Return whether there is a connection now."""
        return bool(self._connected)

    def take(self, event: int, address: bytes) -> None:
        """Take the next event of the connection to an address."""
        if event == CONNECTED:
            self._connected.add(address)
            self._unanswered.clear()
            self.connections += 1
            self.refused = False
        elif event & (LOST | FAILED):
            self._connected.discard(address)
            if event == UNANSWERED:
                self._unanswered[address] = self._unanswered.get(address, 0) + 1
            if event & REFUSED or max(self._unanswered.values(), default=0) >= MOST_UNANSWERED:
                self.refused = self.refused or not self._connected

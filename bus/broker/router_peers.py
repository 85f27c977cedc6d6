"""The peers of the two ROUTERs, with keys: each message goes to the connection that it is meant for, or to none.

libzmq sends to an identity, and a peer may choose its own: after a client has left, a peer with another key that connects with
its identity would get its answers, and after a worker its tasks. So the broker addresses connections, not identities:
`KeyGuard.sender` puts the connection's name in the place of the identity, `reach` puts the identity back if that connection is
there. While it is there, libzmq refuses its identity to every other peer, since `ZMQ_ROUTER_HANDOVER` is not set.
"""

import struct
from hashlib import blake2b

import zmq

from hulak.bus.broker.socket_monitor import PeerConnection, connection_of
from hulak.bus.core.security.key_table import serial_of

_SERIAL = struct.Struct(">Q")


class RouterPeers:
    """The connections of both ROUTERs, by their names: a serial for each with a key, a digest of the owner's identities."""

    def __init__(self) -> None:
        self._peers: dict[bytes, tuple[PeerConnection, bytes]] = {}  # name -> connection and identity
        self._owners: dict[tuple[str, bytes], bytes] = {}  # socket and identity of the owner's peers -> name

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, name: bytes, connection: PeerConnection | None, identity: bytes) -> None:
        """Record a connection; None: it has ended, and nothing reaches it any more."""
        if connection is not None:
            self._peers[name] = connection, identity

    def owner(self, socket: str, identity: bytes, frame: zmq.Frame) -> bytes:
        """Record the sender of a message that came by an ipc file; return its name.

        Args:
            socket: the name of the broker's socket.
            identity: of the peer.
            frame: of the message.
        """
        name = self._owners.get((socket, identity))
        if name is None:
            name = self._owners[socket, identity] = blake2b(identity, digest_size=16, person=socket.encode()).digest()
        self.add(name, connection_of(frame), identity)
        return name

    def reach(self, parts: list[bytes]) -> list[bytes]:
        """Return a message with the identity of its receiver in place of the name.

        Raises:
            zmq.ZMQError: `EHOSTUNREACH`, its connection is gone.
        """
        connection, identity = self._peers.get(parts[0], (None, b""))
        if connection is None or not connection.is_there():
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        return [identity, *parts[1:]]

    def drop(self, name: bytes) -> None:
        """Forget a connection."""
        self._peers.pop(name, None)

    def prune(self) -> None:
        """Forget the connections that have ended."""
        self._peers = {name: peer for name, peer in self._peers.items() if peer[0].is_there()}
        self._owners = {at: name for at, name in self._owners.items() if name in self._peers}


def name_of(user_id: str) -> bytes:
    """Return the name of a connection with a key."""
    return _SERIAL.pack(serial_of(user_id))

"""The messages of one iteration of the loop to clients and workers, sent together: libzmq's I/O thread then wakes once."""

from collections.abc import Sequence
from typing import Any

import zmq

from hulak.bus.broker.bug_guard import BugGuard, internal
from hulak.bus.broker.dialects import Dialects
from hulak.bus.broker.router_peers import RouterPeers
from hulak.bus.broker.store_effects import BrokerEffect
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.effects import ToClient, ToWorker
from hulak.bus.process import sockets
from hulak.bus.wire.messages import Error, Part, Reply, Task

Socket = zmq.Socket[bytes]
MANY = 4  # effects, from which on messages to one peer are joined: most lists have three, of which none can be


class Outbox:
    """Messages to peers, in order, until they are flushed.

    Args:
        frontend: reaches clients.
        backend: reaches workers.
        dialects: encodes messages for each peer.
        bus: counts messages that clients did not accept.
        guard: counts and logs messages that cannot be encoded, which are bugs.
    """

    def __init__(self, frontend: Socket, backend: Socket, dialects: Dialects, bus: BrokerState, guard: BugGuard) -> None:
        self.frontend = frontend
        self.backend = backend
        self.dialects = dialects
        self.bus = bus
        self.guard = guard
        self.peers: RouterPeers | None = None  # set if there are keys
        self.unreached: set[bytes] = set()  # clients that were gone or had a full queue; the reader of this set empties it
        self.waiting: list[tuple[Socket, ToClient | ToWorker, list[bytes]]] = []  # to be sent with the next `flush`

    def put(self, effects: Sequence[BrokerEffect]) -> list[BrokerEffect]:
        """Encode the messages among these effects, to be sent with the next `flush`. Returns the other effects."""
        others: list[BrokerEffect] = []
        for effect in effects if len(effects) < MANY else joined(effects):
            kind = type(effect)
            if kind is ToClient:
                socket = self.frontend
            elif kind is ToWorker:
                socket = self.backend
            else:
                others.append(effect)
                continue
            address, message = effect.identity, effect.message  # type: ignore[union-attr]
            try:
                encoded = self.dialects.encode(address, message)
            except Exception as error:  # noqa: BLE001 - a bug of the broker, met by one message
                encoded = self._instead(address, message, error)
            for parts in encoded:
                self.waiting.append((socket, effect, parts))  # type: ignore[arg-type]
        return others

    def _instead(self, address: bytes, message: Any, error: Exception) -> list[list[bytes]]:
        """Report a message that cannot be encoded; return an error for a client in its place, and nothing for a worker."""
        self.guard.report("a message to a peer", error)
        messages = message if isinstance(message, list) else [message]
        ids = [single.id for single in messages if isinstance(single, Reply | Error | Part)]
        try:
            return [parts for id_ in ids for parts in self.dialects.encode(address, internal(id_, error))]
        except Exception as second_error:  # noqa: BLE001 - even the error cannot be encoded for this peer
            self.guard.report("a message to a peer", second_error)
            return []

    def flush(self) -> list[tuple[bytes, str]]:
        """Send the messages that wait.

        Returns:
            the workers that could not be reached, with the reason: they are lost.
        """
        if not self.waiting:
            return []
        waiting, self.waiting = self.waiting, []
        send, send_frame, more, noblock = sockets.send, sockets.send_frame, sockets.MORE, sockets.NOBLOCK
        lost, peers = [], self.peers
        for socket, effect, parts in waiting:
            try:
                if peers is not None:
                    parts = peers.reach(parts)
                if len(parts) == 2:  # nearly always: as `send` does, in place
                    send_frame(socket, parts[0], more)
                    send_frame(socket, parts[1], noblock)
                else:
                    send(socket, parts)
            except zmq.ZMQError as error:
                if isinstance(effect, ToClient):
                    self.bus.unanswered += 1
                    self.unreached.add(effect.identity)
                else:
                    lost.append((effect.identity, "its connection is gone" if error.errno == zmq.EHOSTUNREACH else str(error)))
        return lost


def joined(effects: Sequence[BrokerEffect]) -> list[BrokerEffect]:
    """Join the replies to each client, and the tasks for each worker, into lists, as far as no other message is between them.

    The order of the messages to each peer, and of all other effects, stays.
    """
    result: list[BrokerEffect] = []
    lists: dict[tuple[type, bytes], list[Any] | None] = {}  # the list to which a message to this peer may be added
    for effect in effects:
        kind = type(effect)
        if kind is not ToClient and kind is not ToWorker:
            result.append(effect)
            continue
        peer, message = (kind, effect.identity), effect.message  # type: ignore[union-attr]
        messages = message if type(message) is list else [message] if type(message) in (Reply, Task) else None
        open_list = lists.get(peer)
        if messages is not None and open_list is not None:
            open_list += messages
            continue
        if messages is None:
            lists[peer] = None
            result.append(effect)
        else:
            lists[peer] = first = [*messages]
            result.append(kind(effect.identity, first))  # type: ignore[union-attr]
    return result

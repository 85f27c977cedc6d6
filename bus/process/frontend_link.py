"""A DEALER socket to the broker's frontend that detects lost and restored connections."""

from typing import Any

import zmq
from zmq.backend import Socket as Backend

from hulak.bus.process import sockets
from hulak.bus.process.connection_events import CONNECTED, FAILED, LOST, ConnectionEvents
from hulak.bus.process.sockets import BrokerAddress

EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
_option: Any = Backend.get


def arrived(socket: "zmq.Socket[bytes]") -> bool:
    """Return whether there is something to receive: a receive that finds nothing costs three times as much."""
    events: int = _option(socket, EVENTS)
    return bool(events & POLLIN)


class FrontendLink:
    """The socket of one client, used by one thread at a time.

    `WATCHED` are the events that its monitor reports, without those of keys; they wake a poll of the monitor.

    Args:
        context: the client's.
        where: the endpoint of the frontend.
        sndhwm: see `sockets.connect_dealer`; also for the next two.
        rcvhwm: likewise.
        immediate: likewise.
    """

    WATCHED = CONNECTED | LOST

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", where: BrokerAddress, *, sndhwm: int, rcvhwm: int, immediate: bool = True
    ) -> None:
        self.where = where
        self.connected = False  # after the events that `reconnected` has read, as the next
        self.refused = False  # no connection will be made, see `ConnectionEvents`: `endpoints.find` says why
        self._context = context
        self._events = ConnectionEvents()
        self.socket = sockets.connect_dealer(context, where, self._monitor, sndhwm=sndhwm, rcvhwm=rcvhwm, immediate=immediate)
        sockets.close_with(self, self.socket, self.monitor)

    def _monitor(self, socket: "zmq.Socket[bytes]") -> None:
        events = self.WATCHED if self.where.key is None else self.WATCHED | FAILED | LOST
        self.monitor = sockets.monitor(self._context, socket, events)

    def close(self, linger_ms: int = 0) -> None:
        """Close it; messages not yet sent are dropped after `linger_ms` milliseconds."""
        self.socket.disable_monitor()
        self.socket.close(linger=linger_ms)
        self.monitor.close(linger=0)

    def send(self, frame: bytes) -> bool:
        """Send without waiting; false if the queue is full or there is no connection."""
        try:
            sockets.send_frame(self.socket, frame, sockets.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def readable(self) -> bool:
        """Return whether a message has arrived."""
        return arrived(self.socket)

    def receive(self) -> bytes:
        """Receive one message that has arrived."""
        frame: bytes = sockets.receive_frame(self.socket, sockets.NOBLOCK)
        if frame or not self.socket.getsockopt(zmq.RCVMORE):  # an empty delimiter may come first
            return frame
        return self.socket.recv_multipart(zmq.NOBLOCK)[-1]

    def reconnected(self) -> bool:
        """Read the events of the connection; true if it was established again since the last call."""
        before = self._events.connections
        while arrived(self.monitor):
            event, _, address = sockets.next_connection_event(self.monitor)
            self._events.take(event, address)
        self.connected, self.refused = self._events.connected, self._events.refused
        return self._events.connections > max(before, 1)

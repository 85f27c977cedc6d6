"""A DEALER socket to the broker's frontend that detects lost and restored connections."""

from typing import Any

import zmq
from zmq.backend import Socket as Backend

from hulak.bus.process import sockets

EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
CONNECTED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_option: Any = Backend.get


def arrived(socket: "zmq.Socket[bytes]") -> bool:
    """Return whether there is something to receive: a receive that finds nothing costs three times as much."""
    events: int = _option(socket, EVENTS)
    return bool(events & POLLIN)


class FrontendLink:
    """The socket of one client, used by one thread at a time.

    `WATCHED` are the events that its monitor reports; they wake a poll of the monitor.

    Args:
        context: the client's.
        where: the endpoint of the frontend.
        sndhwm: see `sockets.connect_dealer`; also for the next two.
        rcvhwm: likewise.
        immediate: likewise.
    """

    WATCHED = CONNECTED | int(zmq.EVENT_DISCONNECTED)

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", where: str, *, sndhwm: int, rcvhwm: int, immediate: bool = True
    ) -> None:
        self.where = where
        self.connected = False  # after the events that `reconnected` has read
        self._context = context
        self._connections = 0
        self.socket = sockets.connect_dealer(context, where, self._monitor, sndhwm=sndhwm, rcvhwm=rcvhwm, immediate=immediate)
        sockets.close_with(self, self.socket, self.monitor)

    def _monitor(self, socket: "zmq.Socket[bytes]") -> None:
        self.monitor = sockets.monitor(self._context, socket, self.WATCHED)

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
        before = self._connections
        while arrived(self.monitor):
            event, _ = sockets.next_event(self.monitor)
            self.connected = event == CONNECTED
            self._connections += self.connected
        return self._connections > max(before, 1)

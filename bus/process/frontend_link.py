"""A DEALER to the broker's frontend that notices when its connection ends and comes back."""

from typing import Any

import zmq
from zmq.backend import Socket as Backend

from hulak.bus.process import sockets

EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
CONNECTED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_option: Any = Backend.get


def arrived(socket: "zmq.Socket[bytes]") -> bool:
    """Tell whether there is something to receive: to receive in vain costs three times as much."""
    events: int = _option(socket, EVENTS)
    return bool(events & POLLIN)


class FrontendLink:
    """The socket of one client, used by one thread at a time.

    `WATCHED` are the events that its monitor tells of, and that wake whoever polls that.

    Args:
        context: of the client.
        where: the endpoint of the frontend.
        sndhwm: as of `sockets.connect_dealer`, and so are the others.
        rcvhwm: likewise.
        immediate: likewise.
    """

    WATCHED = CONNECTED | int(zmq.EVENT_DISCONNECTED)

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", where: str, *, sndhwm: int, rcvhwm: int, immediate: bool = True
    ) -> None:
        self.where = where
        self.connected = False  # as far as `WATCHED` tells, and `reconnected` has looked
        self._context = context
        self._connections = 0
        self.socket = sockets.connect_dealer(context, where, self._watch, sndhwm=sndhwm, rcvhwm=rcvhwm, immediate=immediate)
        sockets.close_with(self, self.socket, self.monitor)

    def _watch(self, socket: "zmq.Socket[bytes]") -> None:
        self.monitor = sockets.monitor(self._context, socket, self.WATCHED)

    def close(self, linger_ms: int = 0) -> None:
        """Close it; what has not been sent is dropped after `linger_ms` milliseconds."""
        self.socket.disable_monitor()
        self.socket.close(linger=linger_ms)
        self.monitor.close(linger=0)

    def send(self, frame: bytes) -> bool:
        """Send without waiting; false if there is no room, or no connection."""
        try:
            sockets.send_frame(self.socket, frame, sockets.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def readable(self) -> bool:
        """Tell whether a message has arrived."""
        return arrived(self.socket)

    def receive(self) -> bytes:
        """Receive one message that has arrived."""
        frame: bytes = sockets.receive_frame(self.socket, sockets.NOBLOCK)
        if frame or not self.socket.getsockopt(zmq.RCVMORE):  # an empty one may be in front
            return frame
        return self.socket.recv_multipart(zmq.NOBLOCK)[-1]

    def reconnected(self) -> bool:
        """Take in what happened to the connection; true if it came up since the last look, and that was not its first time."""
        before = self._connections
        while arrived(self.monitor):
            event, _ = sockets.next_event(self.monitor)
            self.connected = event == CONNECTED
            self._connections += self.connected
        return self._connections > max(before, 1)

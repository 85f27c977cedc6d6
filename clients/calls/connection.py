"""A DEALER to the broker's frontend that notices when its connection has come back."""

import os
import time
from typing import Any

import zmq
from zmq.backend import Socket as Backend
from zmq.backend import zmq_poll
from zmq.utils.monitor import parse_monitor_message

from bus.process import cpu_scheduling, sockets
from clients.calls.adaptive_wait import AdaptiveWait

HWM = 10_000  # messages each way
EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
Watched = list[tuple["zmq.Socket[bytes]", int]]
_option: Any = Backend.get


def _arrived(socket: "zmq.Socket[bytes]") -> bool:
    events: int = _option(socket, EVENTS)
    return bool(events & POLLIN)  # receiving in vain costs three times as much


class Connection:
    """The socket of one client, used by one thread at a time.

    Args:
        where: the endpoint of the frontend.
    """

    def __init__(self, where: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with cpu_scheduling.giving_way():  # the first socket starts ZeroMQ's threads
            self.socket = sockets.make(self._context, zmq.DEALER, sndhwm=HWM, rcvhwm=HWM, ipv6=int("[" in where))
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(where)
        self._connections = 0
        self._alertness = AdaptiveWait()
        self._watched: Watched = [(self.socket, zmq.POLLIN), (self.monitor, zmq.POLLIN)]
        self._for_room: Watched = [(self.socket, zmq.POLLIN | zmq.POLLOUT), (self.monitor, zmq.POLLIN)]

    def close(self) -> None:
        """Close it; what has not been sent is dropped."""
        self._context.destroy(linger=0)

    def descriptors(self) -> list[int]:
        """Return file descriptors that become readable when there may be something to do; they tell of changes only."""
        return [int(socket.getsockopt(zmq.FD)) for socket in (self.socket, self.monitor)]

    def send(self, frame: bytes) -> bool:
        """Send without waiting; false if there is no room."""
        try:
            sockets.send_frame(self.socket, frame, sockets.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def readable(self) -> bool:
        """Tell whether a message has arrived."""
        return _arrived(self.socket)

    def receive(self) -> bytes:
        """Receive one message that has arrived."""
        frame: bytes = sockets.receive_frame(self.socket, sockets.NOBLOCK)
        return frame or sockets.receive_frame(self.socket, sockets.NOBLOCK)  # an empty one may be in front

    def poll(self, wait_ms: int, *, for_room: bool = False) -> tuple[bool, bool]:
        """Wait for an answer, or for room to send.

        Returns:
            whether something can be received; whether the connection came back, so that all has to be sent again.
        """
        watched = self._for_room if for_room else self._watched
        if not wait_ms:
            return self._look(watched, 0)
        began = time.monotonic()
        until = began + self._alertness.awake_s()
        readable, again = self._look(watched, 0)
        while not (readable or again):
            if time.monotonic() >= until:
                readable, again = self._look(watched, wait_ms)
                break
            os.sched_yield()
            readable, again = self._look(watched, 0)
        self._alertness.waited(time.monotonic() - began)
        return readable, again

    def _look(self, watched: Watched, wait_ms: int) -> tuple[bool, bool]:
        readable = again = False
        for socket, events in zmq_poll(watched, wait_ms):
            if socket is self.socket:
                readable = bool(events & zmq.POLLIN)
            else:
                again = self.reconnected()
        return readable, again

    def reconnected(self) -> bool:
        """Count handshakes; true if there was one since the last look that was not the first of all."""
        before = self._connections
        while _arrived(self.monitor):
            parse_monitor_message(self.monitor.recv_multipart())
            self._connections += 1
        return self._connections > max(before, 1)

"""The socket of `BusClient` and `AsyncBusClient`: it busy-polls when replies arrive fast."""

import os
import time

import zmq
from zmq.backend import zmq_poll

from hulak.bus.process import cpu_scheduling
from hulak.bus.process.connection_events import CONNECTED
from hulak.bus.process.frontend_link import FrontendLink
from hulak.bus.process.sockets import BrokerAddress
from hulak.clients.calls.adaptive_wait import AdaptiveWait

HWM = 10_000  # messages each way
Watched = list[tuple["zmq.Socket[bytes]", int]]


class Connection(FrontendLink):
    """The socket of one client, used by one thread at a time.

    Messages sent without a connection are queued in it: each call waits until its timeout.

    Args:
        where: the endpoint of the frontend.
    """

    WATCHED = CONNECTED  # a disconnection does not wake a client that waits for a reply

    def __init__(self, where: BrokerAddress) -> None:
        with cpu_scheduling.batch_policy():  # the first socket starts ZeroMQ's threads
            # With two keys of the broker there are two connections, of which one is never made: nothing must be queued for it.
            immediate = where.key is not None and bool(where.key.server_next)
            super().__init__(zmq.Context(), where, sndhwm=HWM, rcvhwm=HWM, immediate=immediate)
        self._adaptive_wait = AdaptiveWait()
        self._watched: Watched = [(self.socket, zmq.POLLIN), (self.monitor, zmq.POLLIN)]
        self._for_room: Watched = [(self.socket, zmq.POLLIN | zmq.POLLOUT), (self.monitor, zmq.POLLIN)]

    def close(self, linger_ms: int = 0) -> None:
        """Close the socket and its context."""
        super().close(linger_ms)
        self._context.term()

    def descriptors(self) -> list[int]:
        """Return two file descriptors, edge-triggered: of messages that may have arrived, and of events of the connection."""
        return [int(socket.getsockopt(zmq.FD)) for socket in (self.socket, self.monitor)]

    def poll(self, wait_ms: int, *, for_room: bool = False) -> tuple[bool, bool]:
        """Wait for a reply, or for room to send.

        Returns:
            whether a message can be received; whether the connection was restored, so that all requests must be sent again.
            Both are false, and soon, once it is `refused`.
        """
        watched = self._for_room if for_room else self._watched
        if not wait_ms:
            return self._poll(watched, 0)
        began = time.monotonic()
        until = began + self._adaptive_wait.spin_s()
        readable, again = self._poll(watched, 0)
        while not (readable or again or self.refused):
            if time.monotonic() >= until:
                readable, again = self._poll(watched, wait_ms)
                break
            os.sched_yield()
            readable, again = self._poll(watched, 0)
        self._adaptive_wait.waited(time.monotonic() - began)
        return readable, again

    def _poll(self, watched: Watched, wait_ms: int) -> tuple[bool, bool]:
        readable = again = False
        for socket, events in zmq_poll(watched, wait_ms):
            if socket is self.socket:
                readable = bool(events & zmq.POLLIN)
            else:
                again = self.reconnected()
        return readable, again

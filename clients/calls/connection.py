"""The socket of `BusClient` and `AsyncBusClient`: waits awake where answers come at once."""

import os
import time

import zmq
from zmq.backend import zmq_poll

from hulak.bus.process import cpu_scheduling
from hulak.bus.process.frontend_link import CONNECTED, FrontendLink
from hulak.clients.calls.adaptive_wait import AdaptiveWait

HWM = 10_000  # messages each way
Watched = list[tuple["zmq.Socket[bytes]", int]]


class Connection(FrontendLink):
    """The socket of one client, used by one thread at a time.

    What is sent while there is no connection piles up in it: each call is waited for as long as its own time.

    Args:
        where: the endpoint of the frontend.
    """

    WATCHED = CONNECTED  # whoever waits for an answer is not woken because the broker has left

    def __init__(self, where: str) -> None:
        with cpu_scheduling.batch_policy():  # the first socket starts ZeroMQ's threads
            super().__init__(zmq.Context(), where, sndhwm=HWM, rcvhwm=HWM, immediate=False)
        self._alertness = AdaptiveWait()
        self._watched: Watched = [(self.socket, zmq.POLLIN), (self.monitor, zmq.POLLIN)]
        self._for_room: Watched = [(self.socket, zmq.POLLIN | zmq.POLLOUT), (self.monitor, zmq.POLLIN)]

    def close(self, linger_ms: int = 0) -> None:
        """Close it and its context."""
        super().close(linger_ms)
        self._context.term()

    def descriptors(self) -> list[int]:
        """Return file descriptors that become readable when there may be something to do; they tell of changes only."""
        return [int(socket.getsockopt(zmq.FD)) for socket in (self.socket, self.monitor)]

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

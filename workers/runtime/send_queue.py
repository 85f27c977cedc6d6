"""What a worker sends: results of short tasks together, everything else at once. PROTOCOL.md section 5.5."""

from typing import Any

import zmq

from hulak.bus.process import sockets
from hulak.bus.wire import batch_frames, codec
from hulak.workers.runtime.session import Send, Session


class SendQueue:
    """The sending side of a worker's socket; for whoever holds its lock.

    Args:
        session: told what could not be sent.
    """

    def __init__(self, session: Session) -> None:
        self.dealer: Any = None  # the socket, once there is one
        self.results: list[Send] = []  # of short tasks: they go out together, which costs less than one by one
        self._session = session

    def connect(self, context: "zmq.Context[zmq.Socket[bytes]]", where: str) -> "zmq.Socket[bytes]":
        """Make the socket, to the broker's backend at an endpoint."""
        dealer = self.dealer = sockets.connect_dealer(context, where, sndhwm=10_000, rcvhwm=10_000)
        return dealer

    def flush(self) -> None:
        """Send the results that have gathered; done before anything else is sent, so that no heartbeat says less than is so."""
        if not self.results:
            return
        results, self.results = self.results, []
        left = batch_frames.bundle([send.frame for send in results])
        together = len(left) < len(results)
        try:
            while left:
                sockets.send_frame(self.dealer, left[0], sockets.NOBLOCK)
                del left[0]
        except zmq.Again:
            for send in results if together else results[len(results) - len(left) :]:
                self._session.unsent(send)

    def send(self, send: Send) -> None:
        """Send a message, after the results that have gathered."""
        self.flush()
        try:
            sockets.send_frame(self.dealer, send.frame or codec.encode(send.message), sockets.NOBLOCK)
        except zmq.Again:
            self._session.unsent(send)

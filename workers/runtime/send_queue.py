"""The outgoing messages of a worker: results of short tasks in batches, all others at once. PROTOCOL.md section 5.5."""

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from hulak.bus.process import sockets
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.wire import batch_frames, codec
from hulak.workers.runtime.session import Send, Session


class SendQueue:
    """The sending side of a worker's socket; its caller must hold the socket's lock.

    Args:
        session: receives the messages that could not be sent.
    """

    def __init__(self, session: Session) -> None:
        self.dealer: Any = None  # the socket, once there is one
        self.results: list[Send] = []  # of short tasks: a batch costs less than single messages
        self.on_sent: Callable[[Sequence[Send]], object] | None = None  # called with sent results
        self._session = session

    def connect(self, context: "zmq.Context[zmq.Socket[bytes]]", where: BrokerAddress) -> "zmq.Socket[bytes]":
        """Return a new socket, connected to the broker's backend at an endpoint."""
        dealer = self.dealer = sockets.connect_dealer(context, where, sndhwm=10_000, rcvhwm=10_000)
        return dealer

    def flush(self) -> None:
        """Send the pending results; always before any other message: a heartbeat no longer lists their tasks."""
        if not self.results:
            return
        results, self.results = self.results, []
        frames = batch_frames.bundle([send.frame for send in results])
        is_batched = len(frames) < len(results)
        try:
            while frames:
                sockets.send_frame(self.dealer, frames[0], sockets.NOBLOCK)
                del frames[0]
        except zmq.Again:
            unsent = results if is_batched else results[len(results) - len(frames) :]
            results = results[: len(results) - len(unsent)]
            self._session.sent.add(results)
            for send in unsent:
                self._session.unsent(send)
        else:
            self._session.sent.add(results)
        if self.on_sent is not None:
            self.on_sent(results)

    def send(self, send: Send) -> None:
        """Send a message, after the pending results."""
        self.flush()
        try:
            sockets.send_frame(self.dealer, send.frame or codec.encode(send.message), sockets.NOBLOCK)
        except zmq.Again:
            self._session.unsent(send)
            return
        if self.on_sent is not None:
            self.on_sent((send,))

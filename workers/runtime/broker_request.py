"""One request to the broker's own services, and its answer. PROTOCOL.md section 7.

A new connection for each request: nothing of a former broker or of an answer that came too late is left to be told apart.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from bus.errors import BusError, BusTimeout, ProtocolError
from bus.process import sockets
from bus.process.lifecycle import Stop
from bus.process.settings import Settings
from bus.wire import codec
from bus.wire.messages import ID_BYTES, Error, Reply, Request


class BrokerRequester:
    """Asks the broker; a signal that asks to stop ends the waiting.

    Args:
        settings: say where the broker is.
        home: its folder.
        stop: set by a signal.
    """

    def __init__(self, settings: Settings, home: Path, stop: Stop) -> None:
        self._settings = settings
        self._home = home
        self._stop = stop
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def close(self) -> None:
        """Give the context back."""
        self._context.destroy(linger=0)

    def ask(self, service: str, args: Mapping[str, Any] | None = None, *, timeout_s: float) -> Any:
        """Make one request of a control service and return its answer.

        Raises:
            BusTimeout: no broker, no answer in `timeout_s` seconds, or a signal came first.
            BusError: the broker refused.
        """
        where = sockets.endpoint(self._settings.broker, self._home, "frontend")
        if where is None:
            raise BusTimeout(f"no broker answers at {self._settings.broker.frontend}")
        request = Request(os.urandom(ID_BYTES), service, "", dict(args or {}), {})
        deadline = time.monotonic() + timeout_s
        with sockets.make(self._context, zmq.DEALER, ipv6=int("[" in where)) as socket:
            socket.connect(where)
            socket.send(codec.encode(request))
            return self._wait(socket, request, deadline)

    def _wait(self, socket: "zmq.Socket[bytes]", request: Request, deadline: float) -> Any:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._stop.reader, zmq.POLLIN)
        while not self._stop.asked and (left_s := deadline - time.monotonic()) > 0:
            ready = dict(poller.poll(int(left_s * 1000) + 1))
            if socket not in ready:
                continue
            try:
                message = codec.decode_to_client(socket.recv_multipart()[-1])
            except ProtocolError as error:
                raise BusError(error.code, f"the broker's answer is not understood: {error}") from error
            if isinstance(message, Error):
                raise BusError(message.code, message.text, message.details)
            if isinstance(message, Reply):
                return message.value
        raise BusTimeout(f"no answer to {request.service} from the broker at {self._settings.broker.frontend}")

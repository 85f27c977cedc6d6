"""One request to the broker's own services, and its answer. PROTOCOL.md section 7."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process import endpoints
from hulak.bus.process.lifecycle import Stop
from hulak.bus.process.pending_requests import PendingRequest
from hulak.bus.process.requests import RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Error, Reply


class BrokerRequester:
    """Sends requests to the broker; a stop signal ends the wait for a reply.

    Args:
        settings: say where the broker is.
        home: its folder.
        stop: set by a signal.
    """

    def __init__(self, settings: Settings, home: Path, stop: Stop) -> None:
        self._where = endpoints.expected(settings, home, "frontend")
        self._stop = stop
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._channel = RequestChannel(self._context, settings, home)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
        self._context.term()

    def ask(self, service: str, args: Mapping[str, Any] | None = None, *, timeout_s: float) -> Any:
        """Send one request to a control service and return its answer.

        Raises:
            BusTimeout: no broker, no answer within `timeout_s` seconds, or a stop signal came first.
            BusError: the broker refused the request.
        """
        request = self._channel.ask(service, args or {}, timeout_s=timeout_s)
        try:
            if self._channel.socket is None:
                raise BusTimeout(f"no broker answers at {self._where}")
            return self._wait(request)
        finally:
            self._channel.forget(request)

    def _wait(self, request: PendingRequest) -> Any:
        expired: list[PendingRequest] = []
        while not self._stop.asked and request not in expired:
            poller = zmq.Poller()
            poller.register(self._stop.reader, zmq.POLLIN)
            if self._channel.socket is not None:
                poller.register(self._channel.socket, zmq.POLLIN)
            poller.poll(max(0, int((self._channel.next_due() - time.monotonic()) * 1000) + 1))
            for _, message in self._channel.answers():
                if isinstance(message, Error):
                    raise BusError(message.code, message.text, message.details)
                if isinstance(message, Reply):
                    return message.value
            expired = self._channel.step()
        raise BusTimeout(f"no answer to {request.request.service} from the broker at {self._where}")

"""The one way to send requests to the broker's control services and receive the answers. PROTOCOL.md sections 4 and 7.

    channel = RequestChannel(context, settings, home)
    channel.ask("hulak.stats", {}, timeout_s=1.0)
    while ...:
        for request, message in channel.answers(): ...
        for request in channel.step(): ...  # that have expired

It never blocks: the process polls `socket`, and calls `step` when `next_due` has come. `BusClient` and `AsyncBusClient` use the
same table and the same link with another loop: they have thousands of calls under way, and send batches.
"""

import math
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import ProtocolError
from hulak.bus.process import endpoints
from hulak.bus.process.frontend_link import FrontendLink
from hulak.bus.process.pending_requests import PendingRequest, PendingRequests
from hulak.bus.process.settings import Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import ID_BYTES, Error, MessageToClient, Request

SEARCH_AGAIN_S = 0.1  # between two checks for a broker that does not run
SEARCH_ELSEWHERE_S = 1.0  # between two checks whether a lost broker is at its other address now
CONNECT_S = 0.02  # between two tries to send before the connection is established: on this machine it takes less than that
IDS = 256  # drawn at a time: the cost is that of the system call, not of its bytes
_cut = struct.Struct(f"{ID_BYTES}s" * IDS).unpack


def _draw() -> Iterator[bytes]:
    while True:
        yield from _cut(os.urandom(IDS * ID_BYTES))


def draw_ids() -> Callable[[], bytes]:
    """Return a function that returns random request ids, for one thread at a time."""
    return _draw().__next__


class RequestChannel:
    """A connection to the broker's frontend for control services; searches for the broker while there is none.

    Args:
        context: for its socket.
        settings: the broker's addresses.
        home: the broker's folder.
        silence_s: seconds without a message on the connection after which all requests under way are sent again; infinite: never.
        new_ids: a request sent again gets another id, so that PARTs of both are not joined to one answer.
        sndhwm: messages that wait to be sent, at most; 0: no limit.
        rcvhwm: messages that wait to be received, likewise.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        settings: Settings,
        home: Path,
        *,
        silence_s: float = math.inf,
        new_ids: bool = False,
        sndhwm: int = 100,
        rcvhwm: int = 1000,
    ) -> None:
        self.pending = PendingRequests(silence_s)
        self._context, self._settings, self._home = context, settings, home
        self._new_ids, self._sndhwm, self._rcvhwm = new_ids, sndhwm, rcvhwm
        self._new_id = draw_ids()
        self._link: FrontendLink | None = None
        self._search_due = 0.0

    @property
    def socket(self) -> "zmq.Socket[bytes] | None":
        """Return the socket to poll for input; None while no broker was found. It is another one after the broker has moved."""
        return None if self._link is None else self._link.socket

    def close(self, linger_ms: int = 0) -> None:
        """Close the connection; messages not yet sent are dropped after `linger_ms` milliseconds."""
        if self._link is not None:
            self._link.close(linger_ms)
            self._link = None

    def ask(self, service: str, args: Mapping[str, Any], *, about: Any = None, timeout_s: float = math.inf) -> PendingRequest:
        """Send a request; without a connection, `step` sends it as soon as there is one.

        Args:
            service: a control service.
            args: its arguments.
            about: returned with the answer.
            timeout_s: seconds from now after which the request expires.
        """
        now = time.monotonic()
        request = self._make(service, args, about, now + timeout_s)
        self._connect(now)
        self.pending.begin(request, now, self._send(request, now))
        return request

    def ask_now(
        self, service: str, args: Mapping[str, Any], *, about: Any = None, timeout_s: float = math.inf
    ) -> PendingRequest | None:
        """Send a request once; without a connection, return None and keep nothing. Args are those of `ask`."""
        now = time.monotonic()
        request = self._make(service, args, about, now + timeout_s)
        request.once = True
        self._connect(now)
        if self._send(request, now) < math.inf:
            return None
        self.pending.begin(request, now)
        return request

    def repeat(self, request: PendingRequest, wait_s: float) -> None:
        """Send a request again in `wait_s` seconds, after an answer such as BUSY."""
        now = time.monotonic()
        self.pending.begin(request, now, now + wait_s)

    def forget(self, request: PendingRequest) -> None:
        """Remove a request; its answer is a stray when it comes."""
        self.pending.forget(request)

    def answers(self) -> Iterator[tuple[PendingRequest | None, MessageToClient]]:
        """Receive the messages that have arrived, each with the request that it answers. Strays are counted and skipped.

        An ERROR without an id has None: the broker could not decode a request, or this process could not decode an answer.
        """
        while self._link is not None and self._link.readable():
            frame = self._link.receive()
            self.pending.received(time.monotonic())
            try:
                message = codec.decode_to_client(frame)
            except ProtocolError as error:
                yield None, Error(None, error.code, f"the broker's answer is not understood: {error}")
                continue
            request = self.pending.match(message)
            if request is not None or message.id is None:
                yield request, message

    def step(self) -> list[PendingRequest]:
        """Find the broker, and send the requests that are due; returns the requests that have expired."""
        now = time.monotonic()
        self._connect(now)
        for request in self.pending.to_send(now):
            if self._new_ids:
                self.pending.renew(request, self._new_id())
            self.pending.send_at(request, self._send(request, now))
        return list(self.pending.expire(now))

    def next_due(self) -> float:
        """Return when `step` has something to do: monotonic seconds, infinite if nothing is under way."""
        return self.pending.next_due()

    def _make(self, service: str, args: Mapping[str, Any], about: Any, due: float) -> PendingRequest:
        return PendingRequest(Request(self._new_id(), service, "", dict(args)), about, due)

    def _send(self, request: PendingRequest, now: float) -> float:
        """Send it if there is a connection; returns when to retry, monotonic seconds, infinite if it was sent."""
        if self._link is None:
            return now + SEARCH_AGAIN_S
        return math.inf if self._link.send(codec.encode(request.request)) else now + CONNECT_S

    def _connect(self, now: float) -> None:
        """Find the broker, and detect a new connection or address: all requests are then sent again.

        libzmq reconnects by itself, but to the same address, and not after a refused key. A broker on a full disk has no socket
        file, so it is found by TCP then. One lost on TCP is not searched for: that address is a setting.

        Raises:
            HandshakeFailed: the broker and this process do not accept each other's keys; a later call tries again.
        """
        link = self._link
        if link is not None and link.reconnected():
            self.pending.send_all(now)
        if link is not None and link.refused:
            self.close()
            self.pending.send_all(now)
            link = None
        if now < self._search_due or (link is not None and (link.connected or not link.where.is_local)):
            return
        self._search_due = now + (SEARCH_AGAIN_S if link is None else SEARCH_ELSEWHERE_S)
        where = endpoints.find(self._settings, self._home, "frontend")
        if where is None or (link is not None and link.where == where):
            return
        if link is not None:
            link.close()
            self.pending.send_all(now)
        self._link = FrontendLink(self._context, where, sndhwm=self._sndhwm, rcvhwm=self._rcvhwm)
        self._search_due = now + SEARCH_ELSEWHERE_S

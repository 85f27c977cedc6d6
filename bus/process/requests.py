"""The one way to ask the broker: requests to its control services and what comes back. PROTOCOL.md sections 4 and 7.

    channel = RequestChannel(context, settings, home)
    channel.ask("hulak.stats", {}, timeout_s=1.0)
    while ...:
        for request, message in channel.answers(): ...
        for request in channel.step(): ...  # whose time is over

It never waits: the process polls `socket`, and calls `step` when `next_due` has come. `BusClient` and `AsyncBusClient` use the
same table and the same link, with a loop of their own: they have thousands of calls under way, and send many in one frame.
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
from hulak.bus.process import sockets
from hulak.bus.process.frontend_link import FrontendLink
from hulak.bus.process.pending_requests import PendingRequest, PendingRequests
from hulak.bus.process.settings import Settings
from hulak.bus.wire import codec
from hulak.bus.wire.messages import ID_BYTES, Error, MessageToClient, Request

LOOK_AGAIN_S = 0.1  # between two looks for a broker that is not there
LOOK_ELSEWHERE_S = 1.0  # between two looks whether a broker that was here is at its other address now
CONNECT_S = 0.02  # between two tries to send before the connection stands: on this machine it takes less than that
IDS = 256  # drawn at a time: the system's call costs more than what it gives
_cut = struct.Struct(f"{ID_BYTES}s" * IDS).unpack


def _draw() -> Iterator[bytes]:
    while True:
        yield from _cut(os.urandom(IDS * ID_BYTES))


def draw_ids() -> Callable[[], bytes]:
    """Make what gives ids of requests, random ones, for one thread at a time."""
    return _draw().__next__


class RequestChannel:
    """A connection to the broker's frontend for control services; looks for the broker as long as there is none.

    Args:
        context: of its socket.
        settings: say where the broker is.
        home: its folder.
        silence_s: without anything on the connection, after which all that is under way is sent again; infinite: never.
        new_ids: what is sent again gets another id: PARTs of both would be taken for one answer.
        sndhwm: messages that wait to be sent, at most; 0 for any number.
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
        self._look_due = 0.0

    @property
    def socket(self) -> "zmq.Socket[bytes] | None":
        """The socket to poll for input; None as long as no broker was found. Another one when the broker has moved."""
        return None if self._link is None else self._link.socket

    def close(self, linger_ms: int = 0) -> None:
        """Close the connection; what has not been sent is dropped after `linger_ms` milliseconds."""
        if self._link is not None:
            self._link.close(linger_ms)
            self._link = None

    def ask(self, service: str, args: Mapping[str, Any], *, about: Any = None, timeout_s: float = math.inf) -> PendingRequest:
        """Ask; what finds no connection is sent by `step` as soon as there is one.

        Args:
            service: a control service.
            args: of it.
            about: comes back with the answer.
            timeout_s: seconds from now after which nobody waits for the answer.
        """
        now = time.monotonic()
        request = self._make(service, args, about, now + timeout_s)
        self._connect(now)
        self.pending.begin(request, now, self._send(request, now))
        return request

    def ask_now(
        self, service: str, args: Mapping[str, Any], *, about: Any = None, timeout_s: float = math.inf
    ) -> PendingRequest | None:
        """Ask once, if there is a connection; None if there is none, and nothing is under way then. Args are those of `ask`."""
        now = time.monotonic()
        request = self._make(service, args, about, now + timeout_s)
        request.once = True
        self._connect(now)
        if self._send(request, now) < math.inf:
            return None
        self.pending.begin(request, now)
        return request

    def repeat(self, request: PendingRequest, wait_s: float) -> None:
        """Ask once more, in `wait_s` seconds, what was answered: by BUSY, say."""
        now = time.monotonic()
        self.pending.begin(request, now, now + wait_s)

    def forget(self, request: PendingRequest) -> None:
        """Wait for its answer no longer."""
        self.pending.forget(request)

    def answers(self) -> Iterator[tuple[PendingRequest | None, MessageToClient]]:
        """Receive what has come: what it answers, and the message. Late and foreign answers are counted, and left out.

        An ERROR without an id answers None: the broker could not read something of ours, or we could not read it.
        """
        while self._link is not None and self._link.readable():
            frame = self._link.receive()
            self.pending.heard(time.monotonic())
            try:
                message = codec.decode_to_client(frame)
            except ProtocolError as error:
                yield None, Error(None, error.code, f"the broker's answer is not understood: {error}")
                continue
            request = self.pending.match(message)
            if request is not None or message.id is None:
                yield request, message

    def step(self) -> list[PendingRequest]:
        """Find the broker, and send what is to be sent; returns the requests whose time is over."""
        now = time.monotonic()
        self._connect(now)
        for request in self.pending.to_send(now):
            if self._new_ids:
                self.pending.renew(request, self._new_id())
            self.pending.send_at(request, self._send(request, now))
        return list(self.pending.expire(now))

    def next_due(self) -> float:
        """When `step` has something to do: monotonic seconds, infinite if nothing is under way."""
        return self.pending.next_due()

    def _make(self, service: str, args: Mapping[str, Any], about: Any, due: float) -> PendingRequest:
        return PendingRequest(Request(self._new_id(), service, "", dict(args)), about, due)

    def _send(self, request: PendingRequest, now: float) -> float:
        """Send it if there is a connection; returns when to try again, monotonic seconds, infinite if it was sent."""
        if self._link is None:
            return now + LOOK_AGAIN_S
        return math.inf if self._link.send(codec.encode(request.request)) else now + CONNECT_S

    def _connect(self, now: float) -> None:
        """Find the broker, and notice when it is another one than before, which is to be asked all again.

        libzmq connects again by itself, but to the same address. A broker on a disk that is full has no socket's file, and is
        found by TCP then; whoever has lost it there finds it there, for that address is a setting.
        """
        link = self._link
        if link is not None and link.reconnected():
            self.pending.send_all(now)
        if now < self._look_due or (link is not None and (link.connected or not link.where.startswith("ipc:"))):
            return
        self._look_due = now + (LOOK_AGAIN_S if link is None else LOOK_ELSEWHERE_S)
        where = sockets.endpoint(self._settings.broker, self._home, "frontend")
        if where is None or (link is not None and link.where == where):
            return
        if link is not None:
            link.close()
            self.pending.send_all(now)
        self._link = FrontendLink(self._context, where, sndhwm=self._sndhwm, rcvhwm=self._rcvhwm)
        self._look_due = now + LOOK_ELSEWHERE_S

"""A display worker's way out: states to the broker's collector, and days' beginnings to its frontend. PROTOCOL.md section 11."""

import os
import time
from collections.abc import Callable
from typing import Any

import zmq

from bus.errors import ProtocolError
from bus.process import sockets
from bus.wire import codec
from bus.wire.messages import ID_BYTES, Reply, Request, Stamp
from bus.wire.names import OWNED_BY_DISPLAYS
from workers.display.managed_display import ManagedDisplay

SEND_HWM = 10_000  # states that wait for a broker that is away; each display has its newest sent again when it is back
AGAIN_S = 2.0  # without an answer to what a day began with


class BrokerLink:
    """Two sockets, one for what is published and one for what is asked.

    Args:
        context: of the worker.
        collector: endpoint of the broker.
        frontend: likewise.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", collector: str, frontend: str) -> None:
        hwm = SEND_HWM
        self.out = sockets.make(context, zmq.XPUB, xpub_nodrop=1, sndhwm=hwm, ipv6=int("[" in collector))
        self.asks = sockets.make(context, zmq.DEALER, immediate=1, sndhwm=hwm, rcvhwm=hwm, ipv6=int("[" in frontend))
        self.out.connect(collector)
        self.asks.connect(frontend)
        self.ready = False  # the broker takes what we publish
        self._days: dict[bytes, tuple[str, int, dict[str, Any]]] = {}  # request -> display, number, init
        self._rows_asked, self._rows_id = -AGAIN_S, b""
        self._asked: dict[tuple[str, int], float] = {}  # display and number -> when

    def look(self) -> bool:
        """Take in subscriptions; true when the broker's has just come."""
        before = self.ready
        while self.out.poll(0):
            self.ready = self.out.recv(zmq.NOBLOCK)[:1] == b"\1" or self.ready
        return self.ready and not before

    def send(self, held: ManagedDisplay, config_version: int) -> int:
        """Send a display's state.

        Returns:
            when, ns since 1970 UTC; 0 if it could not be sent now.
        """
        if not self.ready:
            return 0
        now_ns = time.time_ns()
        topic = OWNED_BY_DISPLAYS + held.id.encode()
        stamp = Stamp(held.token, held.running, held.received_ns)
        body = codec.pack(held.told(config_version, now_ns))
        try:
            sockets.send_frame(self.out, codec.encode_publication(topic, stamp, body), sockets.NOBLOCK)
        except zmq.Again:
            return 0
        return now_ns

    def tell_day(self, held: ManagedDisplay, now: float) -> None:
        """Tell the broker what a display's day began with, once in a while until it has written it."""
        key = held.id, held.day_from
        if now - self._asked.get(key, -AGAIN_S) < AGAIN_S:
            return
        self._asked[key] = now
        request_id, init = os.urandom(ID_BYTES), held.day()
        args = {"display": held.id, "token": held.token, "from": held.day_from, "init": init}
        try:
            self.asks.send(codec.encode(Request(request_id, "hulak.display.day", "", args)), zmq.NOBLOCK)
        except zmq.Again:
            return
        self._days[request_id] = (held.id, held.day_from, init)

    def ask_rows(self, now: float) -> None:
        """Ask for all displays again, once in a while: a message with them was lost."""
        if now - self._rows_asked < AGAIN_S:
            return
        self._rows_asked, self._rows_id = now, os.urandom(ID_BYTES)
        try:
            self.asks.send(codec.encode(Request(self._rows_id, "hulak.display.list", "", {})), zmq.NOBLOCK)
        except zmq.Again:
            return

    def answers(self, told: Callable[[str, int, dict[str, Any]], None], rows: Callable[[dict[str, Any]], None]) -> None:
        """Read what came; a refused day is told again later, under whatever token counts then.

        Args:
            told: called with display, number and init of a day that is written.
            rows: called with all displays, if they were asked for.
        """
        while self.asks.poll(0):
            try:
                message = codec.decode_to_client(self.asks.recv_multipart()[-1])
            except ProtocolError:
                continue
            if isinstance(message, Reply) and message.id == self._rows_id:
                rows(message.value)
                continue
            day = self._days.pop(message.id or b"", None)
            if day is not None and isinstance(message, Reply):
                self._asked.pop(day[:2], None)
                told(*day)

    def close(self) -> None:
        """Close both; what was handed over has half a second to leave."""
        self.out.close(linger=500)
        self.asks.close(linger=0)

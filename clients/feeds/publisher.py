"""A feed's connections to the broker, around the pure `Delivery`. PROTOCOL.md section 3.4.

The first connection posts (a publisher, as XPUB: it receives the broker's subscription, and with `XPUB_NODROP` a full queue is an
error instead of a loss, since the broker is its only reader). A `RequestChannel` requests the broker's position.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import ProtocolError
from hulak.bus.process import endpoints, sockets
from hulak.bus.process.log_type import Log
from hulak.bus.process.requests import SEARCH_AGAIN_S, RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.wire.messages import Error, Reply, Tick
from hulak.clients.feeds.delivery import Asked, Delivery
from hulak.clients.feeds.own_claim import OwnClaim
from hulak.clients.feeds.refusals import Refusals

ASK_S = 0.25
ANSWER_S = 10.0  # timeout of a request; later replies have newer positions
BATCH = 256  # frames passed to the socket at a time


def new_instance() -> int:
    """Return a random instance of a feed."""
    return int.from_bytes(os.urandom(8), "big") >> 1 or 1


class TickPublisher:
    """The connection of one feed instance to the broker.

    Args:
        settings: name the broker's endpoints and the size of the buffer.
        home: the broker's folder.
        name: of the feed, in the broker's statistics.
        log: of this process.
        prefix: put before each symbol, with its dot; empty for none.
        claims: as for `Delivery`: the own topics that it claims.
        instance: of the feed, another one at each start; None for a random one.
        posted: see `Delivery`.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        name: str,
        log: Log,
        prefix: str = "",
        claims: Mapping[str, Any] | None = None,
        instance: int | None = None,
        posted: int = 0,
    ) -> None:
        self.settings = settings
        self.home = home
        self.name = name
        self.log = log
        self.link = Delivery(instance or new_instance(), settings.feed.buffer, prefix, claims, posted)
        self.counters: dict[str, Any] = {}  # of the feed, sent with the reports
        self.refusals = Refusals()
        self.refused = ""  # the code of the last reply that was an error
        self.journalled = False  # the topics that it owns are; as the last reply says
        self.claim = OwnClaim() if claims else None
        self.subscribed = False  # the broker has subscribed to our posts
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.requests = RequestChannel(self.context, settings, home)

    async def connect(self) -> None:
        """Wait without limit until the broker has subscribed and replied.

        Raises:
            HandshakeFailed: the broker and this feed do not accept each other's keys.
            BusError: as `keep`.
        """
        collector = await self._find_collector()
        self.out = sockets.connect(self.context, zmq.XPUB, collector, xpub_nodrop=1, sndhwm=BATCH * 40, linger=500)
        while not (self.subscribed and self.link.opened):
            await asyncio.sleep(SEARCH_AGAIN_S / 10)
            self.keep()
        self.log.info("feed connected", broker=str(collector), instance=f"{self.link.instance:x}")

    async def _find_collector(self) -> BrokerAddress:
        logged = False
        while (where := endpoints.find(self.settings, self.home, "collector")) is None:
            if not logged:
                address = endpoints.expected(self.settings, self.home, "collector")
                self.log.info("waiting for broker", socket="collector", address=address)
                logged = True
            await asyncio.sleep(SEARCH_AGAIN_S)
        return where

    def post(self, tick: Tick, time_ns: int) -> None:
        """Number a tick, keep it, and send it if no frame waits before it and the queue has room."""
        link = self.link
        frame = link.post(tick, time_ns)
        if link.sent == link.unconfirmed.last - 1:
            try:
                sockets.send_frame(self.out, frame, sockets.NOBLOCK)
            except zmq.Again:
                return
            link.sent += 1

    def post_body(self, family: str, name: str, body: Mapping[str, Any], time_ns: int) -> None:
        """Post a message that is no tick, see `Delivery.post_body`."""
        self.link.post_body(family, name, body, time_ns)
        self.push()

    def post_packed(self, topic: str, body: bytes, time_ns: int) -> None:
        """Post a message of an own topic, see `Delivery.post_packed`."""
        self.link.post_packed(topic, body, time_ns)
        self.push()

    def push(self) -> None:
        """Send waiting frames until the socket is full."""
        while frames := self.link.waiting(BATCH):
            if not self._send(frames):
                return

    def _send(self, waiting: list[bytes]) -> bool:
        try:
            for frame in waiting:
                sockets.send_frame(self.out, frame, sockets.NOBLOCK)
                self.link.sent += 1
        except zmq.Again:
            return False
        return True

    def keep(self) -> None:
        """Read the replies, send the next request and the waiting frames; call it every `ASK_S`.

        Raises:
            HandshakeFailed: as `connect`.
            BusError: the own topics cannot be claimed: `NOT_YOURS`, `BAD_ARGUMENT` or `FORBIDDEN`.
        """
        self._read_answers()
        self.requests.step()
        self.requests.ask_now(
            "hulak.feed", self.link.ask(), about=self.link.asked(), timeout_s=ANSWER_S
        )  # else the next call sends it
        while self.out.poll(0):  # subscriptions of the broker; only their arrival matters, at the start
            self.out.recv(zmq.NOBLOCK)
            self.subscribed = True
        if self.claim is not None and self.claim.error is not None:
            raise self.claim.error
        if self.link.opened:
            self.push()

    def _read_answers(self) -> None:
        for request, message in self.requests.answers():
            if isinstance(message, Reply) and request is not None:
                self._answered(message.value, request.about)
            elif isinstance(message, Error):
                if self.claim is not None:
                    self.claim.refused(message, time.monotonic())
                if message.code != self.refused:
                    self.refused = message.code
                    self.log.warning("feed refused by the broker", code=message.code, why=message.text)

    def _answered(self, reply: dict[str, Any], asked: Asked) -> None:
        """Handle the broker's position."""
        try:
            self.link.answered(reply["epoch"], reply["taken"], reply["safe"], asked)
        except ProtocolError as error:
            self.log.warning("answer refused", code=error.code, why=str(error))
            return
        self.refused = ""
        if self.claim is not None:
            self.claim.accepted()
            self.journalled = bool(reply.get("journalled"))
        if new := self.refusals.add(reply):
            self.log.warning("ticks refused by the broker", symbols=new, refused=self.refusals.count)

    def values(self) -> dict[str, Any]:
        """Return the position and counters, for the process's report; may be called from any thread."""
        link = self.link
        return {
            "instance": f"{link.instance:x}",
            "prefix": link.prefix.removesuffix("."),
            "posted": link.unconfirmed.last,
            "unconfirmed": len(link.unconfirmed),
            "dropped": link.unconfirmed.dropped,
            "resent": link.resent,
            **self.refusals.report(self.counters),
        }

    async def finish(self, limit_s: float) -> None:
        """Wait, at most `limit_s` seconds, until the broker has confirmed every tick."""
        deadline = time.monotonic() + limit_s
        while self.link.opened and len(self.link.unconfirmed) and time.monotonic() < deadline:
            self.keep()
            await asyncio.sleep(SEARCH_AGAIN_S / 5)

    def leave(self, limit_s: float) -> None:
        """Release the own topics, within `limit_s` seconds: nothing may be posted afterwards."""
        deadline = time.monotonic() + limit_s
        asked = self.requests.ask("hulak.feed", {**self.link.ask(), "leaving": True}, timeout_s=limit_s)
        while time.monotonic() < deadline:
            self.requests.step()
            if any(request is asked for request, _ in self.requests.answers()):
                return
            time.sleep(SEARCH_AGAIN_S / 50)

    def close(self) -> None:
        """Close both connections; pending messages have half a second to be sent."""
        self.requests.close()
        self.context.destroy(linger=500)

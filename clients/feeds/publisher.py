"""How a feed's ticks reach the broker: two connections around the pure `Delivery`. PROTOCOL.md section 3.4.

The first posts (PUB side, made as XPUB: it tells when the broker has subscribed, and with `XPUB_NODROP` a full queue is
felt instead of dropped, since the broker is its only reader). A `RequestChannel` asks the frontend how far it was taken.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import structlog
import zmq

from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.process.requests import LOOK_AGAIN_S, RequestChannel
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Error, Reply, Tick
from hulak.clients.feeds.delivery import Delivery
from hulak.clients.feeds.refusals import Refusals

ASK_S = 0.25
ANSWER_S = 10.0  # that an answer is waited for; newer ones say more
BATCH = 256  # frames handed to the socket between two looks at everything else


class TickPublisher:
    """The connection of one feed instance to the broker.

    Args:
        settings: say where the broker is, and how much is kept for it.
        home: its folder.
        name: of the feed, in the broker's books.
        log: of this process.
        prefix: stands before each symbol, with its dot; empty for none.
    """

    def __init__(
        self, settings: Settings, home: Path, name: str, log: structlog.typing.FilteringBoundLogger, prefix: str = ""
    ) -> None:
        self.settings = settings
        self.home = home
        self.name = name
        self.log = log
        self.link = Delivery(int.from_bytes(os.urandom(8), "big") >> 1 or 1, settings.feed.buffer, prefix)
        self.counters: dict[str, Any] = {}  # of the feed's own, told with the reports
        self.refusals = Refusals()
        self.refused = ""  # the code of the last answer that was an error
        self.subscribed = False  # the broker has told that it takes what we post
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.requests = RequestChannel(self.context, settings, home)

    async def connect(self) -> None:
        """Wait for the broker, for ever, until it has subscribed to us and answered."""
        collector = await self._find_collector()
        self.out = sockets.connect(self.context, zmq.XPUB, collector, xpub_nodrop=1, sndhwm=BATCH * 40, linger=500)
        while not (self.subscribed and self.link.opened):
            await asyncio.sleep(LOOK_AGAIN_S / 10)
            self.keep()
        self.log.info("feed connected", broker=collector, instance=f"{self.link.instance:x}")

    async def _find_collector(self) -> str:
        told = False
        while (where := sockets.endpoint(self.settings.broker, self.home, "collector")) is None:
            if not told:
                self.log.info("waiting for broker", socket="collector", address=self.settings.broker.collector)
                told = True
            await asyncio.sleep(LOOK_AGAIN_S)
        return where

    def post(self, tick: Tick, time_ns: int) -> None:
        """Number a tick, keep it, and send it if nothing waits before it and the queue has room."""
        link = self.link
        frame = link.post(tick, time_ns)
        if link.sent == link.unconfirmed.last - 1:
            try:
                sockets.send_frame(self.out, frame, sockets.NOBLOCK)
            except zmq.Again:
                return
            link.sent += 1

    def push(self) -> None:
        """Hand to the socket what waits, as far as it takes it."""
        while frames_left := self.link.waiting(BATCH):
            if not self._hand_over(frames_left):
                return

    def _hand_over(self, waiting: list[bytes]) -> bool:
        try:
            for frame in waiting:
                sockets.send_frame(self.out, frame, sockets.NOBLOCK)
                self.link.sent += 1
        except zmq.Again:
            return False
        return True

    def keep(self) -> None:
        """Read the answers that came, ask again, send what waits; call it every `ASK_S`."""
        self._read_answers()
        self.requests.step()
        self.requests.ask_now("hulak.feed", self.link.ask(), timeout_s=ANSWER_S)  # else the next round asks
        while self.out.poll(0):  # subscription events of the broker; only their arrival matters, at the start
            self.out.recv(zmq.NOBLOCK)
            self.subscribed = True
        if self.link.opened:
            self.push()

    def _read_answers(self) -> None:
        for _, message in self.requests.answers():
            if isinstance(message, Reply):
                self._answered(message.value)
            elif isinstance(message, Error) and message.code != self.refused:
                self.refused = message.code
                self.log.warning("feed refused by the broker", code=message.code, why=message.text)

    def _answered(self, told: dict[str, Any]) -> None:
        """Note how far the broker has taken us."""
        try:
            self.link.answered(told["epoch"], told["taken"], told["safe"])
        except ProtocolError as error:
            self.log.warning("answer refused", code=error.code, why=str(error))
            return
        self.refused = ""
        if new := self.refusals.told(told):
            self.log.warning("ticks refused by the broker", symbols=new, refused=self.refusals.count)

    def values(self) -> dict[str, Any]:
        """Say how far it is, for the process's report; may be called from any thread."""
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
        """Wait until the broker has confirmed everything, so that nothing goes with this process; bounded."""
        deadline = time.monotonic() + limit_s
        while self.link.opened and len(self.link.unconfirmed) and time.monotonic() < deadline:
            self.keep()
            await asyncio.sleep(LOOK_AGAIN_S / 5)

    def close(self) -> None:
        """Close both connections; what was handed over has half a second to leave."""
        self.requests.close()
        self.context.destroy(linger=500)

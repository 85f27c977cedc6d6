"""The bridge's way in: the stream of another site into this broker, as a numbered feed. PROTOCOL.md section 15.

The broker's positions of the feed say where to go on, so that nothing else has to be kept: its journal has them.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.clients.bridge import spans
from hulak.clients.bridge.incoming import Reader, SiteDelivery, instance_of, renamed
from hulak.clients.bridge.outgoing import Missing
from hulak.clients.bridge.state import FAILING, RECEIVING, WAITING, State
from hulak.clients.bridge.stream import FAILURES, Stored, Stream
from hulak.clients.calls.async_client import AsyncBusClient
from hulak.clients.feeds.publisher import ASK_S, TickPublisher

ANSWER_S = 10.0
AGAIN_S = 1.0  # before the next attempt after a failure, and between two looks at a stream that is silent
KEPT, MOST_KEPT = 8192, 1 << 16  # unconfirmed ticks beyond which the stream is not read, and the bound of all
HURRY_S, CALM_S = 0.003, 0.02  # between two looks at the broker's answers, while ticks wait for them and else
FINISH_S = 1.0  # for the last confirmations, at the end


class ReadAgain(Exception):
    """The stream has to be read again from where this broker is."""


class Receiver:
    """Brings the ticks of one site into this broker.

    Args:
        settings: checked.
        home: the broker's folder.
        stream: of the other site.
        client: of this broker.
        log: of this process.
    """

    def __init__(self, settings: Settings, home: Path, stream: Stream, client: AsyncBusClient, log: Log) -> None:
        self.settings = settings
        self.home = home
        self.stream = stream
        self.site = stream.site
        self.client = client
        self.log = log
        self.missing = Missing()
        self.state = State()
        self.ticks = self.messages = self.malformed = self.refused = self.failures = self.resent = 0
        self.read = Reader(self.site)
        self.last_ns = 0  # stamp of the last tick that was read
        self.newest = 0  # sequence of the last message in the stream
        self._sequence = 0  # of the last message that was read
        self._gap: tuple[int, int] | None = None  # that was seen before the stream was read again
        self._publisher: TickPublisher | None = None
        self._woken = asyncio.Event()  # ticks wait that the keeper has to announce

    async def run(self) -> None:
        """Receive without end."""
        keeper = asyncio.ensure_future(self._keep())
        try:
            while True:
                receive = asyncio.ensure_future(self._receive())
                await asyncio.wait({keeper, receive}, return_when=asyncio.FIRST_COMPLETED)
                if keeper.done():
                    receive.cancel()
                    keeper.result()
                await receive
        finally:
            keeper.cancel()
            if self._publisher is not None:
                await self._publisher.finish(FINISH_S)
            self._close()

    async def _receive(self) -> None:
        """Receive until something fails, and wait then."""
        try:
            await self._follow()
        except ReadAgain as error:
            self.log.info("reading again", stream=self.stream.name, why=str(error))
        except (*FAILURES, BusError) as error:
            self.failures += 1
            why = f"{type(error).__name__}: {error}"
            if self.state.become(FAILING, why):
                self.log.warning("receiving interrupted", stream=self.stream.name, why=why)
            await asyncio.sleep(AGAIN_S)

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        lag = max(0, self.newest - self._sequence)
        publisher = self._publisher
        link = publisher.link if publisher is not None else None
        return {
            "stream": self.stream.name,
            **self.state.values(),
            "epoch": self.read.epoch,
            "number": self.read.last,
            "lag": lag,
            "lag_s": round(max(0.0, time.time() - self.last_ns / 1e9), 3) if lag and self.last_ns else 0.0,
            "ticks": self.ticks,
            "messages": self.messages,
            "failures": self.failures,
            "missing": self.missing.count,
            "missing_ranges": [list(pair) for pair in self.missing.ranges[-5:]],
            "malformed": self.malformed,
            "refused": self.refused + (publisher.refusals.count if publisher is not None else 0),
            "unconfirmed": len(link.unconfirmed) if link is not None else 0,
        }

    async def _follow(self) -> None:
        """Read the stream from where this broker is, without end."""
        state = await self.stream.state()
        if state is None or not state.messages:
            self.state.become(WAITING, f"stream {self.stream.name} {'is empty' if state else 'does not exist yet'}")
            await asyncio.sleep(AGAIN_S)
            return
        begin = await self._find(state.first_seq, state.last_seq)
        reader = await self.stream.read_from(begin)
        self._sequence, self.newest, self.read = begin - 1, state.last_seq, Reader(self.site)
        self.log.info("receiving", stream=self.stream.name, sequence=begin)
        self.state.become(RECEIVING)
        try:
            while True:
                messages = await reader.fetch(AGAIN_S)
                for message in messages:
                    await self._take(message)
                self.newest = max(self.newest, self._sequence + reader.behind)
                if not messages:
                    await self._check_silence()
        finally:
            await reader.close()

    async def _check_silence(self) -> None:
        """Read again if the stream has more than came, or less than it had."""
        state = await self.stream.state()
        if state is None or state.last_seq != self._sequence:
            raise ReadAgain(f"the stream ends with message {state.last_seq if state else None}, and {self._sequence} came last")
        self._check_sink()

    async def _find(self, first: int, last: int) -> int:
        """Return the sequence of the last message that this broker has whole, or the first of the stream. By halves."""
        positions: dict[int, int] = {}
        low, high = max(1, first), last + 1
        while low < high:
            middle = (low + high) // 2
            if await self._has(middle, positions):
                low = middle + 1
            else:
                high = middle
        return max(first, low - 1)

    async def _has(self, sequence: int, positions: dict[int, int]) -> bool:
        """Return whether this broker certainly has all ticks of a message."""
        message = await self.stream.get(sequence)
        if message is None:
            return False
        try:
            span = spans.decode(self.site, message.subject, message.headers, message.body)
        except ProtocolError:
            return False
        if span.epoch not in positions:
            args = {"instance": instance_of(self.site, span.epoch), "oldest": 1}
            positions[span.epoch] = int((await self.client.call("hulak.feed", "", args, timeout_s=ANSWER_S))["taken"])
        return positions[span.epoch] >= (span.rows[-1][0] if span.rows else span.last)

    # From the stream to the broker

    async def _take(self, message: Stored) -> None:
        try:
            span = spans.decode(self.site, message.subject, message.headers, message.body)
        except ProtocolError as error:
            self.malformed += 1
            if self.malformed == 1:
                self.log.warning("message malformed", stream=self.stream.name, sequence=message.sequence, why=str(error))
            self._sequence = message.sequence
            return
        if (gap := self.read.gap(span)) is not None:
            if gap != self._gap:
                self._gap = gap
                raise ReadAgain(f"numbers {gap[0]} to {gap[1]} did not come")
            self.missing.add(*gap)
            self.log.warning("ticks missing in the stream", stream=self.stream.name, first=gap[0], last=gap[1])
        await self._deliver(span)
        self.read.take(span)
        self._sequence, self.last_ns = message.sequence, span.time_ns or self.last_ns
        self.messages += 1

    async def _deliver(self, span: spans.Span) -> None:
        link = await self._link(span.epoch)
        for number, frame in span.rows:
            if number <= link.unconfirmed.last:
                continue
            if len(link.unconfirmed) >= MOST_KEPT:  # of a message that is larger than Hulak's
                await self._push(link)
            try:
                link.put(number, *renamed(self.site, frame))
                self.ticks += 1
            except ProtocolError as error:
                self.refused += 1
                if self.refused == 1:
                    self.log.warning("tick refused", number=number, code=error.code, why=str(error))
        await self._push(link)

    async def _push(self, link: SiteDelivery) -> None:
        """Send what is kept, and wait until the broker has confirmed most of it."""
        assert self._publisher is not None, "`_link` has made it"
        self._publisher.push()
        if link.leaves_out:
            self._woken.set()
        while len(link.unconfirmed) > KEPT:
            self._check_sink()
            await asyncio.sleep(HURRY_S)
        self._check_sink()

    async def _link(self, epoch: int) -> SiteDelivery:
        """Return the feed of an epoch; that of another one has ended, with all its ticks safe."""
        publisher = self._publisher
        if publisher is not None:
            link = publisher.link
            assert isinstance(link, SiteDelivery), "`_open` has made it"
            if link.epoch == epoch:
                return link
            while len(link.unconfirmed):
                self._check_sink()
                await asyncio.sleep(HURRY_S)
            self._close()
        return await self._open(epoch)

    async def _open(self, epoch: int) -> SiteDelivery:
        publisher = TickPublisher(self.settings, self.home, f"bridge-{self.site}", self.log)
        publisher.link = link = SiteDelivery(self.site, epoch, MOST_KEPT)
        try:
            await publisher.connect()
        except BaseException:
            publisher.close()
            raise
        self._publisher = publisher
        return link

    def _close(self) -> None:
        if self._publisher is not None:
            self.resent += self._publisher.link.resent
            self.refused += self._publisher.refusals.count
            self._publisher.close()
            self._publisher = None

    def _check_sink(self) -> None:
        link = self._publisher.link if self._publisher is not None else None
        if isinstance(link, SiteDelivery) and link.fell_back:
            self._close()
            raise ReadAgain("the broker has lost ticks that it had")

    async def _keep(self) -> None:
        """Send what waits, and ask the broker for its position, in a hurry while ticks wait for it."""
        slowly_due = 0.0
        while True:
            publisher = self._publisher
            if publisher is None:
                await self._rest(CALM_S)
                continue
            link = publisher.link
            assert isinstance(link, SiteDelivery), "`_open` has made it"
            waits, now = len(link.unconfirmed) > 0, time.monotonic()
            link.hurried = now < slowly_due
            if not link.hurried:
                slowly_due = now + ASK_S
            if waits or not link.hurried:
                publisher.keep()
            answers = publisher.requests.socket
            if link.leaves_out and answers is not None:  # each such number waits for two answers: not a moment longer
                await readable([answers], self._woken, HURRY_S)
            else:
                await self._rest(HURRY_S if waits else CALM_S)

    async def _rest(self, limit_s: float) -> None:
        """Wait until there are ticks to send, if there are none."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._woken.wait()

"""The bridge's way out: the journal of this broker into the stream of its site. PROTOCOL.md section 15.

The stream's last message says where to go on, so that nothing else has to be kept. Each message names the sequence of the message
before it, and JetStream stores it only behind that one: a message that is sent twice, late or by another bridge is refused. A
bridge that finds messages of another one steps back, and takes over when that has been silent for `SILENT_S`.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from typing import Any

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import BridgeSettings
from hulak.clients.bridge import spans
from hulak.clients.bridge.journal_source import JournalSource, OtherEpoch, TooOld
from hulak.clients.bridge.outgoing import MOST_ROWS, Outgoing, Position
from hulak.clients.bridge.state import FAILING, SENDING, STANDING_BY, State
from hulak.clients.bridge.stream import FAILURES, Stream

IN_FLIGHT = 32  # messages whose acknowledgement is outstanding, at most
LEAST_WAIT_S, MOST_WAIT_S = 0.005, 0.05  # between two looks at a journal that has nothing new
AGAIN_S = 1.0  # before the next attempt after a failure
SILENT_S = 10.0  # of another bridge, after which this one takes over
HEADERS_BYTES = 1024  # of a message, at most


class Superseded(Exception):
    """Another bridge has published into the stream since this one did."""


class Foreign(Exception):
    """The stream does not continue with this journal."""


class Sender:
    """Keeps the stream of this site complete.

    Args:
        settings: of the bridge.
        stream: of this site.
        source: the journal.
        log: of this process.
    """

    def __init__(self, settings: BridgeSettings, stream: Stream, source: JournalSource, log: Log) -> None:
        self.settings = settings
        self.stream = stream
        self.source = source
        self.log = log
        self.bridge = os.urandom(8).hex()
        most_bytes = min(stream.client.max_payload, 1 << 20) // 2 - HEADERS_BYTES
        rows = 1 if settings.messages == "tick" else MOST_ROWS
        self.outgoing = Outgoing(settings.sites, most_rows=rows, most_bytes=most_bytes)
        self.state = State()
        self.stored = Position()  # the last number that JetStream has acknowledged
        self.stored_ns = 0  # stamp of its tick
        self.ticks = self.messages = self.failures = 0
        self.newest = 0  # the last number of the broker
        self._encode = spans.encode_tick if rows == 1 else spans.encode_turn
        self._sequence = 0  # of the stream's last message, as far as this bridge knows
        self._began = False
        self._in_flight: deque[tuple[spans.Span, asyncio.Task[Any]]] = deque()

    async def run(self) -> None:
        """Send without end. Raises ConfigError: the stream is not as it has to be."""
        while True:
            try:
                await self._begin()
                await self._follow()
            except Superseded:
                await self._stand_by()
            except (*FAILURES, BusError, Foreign) as error:
                self._note(error)
                await asyncio.sleep(AGAIN_S)
            finally:
                await self._drop()

    async def measure(self) -> None:
        """Update the number of the newest tick, without end."""
        while True:
            with contextlib.suppress(BusError):  # the broker may be away; it tells when it is back
                self.newest = await self.source.newest()
            await asyncio.sleep(AGAIN_S)

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        behind = max(0, self.newest - max(self.stored.number, self.outgoing.read.number if self._is_even else 0))
        return {
            "stream": self.stream.name,
            **self.state.values(),
            "epoch": self.stored.epoch,
            "number": self.stored.number,
            "lag": behind,
            "lag_s": round(max(0.0, time.time() - self.stored_ns / 1e9), 3) if behind and self.stored_ns else 0.0,
            "ticks": self.ticks,
            "messages": self.messages,
            "failures": self.failures,
            "missing": self.outgoing.missing.count,
            "missing_ranges": [list(pair) for pair in self.outgoing.missing.ranges[-5:]],
            "too_large": self.outgoing.too_large,
        }

    @property
    def _is_even(self) -> bool:
        """Return whether everything that was read and goes out is stored."""
        return not self._in_flight and self.outgoing.position.number <= self.stored.number

    def _note(self, error: BaseException) -> None:
        self.failures += 1
        why = f"{type(error).__name__}: {error}"
        if self.state.become(FAILING, why):
            self.log.warning("sending interrupted", stream=self.stream.name, why=why)

    async def _begin(self) -> None:
        """Find out where the stream ends, and go on there."""
        await self.stream.make(self.settings)
        sequence, last = await self._last()
        other = last is not None and last.bridge != self.bridge
        if self._began and other and sequence > self._sequence:
            raise Superseded
        if last is None:
            start = Position() if self.settings.start == "oldest" else Position(0, await self.source.newest())
        else:
            start = Position(last.span.epoch, last.span.last)
            self.stored_ns = last.span.time_ns
        self._sequence, self._began = sequence, True
        self.stored = start
        self.outgoing.resume(start)
        self.log.info("sending", stream=self.stream.name, sequence=sequence, epoch=start.epoch, number=start.number)

    async def _last(self) -> "tuple[int, _Last | None]":
        state = await self.stream.state()
        assert state is not None, "`make` has made it"
        message = await self.stream.get(state.last_seq) if state.messages else None
        if message is None:
            return state.last_seq, None
        try:
            span = spans.decode_position(message.headers)
        except ProtocolError as error:
            raise Foreign(
                f"the last message of stream {self.stream.name}, {state.last_seq}, is not the bridge's: {error}; delete it, "
                "and let no other program publish there"
            ) from error
        return state.last_seq, _Last(span, (message.headers or {}).get(spans.BRIDGE, ""))

    async def _follow(self) -> None:
        """Send what the journal has, as it comes."""
        self.state.become(SENDING)
        wait_s = LEAST_WAIT_S
        while True:
            rows = await self._read()
            for span in self.outgoing.take(rows):
                await self._send(span)
            self._reap()
            if rows:
                wait_s = LEAST_WAIT_S
                continue
            await asyncio.sleep(wait_s)
            wait_s = min(MOST_WAIT_S, wait_s * 1.5)

    async def _read(self) -> list[spans.Row]:
        outgoing = self.outgoing
        try:
            return await self.source.read(outgoing.read)
        except TooOld as error:
            self.log.warning("ticks missing in the journal", first=outgoing.read.number + 1, last=error.oldest - 1)
            outgoing.lose(error.oldest)
        except OtherEpoch as error:
            await self._change_epoch(error.epoch)
        except BusError as error:
            if error.code != "BUSY":
                raise
        return []

    async def _change_epoch(self, epoch: int) -> None:
        """Go on where this journal differs from the stream: numbers were used again, under a larger epoch."""
        end = self.outgoing.read
        if 0 < epoch < end.epoch:
            raise Foreign(
                f"stream {self.stream.name} has number {end.number} under epoch {end.epoch}, this journal under {epoch}: "
                "it is that of another broker; give this site another name, or delete the stream"
            )
        first = await self.source.first_after(end.epoch, end.number)
        if first is None:
            raise Foreign(f"stream {self.stream.name} has number {end.number} of epoch {end.epoch}, which this journal has not")
        try:
            await self.source.read(Position(0, first - 1))
        except TooOld as error:
            first = error.oldest
        self.log.warning("numbers used again", first=first, last=end.number, epoch=epoch)
        if first <= end.number:
            self.outgoing.resume(Position(0, first - 1))
        else:
            self.outgoing.lose(first)
            self.outgoing.resume(Position(0, first - 1))

    async def _send(self, span: spans.Span) -> None:
        """Publish a span behind all others; waits while too many are not acknowledged."""
        while len(self._in_flight) >= IN_FLIGHT:
            await asyncio.wait({self._in_flight[0][1]})
            self._reap()
        subject, body, headers = self._encode(self.settings.site, span, self.bridge)
        headers[spans.EXPECTED] = str(self._sequence + len(self._in_flight))
        self._in_flight.append((span, asyncio.ensure_future(self.stream.publish(subject, body, headers))))

    def _reap(self) -> None:
        """Take the acknowledgements that have come, in order. Raises the error of the first message that was not stored."""
        while self._in_flight and self._in_flight[0][1].done():
            span, task = self._in_flight.popleft()
            self._sequence = task.result().seq
            self.stored, self.stored_ns = Position(span.epoch, span.last), span.time_ns or self.stored_ns
            self.ticks += len(span.rows)
            self.messages += 1

    async def _drop(self) -> None:
        """Wait until nothing is under way: the next start sees all that is stored."""
        tasks = [task for _, task in self._in_flight]
        if asyncio.current_task() is not None and tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        self._in_flight.clear()

    async def _stand_by(self) -> None:
        """Wait until the other bridge sends nothing, while this journal has more than the stream."""
        self.state.become(STANDING_BY, "another bridge sends for this site")
        self.log.warning("another bridge sends for this site: this one stands by", stream=self.stream.name)
        seen, since = 0, time.monotonic()
        while time.monotonic() < since + SILENT_S:
            await asyncio.sleep(AGAIN_S)
            try:
                sequence, last = await self._last()
                ahead = await self.source.read(Position(0, last.span.last if last else 0))
            except (*FAILURES, BusError, Foreign, TooOld):
                ahead, sequence = [], seen
            if sequence != seen or not any(True for _ in self._going(ahead)):
                seen, since = sequence, time.monotonic()
        self.log.warning("the other bridge is silent: this one takes over", stream=self.stream.name)
        self._began = False

    def _going(self, rows: list[spans.Row]) -> Any:
        trial = Outgoing(self.settings.sites)
        trial.resume(Position(0, rows[0][0] - 1) if rows else Position())
        return (row for span in trial.take(rows) for row in span.rows)


class _Last:
    """The stream's last message: the numbers that it covers, and the bridge that sent it."""

    def __init__(self, span: spans.Span, bridge: str) -> None:
        self.span = span
        self.bridge = bridge

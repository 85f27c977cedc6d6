"""One client of `/fx`, which speaks the FX front end's own protocol: what it asked for, and what it is still to be told."""

import asyncio
import contextlib
import functools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bus.errors import BusError, BusTimeout
from clients.gateway import journal_reads
from clients.gateway.bus_calls import BusCalls
from clients.gateway.fanout import Seat
from clients.gateway.fx import protocol
from clients.gateway.fx.candles import DAY_MS, Candles, start_of
from clients.gateway.fx.turn_cache import MOST_CANDLES, TurnCache

MARK = 1 / 2  # of client_bytes: who wants every tick may be further behind, before it gets the newest only
NEVER = 1 << 62  # of a running bar: not before it was confirmed
DERIVED_MS = 1000.0  # between two profiles, averages and running bars of one client
AT_ONCE = 64  # requests of one client that wait for the journal
CODES = {"UNKNOWN_TOPIC": "SYMBOL_NOT_FOUND", "BAD_TOPIC": "INVALID_SYMBOL", "BUSY": "RATE_LIMIT"}
BAD_MESSAGES = 64  # answered each; one more, and the client is disconnected


@dataclass(slots=True)
class Stream:
    """One symbol and source, whose package was sent."""

    day: int  # of the package, days since 1970 UTC
    seq: int = 0  # of the last profile; begins with the time in ms and grows more slowly: no restart brings a lower one
    profile: int = 0  # revision up to which the profile was told
    twap: float | None = None


@dataclass(eq=False)
class FxSession:
    """A client of `/fx`.

    Args:
        connection: open.
        turn_cache: what all clients share.
        calls: reads the journal.
        wake: has the gateway look at what is wanted now.
    """

    connection: ServerConnection
    turn_cache: TurnCache
    calls: BusCalls
    wake: asyncio.Event
    seat: Seat = field(default_factory=lambda: Seat(MARK))
    bad: int = 0
    log: structlog.typing.FilteringBoundLogger = field(default_factory=structlog.get_logger)
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)  # symbol, source
    candles: dict[tuple[str, str, str], int] = field(default_factory=dict)  # symbol, resolution, source -> revision told
    _connected: bool = True  # what it was told of the broker
    _heartbeat_ms: float = 0.0
    _derived_ms: float = 0.0
    _requests: set[asyncio.Task[None]] = field(default_factory=set)

    def wants_ticks(self) -> bool:
        """See `Session`."""
        return True  # also for the list of symbols

    async def run(self) -> None:
        """See `Session`."""
        connection = self.connection
        try:
            for tick in await self._past(journal_reads.last_ticks):
                if tick.symbol not in self.turn_cache.cache.ticks:
                    self.turn_cache.cache.take_ticks([tick])
        except BusError:
            self._connected = False  # `news` says so when there is a broker
        try:
            for text in protocol.greeting(self.turn_cache.symbols(), "connected" if self._connected else "disconnected"):
                await connection.send(text, text=True)
            async for message in connection:
                try:
                    self._take(protocol.decode(message))
                except protocol.BadRequest as error:
                    self.bad += 1
                    await connection.send(protocol.error(error.code, str(error)), text=True)
                    if self.bad > BAD_MESSAGES:
                        await connection.close(4000, "too many messages that are not understood")
        finally:
            for task in self._requests:
                task.cancel()
            for symbol, resolution, _ in self.candles:
                self.turn_cache.leave((symbol, resolution))

    async def _past(self, work: Any, *args: Any) -> Any:
        return await self.calls.run(lambda client: work(client, *args))

    # Requests

    def _take(self, request: Any) -> None:
        match request:
            case protocol.GetPackage(symbol, source):
                self._spawn(self._subscribe(protocol.canonical(symbol), source))
            case protocol.Subscribe(symbols, source):
                for symbol in symbols:
                    self._spawn(self._subscribe(protocol.canonical(symbol), source))
            case protocol.Unsubscribe(symbols, source):
                self._unsubscribe({protocol.canonical(symbol) for symbol in symbols}, source)
            case protocol.Reinit(source):
                self._spawn(self._reinit(source))
            case protocol.RefreshProfile(symbol, source):
                if (stream := self.streams.get((protocol.canonical(symbol), source))) is not None:
                    stream.profile, self._derived_ms = 0, 0.0
            case protocol.GetCandles():
                self._spawn(self._history(request))
            case protocol.SubscribeCandles() | protocol.UnsubscribeCandles():
                self._take_candles(request, protocol.canonical(request.symbol))

    def _unsubscribe(self, symbols: set[str], source: str | None) -> None:
        for key in [key for key in self.streams if key[0] in symbols and source in (None, key[1])]:
            del self.streams[key]

    def _take_candles(self, request: protocol.SubscribeCandles | protocol.UnsubscribeCandles, symbol: str) -> None:
        key = (symbol, request.resolution, request.source)
        if isinstance(request, protocol.SubscribeCandles):
            self._spawn(self._follow(*key))
            return
        if self.candles.pop(key, None) is not None:
            self.turn_cache.leave(key[:2])
        self._spawn(self._send(protocol.candle_subscription(*key, "unsubscribed")))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._requests) >= AT_ONCE + protocol.TOO_MANY:
            work.close()
            raise protocol.BadRequest("RATE_LIMIT", f"{len(self._requests)} requests wait already")
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(ConnectionClosed):
            try:
                await work
            except ConnectionClosed:
                raise
            except Exception as error:
                self.log.exception("request of a client failed")
                await self._send(protocol.error("INTERNAL", f"a bug of the gateway: {type(error).__name__}; its log says where"))

    async def _send(self, text: bytes) -> None:
        await self.connection.send(text, text=True)

    async def _subscribe(self, symbol: str, source: str) -> None:
        """Send the package, and from then on the ticks."""
        try:
            if (symbol, source) not in self.streams and len(self.streams) >= protocol.TOO_MANY:
                raise BusError("SUBSCRIPTION_FAILED", f"{protocol.TOO_MANY} symbols are subscribed to already")
            facts = await self._facts(symbol)
        except BusError as error:
            await self._send(protocol.error(_code(error), f"Failed to get data for {symbol}: {error}", symbol, source))
            return
        self.turn_cache.digits[symbol] = facts.digits
        await self._send(protocol.package(facts, source))
        before = self.streams.get((symbol, source))
        seq = int(self.turn_cache.clock()) if before is None else before.seq
        self.streams[symbol, source] = Stream(self.turn_cache.day(symbol), seq)
        self.wake.set()

    async def _facts(self, symbol: str) -> protocol.Facts:
        self.turn_cache.decode_states()
        facts = self.turn_cache.facts(symbol)
        if facts is None:
            facts = await self._past(journal_reads.facts, symbol, self.turn_cache.clock())
        assert facts is not None
        return facts

    async def _reinit(self, source: str) -> None:
        await self._send(protocol.reinit_started(source, self.turn_cache.clock()))
        for symbol, own in list(self.streams):
            if source in ("all", own):
                await self._subscribe(symbol, own)

    async def _history(self, request: protocol.GetCandles) -> None:
        symbol = protocol.canonical(request.symbol)
        try:
            bars = await self._past(journal_reads.bars, symbol, request.resolution, request.since, request.until)
            await self._send(protocol.candle_history(request, symbol, bars))
        except BusError as error:
            await self._send(protocol.candle_history(request, symbol, [], f"{_code(error)}: {error}"))

    async def _follow(self, symbol: str, resolution: str, source: str) -> None:
        turn_cache, key, own = self.turn_cache, (symbol, resolution), (symbol, resolution, source)
        if len(self.candles) >= protocol.TOO_MANY or (key not in turn_cache.candles and len(turn_cache.candles) >= MOST_CANDLES):
            await self._send(protocol.error("SUBSCRIPTION_FAILED", "too many candles are subscribed to already", symbol, source))
            return
        if own not in self.candles:
            self.candles[own] = NEVER
            if (candles := turn_cache.follow(key)) is not None:
                await self._begin(candles, symbol)
        await self._send(protocol.candle_subscription(symbol, resolution, source, "subscribed"))
        if own in self.candles:  # it was not taken back meanwhile
            self.candles[own] = 0
        self.wake.set()

    async def _begin(self, candles: Candles, symbol: str) -> None:
        now_ms = self.turn_cache.clock()
        since_ms = start_of(candles.resolution, int(now_ms))
        with contextlib.suppress(BusError):  # then the bar begins with what comes
            found = await self._past(journal_reads.bars, symbol, candles.resolution, since_ms, now_ms)
            candles.begin(found[-1] if found else None)

    # What it is told

    def news(self, now_ms: float) -> list[bytes]:
        """See `Session`; every tick while it keeps up, the newest of each symbol after it was behind."""
        said, at = [*self._broker(), *self._resets()], self.seat.at
        for symbol, source in self.streams:
            said += self.turn_cache.ticks(symbol, source, at)
        self.seat.at = self.turn_cache.cache.revision
        if now_ms - self._derived_ms >= DERIVED_MS:
            self._derived_ms = now_ms
            for (symbol, source), stream in self.streams.items():
                said += self._derived(symbol, source, stream)
            for key, told in self.candles.items():
                said += self._candles(key, told)
        if now_ms - self._heartbeat_ms >= protocol.HEARTBEAT_S * 1000:
            self._heartbeat_ms = now_ms
            said.append(protocol.heartbeat(now_ms))
        return said

    def _broker(self) -> list[bytes]:
        """Say that the broker is gone, or back."""
        heard = self.turn_cache.heard
        if heard == self._connected:
            return []
        self._connected = heard
        return protocol.greeting(self.turn_cache.symbols(), "connected" if heard else "disconnected")

    def _resets(self) -> list[bytes]:
        """Say which symbols have a new day, and their figures: before anything of that day."""
        rolled: dict[str, int] = {}
        said = []
        for (symbol, source), stream in self.streams.items():
            day = self.turn_cache.day(symbol)
            if day <= stream.day:
                continue
            facts = self.turn_cache.facts(symbol)
            if stream.day and facts is not None:
                rolled[symbol] = day
                said.append(protocol.package(facts, source))
            elif stream.day:
                rolled[symbol] = day
                with contextlib.suppress(protocol.BadRequest):  # it waits for too much already
                    self._spawn(self._subscribe(symbol, source))
            stream.day = day
        if rolled:
            said.insert(0, protocol.daily_reset(sorted(rolled), max(rolled.values()) * DAY_MS))
        return said

    def _derived(self, symbol: str, source: str, stream: Stream) -> list[bytes]:
        entry = self.turn_cache.entry(symbol)
        if entry is None:
            return []
        said, profile, now_ms = [], entry.profile, self.turn_cache.now_ms
        if profile.changed > stream.profile and profile.rest:
            stream.seq += 1
            write = functools.partial(protocol.profile, symbol, source, stream.seq, profile.rest["bucket"])
            if stream.profile < profile.base or not stream.profile:
                said.append(write(list(profile.levels.values()), now_ms))
            else:
                added, updated = profile.since(stream.profile)
                said.append(protocol.profile_delta(symbol, source, stream.seq, profile.rest["bucket"], added, updated, now_ms))
            stream.profile = profile.changed
        value = entry.state.get("twap")
        if value is not None and value != stream.twap:
            stream.twap = value
            said.append(protocol.twap(symbol, value, entry.state["timestamp"]))
        return said

    def _candles(self, key: tuple[str, str, str], told: int) -> list[bytes]:
        symbol, resolution, source = key
        candles, said = self.turn_cache.candles[symbol, resolution], []
        if candles.closed is not None and candles.closed_at > told:
            said.append(protocol.candle(symbol, source, resolution, candles.closed, closed=True))
        if candles.bar is not None and (candles.changed > told or not told):
            said.append(protocol.candle(symbol, source, resolution, candles.bar, closed=False))
            self.candles[key] = max(1, candles.changed)
        return said


def _code(error: BusError) -> str:
    return (
        "TIMEOUT"
        if isinstance(error, BusTimeout)
        else CODES.get(error.code, error.code if "SUBSCR" in error.code else "RESOLVE_FAILED")
    )

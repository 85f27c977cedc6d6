"""One client of `/fx`, in the FX front end's own protocol: its subscriptions, and what it still lacks."""

import asyncio
import contextlib
import functools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process.log_type import Log
from hulak.clients.gateway import journal_reads
from hulak.clients.gateway.bus_calls import BusCalls
from hulak.clients.gateway.fanout import ClientState
from hulak.clients.gateway.fx import protocol
from hulak.clients.gateway.fx.candles import DAY_MS, Candles, start_of
from hulak.clients.gateway.fx.turn_cache import MAX_CANDLES, TurnCache

MARK = 1 / 2  # of client_bytes: a client that gets every tick may lag further before it gets only the newest
NEVER = 1 << 62  # a running bar is not sent before its subscription is confirmed
DERIVED_MS = 1000.0  # between two profiles, averages and running bars of one client
AT_ONCE = 64  # pending reads of the journal per client
CODES = {"UNKNOWN_TOPIC": "SYMBOL_NOT_FOUND", "BAD_TOPIC": "INVALID_SYMBOL", "BUSY": "RATE_LIMIT"}
BAD_MESSAGES = 64  # each is answered with an error; one more disconnects the client


@dataclass(slots=True)
class Stream:
    """A symbol and source whose package was sent."""

    day: int  # of the package, days since 1970 UTC
    seq: int = 0  # of the last profile; starts at the time in ms and grows more slowly, so a restart never lowers it
    profile: int = 0  # revision of the profile that was sent
    twap: float | None = None


@dataclass(eq=False)
class FxSession:
    """A client of `/fx`.

    Args:
        connection: open.
        turn_cache: the state shared by all clients.
        calls: reads the journal.
        wake: makes the gateway check the subscriptions now.
        log: of this process.
    """

    connection: ServerConnection
    turn_cache: TurnCache
    calls: BusCalls
    wake: asyncio.Event
    log: Log
    state: ClientState = field(default_factory=lambda: ClientState(MARK))
    bad: int = 0
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)  # symbol, source
    candles: dict[tuple[str, str, str], int] = field(default_factory=dict)  # symbol, resolution, source -> revision sent
    _connected: bool = True  # the broker's status that was sent last
    _heartbeat_ms: float = 0.0
    _derived_ms: float = 0.0
    _requests: set[asyncio.Task[None]] = field(default_factory=set)

    def needs_ticks(self) -> bool:
        """See `Session`."""
        return True  # also for the list of symbols

    async def run(self) -> None:
        """See `Session`."""
        connection = self.connection
        try:
            for tick in await self._read_journal(journal_reads.last_ticks):
                if tick.symbol not in self.turn_cache.cache.ticks:
                    self.turn_cache.cache.take_ticks([tick])
        except BusError:
            self._connected = False  # `updates` sends the status when the broker is up
        try:
            for text in protocol.greeting(self.turn_cache.symbols(), "connected" if self._connected else "disconnected"):
                await connection.send(text, text=True)
            async for message in connection:
                try:
                    self._handle(protocol.decode(message))
                except protocol.BadRequest as error:
                    self.bad += 1
                    await connection.send(protocol.error(error.code, str(error)), text=True)
                    if self.bad > BAD_MESSAGES:
                        await connection.close(4000, "too many messages that cannot be decoded")
        finally:
            for task in self._requests:
                task.cancel()
            for symbol, resolution, _ in self.candles:
                self.turn_cache.leave((symbol, resolution))

    async def _read_journal(self, work: Any, *args: Any) -> Any:
        return await self.calls.run(lambda client: work(client, *args))

    # Requests

    def _handle(self, request: Any) -> None:
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
                self._handle_candles(request, protocol.canonical(request.symbol))

    def _unsubscribe(self, symbols: set[str], source: str | None) -> None:
        for key in [key for key in self.streams if key[0] in symbols and source in (None, key[1])]:
            del self.streams[key]

    def _handle_candles(self, request: protocol.SubscribeCandles | protocol.UnsubscribeCandles, symbol: str) -> None:
        key = (symbol, request.resolution, request.source)
        if isinstance(request, protocol.SubscribeCandles):
            self._spawn(self._subscribe_candles(*key))
            return
        if self.candles.pop(key, None) is not None:
            self.turn_cache.leave(key[:2])
        self._spawn(self._send(protocol.candle_subscription(*key, "unsubscribed")))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._requests) >= AT_ONCE + protocol.TOO_MANY:
            work.close()
            raise protocol.BadRequest("RATE_LIMIT", f"{len(self._requests)} requests are pending, the maximum; try again later")
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(ConnectionClosed):
            try:
                await work
            except ConnectionClosed:
                raise
            except Exception as error:
                self.log.exception("client request failed")
                await self._send(
                    protocol.error("INTERNAL", f"internal error of the gateway: {type(error).__name__}; see the log")
                )

    async def _send(self, text: bytes) -> None:
        await self.connection.send(text, text=True)

    async def _subscribe(self, symbol: str, source: str) -> None:
        """Send the package, and the ticks from then on."""
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
            facts = await self._read_journal(journal_reads.facts, symbol, self.turn_cache.clock())
        assert facts is not None
        return facts

    async def _reinit(self, source: str) -> None:
        await self._send(protocol.reinit_started(source, self.turn_cache.clock()))
        for symbol, stream_source in list(self.streams):
            if source in ("all", stream_source):
                await self._subscribe(symbol, stream_source)

    async def _history(self, request: protocol.GetCandles) -> None:
        symbol = protocol.canonical(request.symbol)
        try:
            bars = await self._read_journal(journal_reads.bars, symbol, request.resolution, request.since, request.until)
            await self._send(protocol.candle_history(request, symbol, bars))
        except BusError as error:
            await self._send(protocol.candle_history(request, symbol, [], f"{_code(error)}: {error}"))

    async def _subscribe_candles(self, symbol: str, resolution: str, source: str) -> None:
        turn_cache, key, own_key = self.turn_cache, (symbol, resolution), (symbol, resolution, source)
        if len(self.candles) >= protocol.TOO_MANY or (key not in turn_cache.candles and len(turn_cache.candles) >= MAX_CANDLES):
            await self._send(protocol.error("SUBSCRIPTION_FAILED", "too many candles are subscribed to already", symbol, source))
            return
        if own_key not in self.candles:
            self.candles[own_key] = NEVER
            if (candles := turn_cache.follow(key)) is not None:
                await self._load_begin(candles, symbol)
        await self._send(protocol.candle_subscription(symbol, resolution, source, "subscribed"))
        if own_key in self.candles:  # it was not unsubscribed meanwhile
            self.candles[own_key] = 0
        self.wake.set()

    async def _load_begin(self, candles: Candles, symbol: str) -> None:
        now_ms = self.turn_cache.clock()
        since_ms = start_of(candles.resolution, int(now_ms))
        with contextlib.suppress(BusError):  # the bar then begins with the next tick
            bars = await self._read_journal(journal_reads.bars, symbol, candles.resolution, since_ms, now_ms)
            candles.prepend(bars[-1] if bars else None)

    # Updates

    def updates(self, now_ms: float) -> list[bytes]:
        """See `Session`; every tick for a client that keeps up, the newest of each symbol after it was behind."""
        messages, at = [*self._broker_status(), *self._resets()], self.state.at
        for symbol, source in self.streams:
            messages += self.turn_cache.ticks(symbol, source, at)
        self.state.at = self.turn_cache.cache.revision
        if now_ms - self._derived_ms >= DERIVED_MS:
            self._derived_ms = now_ms
            for (symbol, source), stream in self.streams.items():
                messages += self._derived(symbol, source, stream)
            for key, sent in self.candles.items():
                messages += self._candles(key, sent)
        if now_ms - self._heartbeat_ms >= protocol.HEARTBEAT_S * 1000:
            self._heartbeat_ms = now_ms
            messages.append(protocol.heartbeat(now_ms))
        return messages

    def _broker_status(self) -> list[bytes]:
        """Return the status messages if the broker went down or up."""
        broker_up = self.turn_cache.broker_up
        if broker_up == self._connected:
            return []
        self._connected = broker_up
        return protocol.greeting(self.turn_cache.symbols(), "connected" if broker_up else "disconnected")

    def _resets(self) -> list[bytes]:
        """Return the symbols that have a new day, and their figures: before any other message of that day."""
        new_days: dict[str, int] = {}
        messages = []
        for (symbol, source), stream in self.streams.items():
            day = self.turn_cache.day(symbol)
            if day <= stream.day:
                continue
            facts = self.turn_cache.facts(symbol)
            if stream.day and facts is not None:
                new_days[symbol] = day
                messages.append(protocol.package(facts, source))
            elif stream.day:
                new_days[symbol] = day
                with contextlib.suppress(protocol.BadRequest):  # too many requests are pending
                    self._spawn(self._subscribe(symbol, source))
            stream.day = day
        if new_days:
            messages.insert(0, protocol.daily_reset(sorted(new_days), max(new_days.values()) * DAY_MS))
        return messages

    def _derived(self, symbol: str, source: str, stream: Stream) -> list[bytes]:
        entry = self.turn_cache.entry(symbol)
        if entry is None:
            return []
        messages, profile, now_ms = [], entry.profile, self.turn_cache.now_ms
        if profile.changed > stream.profile and profile.rest:
            stream.seq += 1
            encode = functools.partial(protocol.profile, symbol, source, stream.seq, profile.rest["bucket"])
            if stream.profile < profile.base or not stream.profile:
                messages.append(encode(list(profile.levels.values()), now_ms))
            else:
                added, updated = profile.since(stream.profile)
                messages.append(
                    protocol.profile_delta(symbol, source, stream.seq, profile.rest["bucket"], added, updated, now_ms)
                )
            stream.profile = profile.changed
        value = entry.state.get("twap")
        if value is not None and value != stream.twap:
            stream.twap = value
            messages.append(protocol.twap(symbol, value, entry.state["timestamp"]))
        return messages

    def _candles(self, key: tuple[str, str, str], sent: int) -> list[bytes]:
        symbol, resolution, source = key
        candles, messages = self.turn_cache.candles[symbol, resolution], []
        if candles.closed is not None and candles.closed_at > sent:
            messages.append(protocol.candle(symbol, source, resolution, candles.closed, closed=True))
        if candles.bar is not None and (candles.changed > sent or not sent):
            messages.append(protocol.candle(symbol, source, resolution, candles.bar, closed=False))
            self.candles[key] = max(1, candles.changed)
        return messages


def _code(error: BusError) -> str:
    return (
        "TIMEOUT"
        if isinstance(error, BusTimeout)
        else CODES.get(error.code, error.code if "SUBSCR" in error.code else "RESOLVE_FAILED")
    )

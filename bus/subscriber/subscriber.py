"""`Subscriber`: the broker's messages, in order and without holes, as they arrive. PROTOCOL.md section 3.

    for tick in Subscriber("tick.EURUSD"):
        print(tick.stamp.sequence, tick.body["bid"])

A subscription to a whole topic gets its last value at once and then every message; one to a prefix gets a snapshot first. Missed
messages are replayed from the broker's journal. A body is decoded when it is read. One subscriber per thread.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import zmq

from hulak.bus.errors import BusError, BusTimeout, ConfigError
from hulak.bus.process import load_settings
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.subscriber.events import Event, subscription
from hulak.bus.subscriber.frame_receiver import FrameReceiver
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.history_cursor import HELD_BYTES, HistoryCursor, HistoryStage
from hulak.bus.subscriber.history_receiver import HistoryReceiver
from hulak.bus.subscriber.history_rows import TickTopics
from hulak.bus.subscriber.history_start import Since, Start, StartKind, start_of
from hulak.bus.subscriber.position_keeper import PositionKeeper
from hulak.bus.subscriber.ring_transport import Transport
from hulak.bus.subscriber.sequence_tracker import Gap, TrackerState
from hulak.bus.subscriber.sinks import EventSink, NewestSink, TickSink
from hulak.bus.wire.messages import Tick

WAKE_S = 0.25  # seconds that an `async for` waits at most between two polls
HELD_OF_EACH = 1600  # bytes of live messages, for each that may be held back, while the journal is read

Mode = Literal["lossless", "latest", "plain"]


class Subscriber:
    """A connection to the broker's publisher.

    Args:
        topics: see `bus.subscriber.events.subscription`.
        settings: the broker's addresses; read from the home folder's file if None.
        home: the broker's folder; `HULAK_HOME` or the user's state folder if None.
        mode: `lossless`: every tick, in order, gaps repaired; `latest`: of each topic the newest only, never an older one after
            it; `plain`: as it comes.
        hold: messages held back per topic while a gap is repaired, at most; while the journal is read, live messages of as many
            times 1,600 bytes.
        timeout_s: seconds to wait for a broker; None: no limit.
        logger: receives gaps and lost messages; None for no log.
        key: the file of the subscriber's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        transport: how ticks come: `auto`: by the ring in shared memory if all are wanted (`ticks` or `tick.`), the broker on
            this machine has one and this process may read it, else, and with a key, by the socket; `ring`: by the ring, also
            those of some symbols, or an error where that cannot be; `socket`. Other topics come by the socket.
        name: names this subscriber among the slow ones of `hulak stats`; the program's name if None. With `since`,
            `from_sequence` or `last` the broker also keeps its position under this name: where to begin counts at the first
            start only, each later one goes on behind the last tick that was processed. At least once: after a crash the ticks
            since the last save come again.
        since: where to begin in the journal, instead of with the last values: a time of the broker's stamps, as a text
            (`09:00`, `2026-11-22T10:00`, `10m`; UTC without a zone), a `datetime` with a zone, or seconds before now (`-3600`);
            `oldest`: with the first tick that the journal has; `now`.
        from_sequence: likewise, with this number: the sequence of a single topic, else the number in the global order.
        last: likewise, with this number of the newest ticks.
        save_s: seconds between two saves of the position, at least; it is also saved by `close` and `save`.
        gap_events: lossless: an event with the topic `gap` names messages that are lost, before the first one behind them; its
            body has `topic`, `first`, `last` (both inclusive) and `why`.
    Raises:
        BusTimeout: no broker in time.
        HandshakeFailed: the broker and this subscriber do not accept each other's keys; each way to wait for messages raises it
            too, once the key was revoked or has expired, and `Forbidden` if the key's roles do not allow a subscription.
        ConfigError: a setting, the mode or the transport is wrong, or there is no ring.
        ProtocolError: `BAD_TOPIC`.
    """

    def __init__(
        self,
        *topics: str,
        settings: Settings | None = None,
        home: Path | None = None,
        mode: Mode = "lossless",
        hold: int = 10_000,
        timeout_s: float | None = None,
        logger: Logger | None = None,
        transport: Transport = "auto",
        key: Path | str | None = None,
        name: str | None = None,
        since: Since | None = None,
        from_sequence: int | None = None,
        last: int | None = None,
        save_s: float = 1.0,
        gap_events: bool = False,
    ) -> None:
        if transport not in ("auto", "ring", "socket"):
            raise ConfigError(f"transport is {transport!r}, must be auto, ring or socket")
        if mode not in ("lossless", "latest", "plain"):
            raise ConfigError(f"mode is {mode!r}, must be lossless, latest or plain")
        subscriptions = [subscription(topic) for topic in topics]
        settings, home = load_settings.located(settings, home, key)
        self._events: EventSink | NewestSink = NewestSink() if mode == "latest" else EventSink()
        self._conflates = mode == "latest"
        self._log, self._name = logger_of(logger), name
        self._ticks: TickSink | None = None  # read instead of `_events`, once ticks are wanted as values
        how = {"lossless": mode == "lossless", "gap_events": gap_events and mode == "lossless"}
        self._router = FrameRouter(subscriptions, self._events, hold=hold, logger=logger, **how)
        connection = (self._router, settings, home, timeout_s, transport, logger, name)
        self._past: HistoryReceiver | None = None
        start = start_of(since, from_sequence, last, time.time_ns())
        if start is None:
            self._receiver = FrameReceiver(*connection)
            return
        self._check_past(start)
        keeper = None if name is None else PositionKeeper(settings, home, name, save_s)
        try:
            kept = None if keeper is None else keeper.open(timeout_s)
            begin = start if kept is None else Start(StartKind.POSITION, kept[0] + 1, kept[1], f"position {name!r}")
            cursor = HistoryCursor(self._router, begin, min(HELD_BYTES, hold * HELD_OF_EACH))
            self._past = HistoryReceiver(cursor, keeper, *connection)
        except BaseException:
            if keeper is not None:
                keeper.close()
            raise
        self._receiver = self._past

    def _check_past(self, start: Start) -> None:
        if not self._router.lossless:
            raise ConfigError(f"{start.text}: mode must be lossless, the others drop ticks")
        if not TickTopics(self._router.subscriptions):
            allowed = "ticks, tick.SYMBOL, trade.SYMBOL, market.NAME or a prefix of these"
            raise ConfigError(f"{start.text}: only ticks, trades and markets have a history: a topic must be {allowed}")

    # A subscriber's life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close(processed=kind is None)

    def __iter__(self) -> Iterator[Event]:
        events = self._events
        while self._fill(None):
            while events.items:
                yield events.pop()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = self.poll(0)
            if event is not None:
                yield event
            else:
                await readable(self.sockets(), asyncio.Event(), WAKE_S)

    def close(self) -> None:
        """Close the connection; with a position, save it first: all ticks that were read count as processed.

        A `with` block that ends with an exception does not count the ticks since the last wait for more: they come again.
        """
        self._close(processed=True)

    def _close(self, *, processed: bool) -> None:
        try:
            if self._past is not None and not self._past.save(popped=processed):
                self._log.warning("position not saved", name=self._name, why="the broker did not answer in time")
        except BusError as error:
            self._log.warning("position not saved", name=self._name, why=str(error))
        finally:
            self._receiver.close()

    def save(self, timeout_s: float = 5.0) -> None:
        """Save the position: all ticks that were read count as processed. Returns when it is in the store.

        Args:
            timeout_s: seconds to wait.
        Raises:
            ConfigError: this subscriber keeps no position.
            BusTimeout: it was not confirmed in time.
            BusError: `NOT_YOURS`, another subscriber has begun with this name; `UNKNOWN_POSITION`, it was removed.
        """
        if self._past is None or self._past.keeper is None:
            raise ConfigError("this subscriber keeps no position, must have a name, and since, from_sequence or last")
        if not self._past.save(popped=True, timeout_s=timeout_s):
            raise BusTimeout(f"position {self._name!r} was not confirmed within {timeout_s:g} s")

    def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has all subscriptions; every message published from then on arrives here."""
        deadline = time.monotonic() + timeout_s
        router = self._router
        while not router.greeted and time.monotonic() < deadline:
            self._receiver.wait(deadline)
            self._receiver.receive()
        return router.greeted

    @property
    def live(self) -> bool:
        """Return whether the past has been read; an event with the topic `live` shows where that is."""
        return self._past is None or self._past.history.stage is HistoryStage.LIVE

    def rest(self) -> None:
        """End the live connection, for a program that does not read for a while: no messages wait in its memory then.

        Messages that have been received can be read on. The next poll behind them subscribes again, and a lossless subscriber
        then reads the missed messages from the journal. With a beginning in the past it does so as at its start, in order and
        none twice: it subscribes once the end of the journal is reached, and an event with the topic `live` shows where that is.
        Up to a second after its start it may be too early to rest. With the ring no messages wait, and nothing is done.
        """
        self._receiver.rest()

    @property
    def rests(self) -> bool:
        """Return whether there is no live connection since `rest`."""
        return self._receiver.rests

    @property
    def repairing(self) -> bool:
        """Return whether missed messages are being replayed."""
        return any(tracker.state is TrackerState.REPAIRING for tracker in self._router.trackers.values())

    @property
    def gaps(self) -> list[tuple[str, Gap]]:
        """Return the last hundred gaps that could not be repaired: topic, and numbers with the reason."""
        return list(self._router.gaps)

    def counters(self) -> dict[str, int]:
        """Return the counts: gaps, repaired messages, lost messages, duplicates, and malformed messages."""
        return self._router.counters()

    def poll(self, timeout_s: float | None) -> Event | None:
        """Return the next event; None if there is none in time.

        Args:
            timeout_s: seconds; 0: only check; None: no limit.
        """
        return self._events.pop() if self._fill(timeout_s) else None

    def poll_ticks(self, timeout_s: float | None) -> list[Tick]:
        """Return the ticks that have arrived, or wait for the first, as values instead of events: the fastest way to read many.

        Ticks of `ticks` and `tick.*` only; a malformed one is counted and skipped. From the first call on,
        this or `ticks` is the only way to read this subscriber.

        Args:
            timeout_s: seconds to wait for the first tick; 0: only check; None: no limit.
        Raises:
            ConfigError: the mode is `latest`, which drops ticks.
        """
        ticks = self._ticks or self._begin_ticks()
        self._fill(timeout_s)
        return ticks.take()

    def _begin_ticks(self) -> TickSink:
        if not isinstance(self._events, EventSink):
            raise ConfigError("poll_ticks returns every tick, and mode is 'latest': must be lossless or plain, or use poll")
        self._ticks = TickSink()
        self._router.give_ticks_to(self._ticks, self._events.items)
        self._events.items.clear()
        return self._ticks

    def ticks(self) -> Iterator[Tick]:
        """Yield every tick as a value, without end; see `poll_ticks`."""
        while True:
            yield from self.poll_ticks(None)

    def _fill(self, timeout_s: float | None) -> bool:
        """Receive messages, or wait for one; false if there is none in time."""
        sink, receiver = self._ticks or self._events, self._receiver
        if sink.items and not self._conflates:  # else waiting messages may be replaced by newer ones
            return True
        more = receiver.receive()
        if sink.items:
            return True
        if timeout_s == 0 and not more:  # often: a program reads until there is none
            return False
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not sink.items:
            if not more:
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                receiver.wait(deadline)
            more = receiver.receive()
        return True

    @property
    def transport(self) -> Literal["ring", "socket"]:
        """Return by which way ticks come now."""
        return self._receiver.transport

    def sockets(self) -> "list[zmq.Socket[bytes] | int]":
        """List what to poll for input, to wait on several subscribers at once and then call `poll` with 0 s.

        Sockets, and with the ring a descriptor: `zmq.Poller` takes both, and returns them as they were registered.
        """
        return self._receiver.sockets()

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

from hulak.bus.errors import ConfigError
from hulak.bus.process import load_settings
from hulak.bus.process.client_logger import Logger
from hulak.bus.process.settings import Settings
from hulak.bus.subscriber.asyncio_wait import readable
from hulak.bus.subscriber.events import Event, subscription
from hulak.bus.subscriber.frame_receiver import FrameReceiver
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.ring_transport import Transport
from hulak.bus.subscriber.sequence_tracker import Gap, TrackerState
from hulak.bus.subscriber.sinks import EventSink, NewestSink, TickSink
from hulak.bus.wire.messages import Tick

WAKE_S = 0.25  # seconds that an `async for` waits at most between two polls

Mode = Literal["lossless", "latest", "plain"]


class Subscriber:
    """A connection to the broker's publisher.

    Args:
        topics: see `bus.subscriber.events.subscription`.
        settings: the broker's addresses; read from the home folder's file if None.
        home: the broker's folder; `HULAK_HOME` or the user's state folder if None.
        mode: `lossless`: every tick, in order, gaps repaired; `latest`: of each topic the newest only, never an older one after
            it; `plain`: as it comes.
        hold: messages held back per topic while a gap is repaired, at most.
        timeout_s: seconds to wait for a broker; None: no limit.
        logger: receives gaps and lost messages; None for no log.
        key: the file of the subscriber's key, to connect with it by TCP; that of the settings (`HULAK_KEY`) if None.
        transport: how ticks come: `auto`: by the ring in shared memory if all are wanted (`ticks` or `tick.`), the broker on
            this machine has one and this process may read it, else, and with a key, by the socket; `ring`: by the ring, also
            those of some symbols, or an error where that cannot be; `socket`. Other topics come by the socket.
        name: names this subscriber among the slow ones of `hulak stats`; the program's name if None.
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
    ) -> None:
        if transport not in ("auto", "ring", "socket"):
            raise ConfigError(f"transport is {transport!r}, must be auto, ring or socket")
        if mode not in ("lossless", "latest", "plain"):
            raise ConfigError(f"mode is {mode!r}, must be lossless, latest or plain")
        subscriptions = [subscription(topic) for topic in topics]
        settings, home = load_settings.located(settings, home, key)
        self._events: EventSink | NewestSink = NewestSink() if mode == "latest" else EventSink()
        self._conflates = mode == "latest"
        self._ticks: TickSink | None = None  # read instead of `_events`, once ticks are wanted as values
        self._router = FrameRouter(subscriptions, self._events, lossless=mode == "lossless", hold=hold, logger=logger)
        self._receiver = FrameReceiver(self._router, settings, home, timeout_s, transport, logger, name)

    # A subscriber's life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

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
        """Close the connection."""
        self._receiver.close()

    def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has all subscriptions; every message published from then on arrives here."""
        deadline = time.monotonic() + timeout_s
        router = self._router
        while not router.greeted and time.monotonic() < deadline:
            self._receiver.wait(deadline)
            self._receiver.receive()
        return router.greeted

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

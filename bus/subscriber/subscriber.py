"""`Subscriber`: what the broker publishes, in order and without holes, as it comes. PROTOCOL.md section 3.

    for tick in Subscriber("tick.EURUSD"):
        print(tick.stamp.sequence, tick.body["bid"])

A subscription to a whole topic gets its last value at once and then every message; one to a prefix gets a snapshot first. What is
missed is asked for again from the broker's journal. A body is decoded when it is looked at. One subscriber per thread.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from bus.errors import BusTimeout, ConfigError
from bus.process import load_settings, sockets
from bus.process.settings import Settings
from bus.subscriber.asyncio_wait import readable
from bus.subscriber.events import Event, subscription
from bus.subscriber.frame_router import HEARTBEAT, HELLO, FrameRouter, Mode
from bus.subscriber.replay_requests import ReplayEnded, ReplayRequests, ReplayRows, TooOld
from bus.subscriber.sequence_tracker import Gap, TrackerState
from bus.wire import codec
from bus.wire.messages import Tick

LOOK_AGAIN_S = 0.1
TURN = 256  # messages taken in at a time, at most
GROWS_AFTER = 3  # times that there were as many as were looked for
TURN_BYTES = 1 << 17  # taken in at a time: what is decoded from it stays in the processor's cache until it is given out
WAKE_S = 0.25  # the longest an `async for` sleeps between two looks


class Subscriber:
    """A connection to the broker's publisher.

    Args:
        topics: see `bus.subscriber.events.subscription`.
        settings: say where the broker is; read from the home folder's file if None.
        home: the broker's folder; `HULAK_HOME` or the user's state folder if None.
        mode: `lossless`: every tick, in order, gaps repaired; `latest`: of each topic the newest only, never the old behind
            it; `plain`: as it comes.
        hold: messages held back per topic while a gap is repaired, at most.
        timeout_s: how long to wait for a broker, in seconds; None for ever.
    Raises:
        BusTimeout: no broker in time.
        ConfigError: a setting or the mode is wrong.
        ProtocolError: `BAD_TOPIC`.
    """

    ROUTER: type[FrameRouter] = FrameRouter

    def __init__(
        self,
        *topics: str,
        settings: Settings | None = None,
        home: Path | None = None,
        mode: Mode = "lossless",
        hold: int = 10_000,
        timeout_s: float | None = None,
    ) -> None:
        if mode not in ("lossless", "latest", "plain"):
            raise ConfigError(f"mode is {mode!r}, must be lossless, latest or plain")
        subscriptions = [subscription(topic) for topic in topics]
        settings, home = load_settings.located(settings, home)
        where = _find(settings, home, timeout_s)
        self._router = self.ROUTER(mode, hold, subscriptions)
        self._out = self._router.out
        self._most, self._full = 1, 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._replay_requests = ReplayRequests(self._context, settings, home)
        wanted = [*subscriptions, *([HEARTBEAT.encode() + codec.NUL] if mode == "lossless" else [])]
        # Connected first: libzmq sends what was subscribed to before in the order of the alphabet, and hello must be the last.
        self._socket = sockets.connect(self._context, zmq.SUB, where, rcvhwm=settings.broker.subscriber_hwm)
        sockets.close_with(self, self._socket)
        for topic in [*wanted, HELLO.encode() + codec.NUL]:
            self._socket.subscribe(topic)

    # A subscriber's life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while self._fill(None):
            while self._out:
                yield self._out.popleft()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = self.poll(0)
            if event is not None:
                yield event
            else:
                await readable(self.sockets(), asyncio.Event(), WAKE_S)

    def close(self) -> None:
        """Close the connection."""
        self._replay_requests.close()
        self._context.destroy(linger=0)

    def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has all subscriptions; whatever it publishes from then on arrives here."""
        deadline = time.monotonic() + timeout_s
        router = self._router
        while not router.greeted and (left_s := deadline - time.monotonic()) > 0:
            if self._socket.poll(int(left_s * 1000) + 1):
                self._receive()
        return router.greeted

    @property
    def repairing(self) -> bool:
        """True while something that was missed is asked for again."""
        return any(one.state is TrackerState.REPAIRING for one in self._router.trackers.values())

    @property
    def gaps(self) -> list[tuple[str, Gap]]:
        """The last hundred gaps that could not be repaired: topic, and numbers with the reason."""
        return list(self._router.gaps)

    def counters(self) -> dict[str, int]:
        """Add up what was seen: gaps, messages repaired, lost for ever, and seen twice; and what was malformed."""
        trackers = self._router.trackers.values()
        return {
            "gaps": sum(one.gaps for one in trackers),
            "repaired": sum(one.repaired for one in trackers),
            "lost": sum(one.lost for one in trackers),
            "duplicates": sum(one.duplicates for one in trackers),
            "malformed": self._router.malformed,
        }

    def poll(self, timeout_s: float | None) -> Event | None:
        """Return the next event; None if there is none in time.

        Args:
            timeout_s: seconds; 0 looks only, None waits for ever.
        """
        return self._out.popleft() if self._fill(timeout_s) else None

    def poll_ticks(self, timeout_s: float | None) -> list[Tick]:
        """Return the ticks that are there, or the first of them, as values instead of events: the fastest way to take many.

        Ticks of `ticks` and `tick.*` only; one whose body is malformed is counted and left out. From the first call on,
        this or `ticks` is the only way to read this subscriber.

        Args:
            timeout_s: seconds to wait for the first one; 0 looks only, None waits for ever.
        """
        router = self._router
        router.typed = True
        self._fill(timeout_s)
        found, router.ticks = router.ticks, []
        return found

    def ticks(self) -> Iterator[Tick]:
        """Give every tick as a value, for ever; see `poll_ticks`."""
        while True:
            yield from self.poll_ticks(None)

    def _fill(self, timeout_s: float | None) -> bool:
        router = self._router
        more = self._receive()
        if router.out or router.ticks:
            return True
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (router.out or router.ticks):
            if not more:
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                self._wait(deadline)
            more = self._receive()
        return True

    def sockets(self) -> "list[zmq.Socket[bytes]]":
        """List the sockets to poll for input, for whoever waits on several subscribers at once and then looks with 0 s."""
        return [self._socket, *([self._replay_requests.socket] if self._replay_requests.socket is not None else [])]

    def _wait(self, deadline: float | None) -> None:
        due = self._replay_requests.next_due()
        until = deadline if due is None else due if deadline is None else min(deadline, due)
        left_ms = None if until is None else max(0, int((until - time.monotonic()) * 1000) + 1)
        poller = zmq.Poller()
        for socket in self.sockets():
            poller.register(socket, zmq.POLLIN)
        poller.poll(left_ms)

    # What comes in

    def _receive(self) -> bool:
        """Take in what is there, bounded; ask for what is missing; true if more may be there."""
        found = self._frames()
        self._router.take(found)
        if self._replay_requests.busy:
            self._repair()
        self._ask()
        router = self._router
        if router.newest:
            router.out.extend(router.newest.values())
            router.newest.clear()
        return len(found) > 0

    def _frames(self) -> list[bytes]:
        """Receive up to `_most` messages; that number grows while there are always more, since to find none costs most."""
        found: list[bytes] = []
        receive, socket, room = sockets.receive_frame, self._socket, TURN_BYTES
        try:
            for _ in range(self._most):
                found.append(frame := receive(socket, sockets.NOBLOCK))
                room -= len(frame)
                if room <= 0:
                    return found
        except zmq.Again:
            self._most, self._full = max(1, len(found)), 0
            return found
        self._full += 1
        if self._full >= GROWS_AFTER:
            self._most, self._full = min(2 * self._most, TURN), 0
        return found

    def _repair(self) -> None:
        router = self._router
        for answer in self._replay_requests.answers():
            match answer:
                case ReplayRows(topic, rows):
                    router.replayed(topic, rows)
                case ReplayEnded(topic, further):
                    router.replay_ended(topic, further)
                case TooOld(topic, oldest, begins):
                    router.too_old(topic, oldest, begins=begins)
            self._ask()  # at once: what is on its way for the question before is no answer to this one
        self._replay_requests.ask_again()

    def _ask(self) -> None:
        asks = self._router.asks
        for topic, ask in asks:
            self._replay_requests.ask(topic, ask)
        asks.clear()


def _find(settings: Settings, home: Path, timeout_s: float | None) -> str:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while (where := sockets.endpoint(settings.broker, home, "publisher")) is None:
        if deadline is not None and time.monotonic() + LOOK_AGAIN_S > deadline:
            raise BusTimeout(
                f"no broker publishes at {settings.broker.publisher} within {timeout_s:g} s; "
                "start one with `hulak up` or `hulak broker`"
            )
        time.sleep(LOOK_AGAIN_S)
    return where

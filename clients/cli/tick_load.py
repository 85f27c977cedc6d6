"""The load of `hulak bench ticks` and `hulak latency`: one feed in this process, and subscriber processes.

Shared memory has the progress of each subscriber, so that the feed stays a bounded number of ticks ahead of the slowest one. The
`bid` of a tick is its number, its `ask` the time when the feed got it, in monotonic seconds.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from hulak.bus.errors import BusError, BusTimeout
from hulak.bus.process.settings import Settings
from hulak.bus.wire.messages import Tick
from hulak.clients.calls.client import BusClient
from hulak.clients.feeds.publisher import ASK_S, TickPublisher

READY, STOP = -1, -2  # in a subscriber's slot: subscribed; in the last slot: all must stop
SETTLES_S = 20.0  # to wait for the feed and the subscribers
BURST = 32  # ticks between two checks of the slowest subscriber
PAUSE_S = 0.00005  # while the window is full
FINISH_S, REMOVE_S = 2.0, 5.0  # to wait for the confirmation of the last ticks, and for the removal of the topics
STILL_S = 2.0  # without progress, after which missing ticks are lost
MOST_LATENCIES = 10_000_000


@dataclass(frozen=True)
class SubscriberTally:
    """Counts of one subscriber."""

    received: int
    lost: int  # gaps in the numbers
    twice: int
    latencies_us: list[float]  # of each tick; empty unless requested


def machine() -> dict[str, Any]:
    """Measure the machine for half a second: cores, idle_pct, steal_pct (used by other virtual machines), load (1 min)."""
    import psutil

    share: Any = psutil.cpu_times_percent(interval=0.5)
    steal = getattr(share, "steal", 0.0)
    return {"cores": os.cpu_count() or 1, "idle_pct": share.idle, "steal_pct": steal, "load": round(os.getloadavg()[0], 2)}


def machine_line(seen: dict[str, Any]) -> str:
    """Format the first line: the state of the machine before the load."""
    idle = f"{seen['idle_pct']:.0f} % idle, {seen['steal_pct']:.0f} % stolen by the hypervisor"
    return f"machine: {seen['cores']} cores, {idle}, load {seen['load']}"


def subscribe(
    settings: Settings,
    home: Path,
    topics: Sequence[str],
    source: str,
    slots: Any,
    at: int,
    keep: bool,
    answer: "Connection[Any, Any]",
) -> None:
    """Run a subscriber in this process, which was started for it, until the last slot is STOP; send its `SubscriberTally`.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
        topics: exact topics.
        source: source of the ticks to count.
        slots: shared memory, one slot per subscriber and the last one.
        at: index of this subscriber's slot.
        keep: keep the latency of each tick.
        answer: pipe for the tally.
    """
    import zmq

    from hulak.bus.process import endpoints, sockets
    from hulak.bus.wire import codec

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C and stops this one
    where = endpoints.find(settings, home, "publisher") or sockets.BrokerAddress(endpoints.expected(settings, home, "publisher"))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = sockets.connect(context, zmq.SUB, where, rcvhwm=settings.broker.subscriber_hwm)
    for topic in (*topics, "hulak.hello"):
        socket.subscribe(topic.encode() + codec.NUL)
    counter = TickCounter(source, slots, at, keep)
    while slots[-1] != STOP and os.getppid() != 1:
        if socket.poll(50):
            with contextlib.suppress(zmq.Again):
                for _ in range(256):
                    message = codec.decode_publication(sockets.receive_frame(socket, sockets.NOBLOCK))
                    counter.add(message.topic, codec.unpack(message.body))
            counter.publish()
    context.destroy(linger=0)
    answer.send(counter.tally())


class TickCounter:
    """Counts the ticks of one subscriber.

    Args:
        source: source of the ticks to count.
        slots: shared memory.
        at: index of the subscriber's slot.
        keep: keep the latency of each tick.
    """

    def __init__(self, source: str, slots: Any, at: int, keep: bool) -> None:
        self.source = source
        self.slots, self.at, self.keep = slots, at, keep
        self.expected = 1  # all are subscribed before the first tick is published
        self.received = self.lost = self.twice = 0
        self.latencies_us: list[float] = []

    def add(self, topic: str, body: Any) -> None:
        """Count a message; ticks of other feeds on `ticks` are ignored."""
        if topic == "hulak.hello":
            self.slots[self.at] = self.slots[self.at] or READY
        for tick in body if isinstance(body, list) else [body]:
            if tick.get("source") == self.source:
                self._count(int(tick["bid"]), tick["ask"])

    def _count(self, number: int, posted: float) -> None:
        if number < self.expected:
            self.twice += 1
            return
        self.received += 1
        self.lost += number - self.expected
        self.expected = number + 1
        if self.keep and len(self.latencies_us) < MOST_LATENCIES:
            self.latencies_us.append((time.monotonic() - posted) * 1e6)

    def publish(self) -> None:
        """Write the progress of this subscriber to its slot."""
        if self.received:
            self.slots[self.at] = self.expected - 1

    def tally(self) -> SubscriberTally:
        """Return the counts."""
        return SubscriberTally(self.received, self.lost, self.twice, self.latencies_us)


class TickLoad:
    """A feed and its subscribers; a context manager that stops the subscribers.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
        symbols: symbols that no other feed uses.
        topics: topics of each subscriber.
        subscribers: number of subscriber processes.
        keep: keep the latency of each tick.
    Raises:
        BusTimeout: no broker, or not all subscribers were ready in time.
    """

    def __init__(
        self, settings: Settings, home: Path, symbols: Sequence[str], topics: Sequence[str], subscribers: int, *, keep: bool
    ) -> None:
        self.settings, self.home = settings, home
        self.symbols = symbols
        self.source = f"bench-{os.getpid()}"
        self.number = 0
        spawn = get_context("spawn")  # a fork would take over sockets and signal handlers
        self.slots = spawn.RawArray("q", subscribers + 1)
        self.pipes, self.processes = [], []
        for at in range(subscribers):
            reader, writer = spawn.Pipe(duplex=False)
            process = spawn.Process(target=subscribe, args=(settings, home, topics, self.source, self.slots, at, keep, writer))
            process.daemon = True
            process.start()
            writer.close()
            self.pipes.append(reader)
            self.processes.append(process)
        import structlog

        quiet = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))
        self.post = TickPublisher(settings, home, "bench", quiet)

    def __enter__(self) -> Self:
        try:
            self._connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        try:
            asyncio.run(asyncio.wait_for(self.post.connect(), SETTLES_S))
        except TimeoutError:
            raise BusTimeout(f"the broker did not accept the feed within {SETTLES_S:g} s") from None
        deadline = time.monotonic() + SETTLES_S
        while not all(self.slots[:-1]):
            if time.monotonic() > deadline:
                raise BusTimeout(f"not all of {len(self.pipes)} subscribers were ready within {SETTLES_S:g} s")
            time.sleep(0.01)
        self.maintained = time.monotonic()

    def slowest(self) -> int:
        """Return the progress of the slowest subscriber: the number of its last tick."""
        reached: list[int] = self.slots[:-1]
        return max(0, min(reached))

    def send(self, count: int) -> None:
        """Publish the next ticks, with the present time."""
        for number in range(self.number + 1, self.number + count + 1):
            symbol = self.symbols[number % len(self.symbols)]
            now_ns = time.time_ns()
            self.post.post(Tick(symbol, float(number), time.monotonic(), now_ns // 1_000_000, self.source), now_ns)
        self.number += count
        self._maintain()

    def _maintain(self) -> None:
        """Send buffered ticks; several times per second also confirm ticks and resend lost ones."""
        if time.monotonic() - self.maintained >= ASK_S:
            self.maintained = time.monotonic()
            self.post.keep()
        else:
            self.post.push()

    def blast(self, seconds: float, window: int) -> float:
        """Publish at most `window` ticks ahead of the slowest subscriber; return the ticks/s of the slowest."""
        began, first = time.monotonic(), self.slowest()
        while (now := time.monotonic()) - began < seconds:
            if self.number - self.slowest() < window:
                self.send(BURST)
            else:
                time.sleep(PAUSE_S)
                self._maintain()
        return (self.slowest() - first) / (now - began)

    def pace(self, seconds: float, rate: float) -> None:
        """Publish at a rate, in ticks/s."""
        began = time.monotonic()
        for at in range(int(seconds * rate)):
            wait_s = began + at / rate - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            self.send(1)

    def drain(self) -> None:
        """Wait until all subscribers have the last tick, or there was no progress for `STILL_S`."""
        before, since = -1, time.monotonic()
        while self.slowest() < self.number and time.monotonic() - since < STILL_S:
            if (reached := sum(self.slots[:-1])) != before:
                before, since = reached, time.monotonic()
            self._maintain()
            time.sleep(0.002)

    def finish(self) -> list[SubscriberTally]:
        """Stop the subscribers and return their counts; ticks missing at the end count as lost."""
        self.drain()
        short = [self.number - max(0, reached) for reached in self.slots[:-1]]
        self.slots[-1] = STOP
        pairs = zip(self.pipes, short, strict=True)
        tallies = [(pipe.recv(), missing) for pipe, missing in pairs if pipe.poll(SETTLES_S)]
        return [SubscriberTally(row.received, row.lost + missing, row.twice, row.latencies_us) for row, missing in tallies]

    def close(self) -> None:
        """Stop every process, close the feed's connection, and remove the topics."""
        self.slots[-1] = STOP
        for process in self.processes:
            process.join(3)
            if process.is_alive():
                process.kill()
                process.join(3)
        asyncio.run(self.post.finish(FINISH_S))  # a tick in flight would create its topic again
        self.post.close()
        with contextlib.suppress(BusError), BusClient(self.settings, self.home) as client:
            client.call("hulak.topic.remove", "", {"topics": [f"tick.{symbol}" for symbol in self.symbols]}, timeout_s=REMOVE_S)

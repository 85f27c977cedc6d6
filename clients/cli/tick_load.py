"""The load that `hulak bench` and `hulak latency` put on the running broker: one feed here, subscribers in processes.

How far the slowest subscriber is stands in shared memory, so that the feed can stay a bounded number of ticks ahead of it
without asking anybody. A tick's `bid` is its number, its `ask` the monotonic clock in seconds when the feed got it.
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

import structlog

from bus.errors import BusError, BusTimeout
from bus.process.settings import Settings
from bus.wire.messages import Tick
from clients.calls.client import BusClient
from clients.feeds.publisher import ASK_S, TickPublisher

READY, STOP = -1, -2  # in a subscriber's slot: it is subscribed; in the last slot: all are to end
SETTLES_S = 20.0
BURST = 32  # ticks between two looks at the slowest subscriber
LOOK_S = 0.00005
FINISH_S, REMOVE_S = 2.0, 5.0  # for the last ticks to be confirmed, and for the broker's answer to the removal of the topics
STILL_S = 2.0  # without progress, what is missing does not come any more
MOST_KEPT = 10_000_000  # latencies


@dataclass(frozen=True)
class SubscriberTally:
    """What one subscriber saw."""

    received: int
    lost: int  # by number, between the first and the last
    twice: int
    latencies_us: list[float]  # of each tick, if they were to be kept


def machine() -> dict[str, Any]:
    """Look at the machine for half a second: cores, idle_pct, steal_pct (what the hypervisor gave to others), load (1 min)."""
    import psutil

    share: Any = psutil.cpu_times_percent(interval=0.5)
    steal = getattr(share, "steal", 0.0)
    return {"cores": os.cpu_count() or 1, "idle_pct": share.idle, "steal_pct": steal, "load": round(os.getloadavg()[0], 2)}


def machine_line(seen: dict[str, Any]) -> str:
    """Write the first line: how idle the machine was before."""
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
    """Be one subscriber, in a process of its own, until the last slot says stop; the answer is a `SubscriberTally`.

    Args:
        settings: say where the broker is.
        home: its folder.
        topics: whole ones.
        source: of the ticks that count.
        slots: shared memory; ours is the one `at`.
        keep: the latency of each tick.
        answer: where to send what was seen.
    """
    import zmq

    from bus.process import sockets
    from bus.wire import codec

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one, which ends it
    where = sockets.endpoint(settings.broker, home, "publisher") or settings.broker.publisher
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
                    counter.take(message.topic, codec.unpack(message.body))
            counter.show()
    context.destroy(linger=0)
    answer.send(counter.seen())


class TickCounter:
    """Counts the ticks of one subscriber.

    Args:
        source: of the ticks that count.
        slots: shared memory.
        at: our slot.
        keep: the latency of each tick.
    """

    def __init__(self, source: str, slots: Any, at: int, keep: bool) -> None:
        self.source = source
        self.slots, self.at, self.keep = slots, at, keep
        self.expected = 1  # everybody is subscribed before the first tick is posted
        self.received = self.lost = self.twice = 0
        self.latencies_us: list[float] = []

    def take(self, topic: str, body: Any) -> None:
        """Take one message; those of other feeds, which `ticks` carries too, are passed over."""
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
        if self.keep and len(self.latencies_us) < MOST_KEPT:
            self.latencies_us.append((time.monotonic() - posted) * 1e6)

    def show(self) -> None:
        """Show how far this subscriber is."""
        if self.received:
            self.slots[self.at] = self.expected - 1

    def seen(self) -> SubscriberTally:
        """Sum up."""
        return SubscriberTally(self.received, self.lost, self.twice, self.latencies_us)


class TickLoad:
    """A feed and its subscribers; a context manager that ends the subscribers.

    Args:
        settings: say where the broker is.
        home: its folder.
        symbols: which nobody else posts.
        topics: what each subscriber takes.
        subscribers: how many, each a process.
        keep: the latency of each tick.
    Raises:
        BusTimeout: no broker, or not everybody was subscribed in time.
    """

    def __init__(
        self, settings: Settings, home: Path, symbols: Sequence[str], topics: Sequence[str], subscribers: int, *, keep: bool
    ) -> None:
        self.settings, self.home = settings, home
        self.symbols = symbols
        self.source = f"bench-{os.getpid()}"
        self.number = 0
        started = get_context("spawn")  # a fork would take over sockets and signal handlers
        self.slots = started.RawArray("q", subscribers + 1)
        self.pipes, self.processes = [], []
        for at in range(subscribers):
            ours, theirs = started.Pipe(duplex=False)
            process = started.Process(target=subscribe, args=(settings, home, topics, self.source, self.slots, at, keep, theirs))
            process.daemon = True
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
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
            raise BusTimeout(f"the broker did not let the feed in within {SETTLES_S:g} s") from None
        deadline = time.monotonic() + SETTLES_S
        while not all(self.slots[:-1]):
            if time.monotonic() > deadline:
                raise BusTimeout(f"not all of {len(self.pipes)} subscribers were subscribed within {SETTLES_S:g} s")
            time.sleep(0.01)
        self.kept = time.monotonic()

    def slowest(self) -> int:
        """Return the number that all subscribers have reached."""
        reached: list[int] = self.slots[:-1]
        return max(0, min(reached))

    def send(self, count: int) -> None:
        """Post the next ticks, which the feed gets now."""
        for number in range(self.number + 1, self.number + count + 1):
            symbol = self.symbols[number % len(self.symbols)]
            now_ns = time.time_ns()
            self.post.post(Tick(symbol, float(number), time.monotonic(), now_ns // 1_000_000, self.source), now_ns)
        self.number += count
        self._look_after()

    def _look_after(self) -> None:
        """Send what waits; several times a second, ask how far it was taken, and send again what was lost on the way."""
        if time.monotonic() - self.kept >= ASK_S:
            self.kept = time.monotonic()
            self.post.keep()
        else:
            self.post.push()

    def blast(self, seconds: float, window: int) -> float:
        """Post as fast as everybody keeps up, at most `window` ticks ahead of the slowest; return ticks/s of the slowest."""
        began, first = time.monotonic(), self.slowest()
        while (now := time.monotonic()) - began < seconds:
            if self.number - self.slowest() < window:
                self.send(BURST)
            else:
                time.sleep(LOOK_S)
                self._look_after()
        return (self.slowest() - first) / (now - began)

    def pace(self, seconds: float, rate: float) -> None:
        """Post at a rate, in ticks/s."""
        began = time.monotonic()
        for at in range(int(seconds * rate)):
            wait_s = began + at / rate - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            self.send(1)

    def drain(self) -> None:
        """Wait until all subscribers have the last tick, or nothing more comes."""
        before, since = -1, time.monotonic()
        while self.slowest() < self.number and time.monotonic() - since < STILL_S:
            if (reached := sum(self.slots[:-1])) != before:
                before, since = reached, time.monotonic()
            self._look_after()
            time.sleep(0.002)

    def finish(self) -> list[SubscriberTally]:
        """End the subscribers and return what each of them saw; what one never got at the end counts as lost."""
        self.drain()
        short = [self.number - max(0, reached) for reached in self.slots[:-1]]
        self.slots[-1] = STOP
        pairs = zip(self.pipes, short, strict=True)
        seen = [(pipe.recv(), missing) for pipe, missing in pairs if pipe.poll(SETTLES_S)]
        return [SubscriberTally(one.received, one.lost + missing, one.twice, one.latencies_us) for one, missing in seen]

    def close(self) -> None:
        """End every process, close the feed's connection, and remove the topics, which nobody else posts."""
        self.slots[-1] = STOP
        for process in self.processes:
            process.join(3)
            if process.is_alive():
                process.kill()
                process.join(3)
        asyncio.run(self.post.finish(FINISH_S))  # what is still on its way would make the topics anew
        self.post.close()
        with contextlib.suppress(BusError), BusClient(self.settings, self.home) as client:
            client.call("hulak.topic.remove", "", {"topics": [f"tick.{symbol}" for symbol in self.symbols]}, timeout_s=REMOVE_S)

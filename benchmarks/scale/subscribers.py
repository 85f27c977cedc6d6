"""A growing number of subscribers of all ticks, each with its own connection; beside as many of a NATS server.

The receivers do nothing meanwhile: their messages wait in the sockets, and are counted at the end.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from benchmarks import tick
from benchmarks.scale import nats_server
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.nats_server import NatsServer
from benchmarks.system import BenchmarkError
from hulak.bus.process import sockets
from hulak.bus.wire.codec import feed_frame
from hulak.bus.wire.names import TICKS

FIGURES = (
    Figure("arrive_ms", "a subscription, CPU ms", allowed=0.0, in_s=1e-3),
    Figure("idle_ms", "idle, CPU ms/s", in_s=1e-3),
    Figure("delivery_us", "a delivery, CPU us", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", in_s=1e-3),
    Figure("rss_mb", "MB"),
    Figure("nats_delivery_us", "NATS, a delivery, CPU us", allowed=0.0, in_s=1e-6, peer=True),
)
PACE_S = 0.01  # between two ticks: each is a separate message
PROBES = 200  # ticks of a measurement
SETTLE_S = 0.5


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Measure each number of subscribers."""
    table = Table("Subscribers of all ticks", "subscribers", FIGURES)
    for size in sorted(sizes):
        log(f"{size:,} subscribers")
        row: dict[str, Any] = {"size": size}
        with BrokerProcess(folder, max_connections=size + 100) as broker:
            broker.start()
            row |= _measure_size(broker, size)
        if nats_server.is_installed():
            row["nats_delivery_us"] = _measure_nats(folder, size)
        table.rows.append(row)
    return table


def _measure_size(broker: BrokerProcess, size: int) -> dict[str, float]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, size + 100)
    try:
        feed = sockets.make(context, zmq.XPUB, sndhwm=0)
        feed.connect(broker.addresses["collector"])
        receive(feed)
        before = broker.cpu_s()
        subscribers = [_subscribe(context, broker.addresses["publisher"]) for _ in range(size)]
        for subscriber in subscribers:
            receive(subscriber)  # the number of the next tick
        row = {"arrive_ms": (broker.cpu_s() - before) / size * 1000, "idle_ms": broker.idle_ms()}
        before = broker.cpu_s()
        for number in _paced():
            body = tick.encode(number)
            feed.send(feed_frame(tick.SYMBOLS[number % tick.KINDS], 0, 0, time.time_ns(), body))
        with broker.client() as client:
            while client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["taken"] < PROBES:
                time.sleep(SETTLE_S)
            time.sleep(SETTLE_S)
            row["delivery_us"] = (broker.cpu_s() - before) / (PROBES * size) * 1e6
            row["stats_ms"] = broker.call_ms(client, "hulak.stats")
        missing = PROBES * size - sum(map(_ticks, subscribers))
        if missing:
            raise BenchmarkError(f"{missing:,} of {PROBES * size:,} deliveries are missing")
        return row | {"rss_mb": broker.rss_mb()}
    finally:
        context.destroy(linger=0)


def _paced() -> Iterator[int]:
    """Yield the number of each tick when it is due."""
    began = time.monotonic()
    for number in range(1, PROBES + 1):
        time.sleep(max(0.0, began + number * PACE_S - time.monotonic()))
        yield number


def _subscribe(context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> "zmq.Socket[bytes]":
    subscriber = sockets.make(context, zmq.SUB, rcvhwm=0)
    subscriber.connect(address)
    subscriber.subscribe(TICKS)
    return subscriber


def receive(socket: "zmq.Socket[bytes]") -> bytes:
    """Wait for a message of the broker."""
    if not socket.poll(int(ANSWERS_S * 1000)):
        raise BenchmarkError("a socket got no message of the broker")
    return socket.recv()


def _ticks(subscriber: "zmq.Socket[bytes]") -> int:
    """Count the ticks that have arrived: all have the same length."""
    size = 0
    with contextlib.suppress(zmq.Again):
        while True:
            size += len(subscriber.recv(zmq.NOBLOCK)) // tick.SIZE
    return size


def _measure_nats(folder: Path | None, size: int) -> float:
    with NatsServer(folder) as server, contextlib.ExitStack() as stack:
        server.start()
        subscribers = [stack.enter_context(server.connect()) for _ in range(size)]
        for subscriber in subscribers:
            subscriber.subscribe(b"tick.>")
        with server.connect() as feed:
            before = server.cpu_s()
            for number in _paced():
                feed.publish([(b"tick." + tick.SYMBOLS[number % tick.KINDS].encode(), tick.encode(number))])
            time.sleep(SETTLE_S)
            cpu_s = server.cpu_s() - before
        missing = PROBES * size - sum(subscriber.received().count(b"MSG tick.") for subscriber in subscribers)
        if missing:
            raise BenchmarkError(f"{missing:,} of {PROBES * size:,} deliveries of NATS are missing")
        return cpu_s / (PROBES * size) * 1e6

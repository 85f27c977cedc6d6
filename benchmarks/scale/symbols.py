"""A growing number of symbols that have a last value, of which few or all tick; beside a JetStream stream of as many subjects."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from benchmarks import bulk
from benchmarks.scale import nats_server
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.nats_server import Message, NatsConnection, NatsServer
from benchmarks.scale.subscribers import receive
from benchmarks.system import BenchmarkError
from hulak.bus.process import sockets
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.names import HEARTBEAT, TICKS
from hulak.clients.calls.client import BusClient

FIGURES = (
    Figure("idle_ms", "idle, CPU ms/s", allowed=0.0, in_s=1e-3),
    Figure("few_us", "a tick of 28 of them, CPU us", allowed=0.0, in_s=1e-6),
    Figure("all_us", "a tick of any, CPU us", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", in_s=1e-3),
    Figure("snapshot_ms", "snapshot of all, CPU ms", in_s=1e-3),
    Figure("restart_s", "restart, CPU s"),
    Figure("rss_mb", "MB"),
    Figure("nats_few_us", "JetStream, 28 of them, CPU us", allowed=0.0, in_s=1e-6, peer=True),
    Figure("nats_all_us", "JetStream, any, CPU us", allowed=0.0, in_s=1e-6, peer=True),
    Figure("nats_restart_s", "JetStream, restart, CPU s", peer=True),
)
FEW = 28
PROBES = 10_000  # ticks of a measurement
TRIES = 3  # measurements, of which the cheapest counts: other processes only add to it
POLL_S = 0.05
BYTES_EACH = 300  # of journal for each symbol: two ticks
NEVER = 1 << 60  # a rare symbol is not wanted here


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Measure each number of symbols."""
    table = Table("Symbols", "symbols", FIGURES)
    for size in sorted(sizes):
        log(f"{size:,} symbols")
        row: dict[str, Any] = {"size": size}
        with BrokerProcess(folder, max_topics=size + 100) as broker:
            made = bulk.fill(broker.home, broker.settings, size * BYTES_EACH, symbols=size, rare_every=NEVER)
            row["restart_s"] = broker.start_cpu_s()
            row |= _measure_size(broker, size, made.ticks)
        if nats_server.is_installed():
            row |= _measure_nats(folder, size)
        table.rows.append(row)
    return table


def _measure_size(broker: BrokerProcess, size: int, ticks: int) -> dict[str, float]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        subscriber = sockets.make(context, zmq.SUB, rcvhwm=0)
        subscriber.connect(broker.addresses["publisher"])
        for prefix in (HEARTBEAT, TICKS):  # as every subscriber of `ticks` does
            subscriber.subscribe(prefix)
        feed = sockets.make(context, zmq.XPUB, sndhwm=0)
        feed.connect(broker.addresses["collector"])
        with broker.client() as client:
            receive(subscriber)
            receive(subscriber)
            receive(feed)  # the broker's subscription: a tick that is sent before it is lost
            row = {"idle_ms": broker.idle_ms()}
            for name, symbols in (("few_us", min(FEW, size)), ("all_us", size)):
                frames = bulk.frames(symbols, NEVER, ticks + 1)
                row[name] = min(_probe(broker, client, feed, frames, ticks + PROBES * turn) for turn in range(1, TRIES + 1))
                ticks += PROBES * TRIES
            row["stats_ms"] = broker.call_ms(client, "hulak.stats")
            row["rss_mb"] = broker.rss_mb()
            before = broker.cpu_s()
            snapshot = sockets.make(context, zmq.SUB, rcvhwm=0)
            snapshot.connect(broker.addresses["publisher"])
            snapshot.subscribe(b"tick.")
            receive(snapshot)
            row["snapshot_ms"] = (broker.cpu_s() - before) * 1000
        return row
    finally:
        context.destroy(linger=0)


def _probe(
    broker: BrokerProcess, client: BusClient, feed: "zmq.Socket[bytes]", frames: Iterator[tuple[bytes, bool]], until: int
) -> float:
    """Send ticks; return the broker's CPU time of one, in microseconds."""
    before = broker.cpu_s()
    for frame, _ in itertools.islice(frames, PROBES):
        feed.send(frame)
    deadline = time.monotonic() + ANSWERS_S
    while (taken := client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["taken"]) < until:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the broker has {taken:,} of {until:,} ticks")
        time.sleep(POLL_S)
    return (broker.cpu_s() - before) / PROBES * 1e6


def _measure_nats(folder: Path | None, size: int) -> dict[str, float]:
    """Measure the same ticks in a stream that has a message of each subject."""
    with NatsServer(folder) as server:
        server.start()
        with server.connect() as connection:
            connection.make_stream("tick.>")
            connection.publish_acknowledged(itertools.islice(_messages(size), 2 * size))
            row = {}
            for name, symbols in (("nats_few_us", min(FEW, size)), ("nats_all_us", size)):
                messages = _messages(symbols)
                row[name] = min(_probe_nats(server, connection, messages) for _ in range(TRIES))
        server.stop()
        return row | {"nats_restart_s": server.start()}


def _probe_nats(server: NatsServer, connection: NatsConnection, messages: Iterator[Message]) -> float:
    before = server.cpu_s()
    connection.publish_acknowledged(itertools.islice(messages, PROBES))
    return (server.cpu_s() - before) / PROBES * 1e6


def _messages(symbols: int) -> Iterator[Message]:
    """Return the ticks of a feed as NATS's messages: without the stamp, which the stream has itself."""
    for frame, _ in bulk.frames(symbols, NEVER, 1):
        topic, _, rest = frame.partition(NUL)
        yield topic, rest[STAMP.size :]

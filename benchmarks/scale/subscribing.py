"""S exact subscriptions of one subscriber to S live topics: the broker's cost of subscribing and disconnecting."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from benchmarks import bulk, tick
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from hulak.bus.errors import BusTimeout
from hulak.bus.wire.codec import NUL

FIGURES = (
    Figure("subscribe_s", "broker CPU s to subscribe"),
    Figure("leave_s", "broker CPU s to disconnect"),
)
POLL_S = 0.1  # between two checks whether all are removed
BYTES_EACH = 300  # of journal for each symbol: two ticks


def measure(sizes: Sequence[int], folder: Path | None, limit_s: float, log: Callable[[str], None]) -> Table:
    """Measure each size; one longer than `limit_s` is stopped, and the larger ones are skipped."""
    table = Table("Subscribing, S topics x S subscriptions", "S", FIGURES)
    for size in sorted(sizes):
        log(f"subscribing {size:,} x {size:,}")
        with BrokerProcess(folder, max_topics=size + 100) as broker:
            bulk.fill(broker.home, broker.settings, size * BYTES_EACH, symbols=size)
            broker.start()
            subscribe_s, leave_s = _measure_size(broker, size, limit_s)
        table.rows.append({"size": size, "subscribe_s": subscribe_s, "leave_s": leave_s})
        if leave_s is None:
            break
    return table


def _measure_size(broker: BrokerProcess, size: int, limit_s: float) -> tuple[float | None, float | None]:
    topics = [b"tick." + name.encode() + NUL for name in _names(size)]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with broker.client() as client:
            before = broker.cpu_s()
            if not _subscribe(context, broker.addresses["publisher"], topics, limit_s):
                return None, None
            subscribe_s = broker.cpu_s() - before
            before = broker.cpu_s()
            context.destroy(linger=0)
            deadline = time.monotonic() + limit_s
            try:
                while client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["subscriptions"]:
                    if time.monotonic() > deadline:
                        return subscribe_s, None
                    time.sleep(POLL_S)
            except BusTimeout:
                return subscribe_s, None
            return subscribe_s, broker.cpu_s() - before
    finally:
        context.destroy(linger=0)


def _names(size: int) -> list[str]:
    """Return the symbols of a bulk journal."""
    return [tick.SYMBOLS[at] if at < tick.KINDS else f"S{at:05d}" for at in range(size)]


def _subscribe(context: "zmq.Context[zmq.Socket[bytes]]", address: str, topics: list[bytes], limit_s: float) -> bool:
    """Subscribe to all, and wait for the last value of each; returns false after `limit_s`."""
    socket = context.socket(zmq.SUB)
    socket.sndhwm = socket.rcvhwm = 0
    socket.connect(address)
    for topic in topics:
        socket.subscribe(topic)
    missing, deadline = set(topics), time.monotonic() + limit_s
    while missing and (rest_s := deadline - time.monotonic()) > 0:
        if socket.poll(int(rest_s * 1000) + 1):
            frame = socket.recv()
            missing.discard(frame[: frame.index(NUL) + 1])
    return not missing

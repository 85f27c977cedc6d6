"""S exact subscriptions of one subscriber to S live topics: what it costs the broker to take them in, and to see them go."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from benchmarks import bulk, tick
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.house import ANSWERS_S, House
from bus.errors import BusTimeout
from bus.wire.codec import NUL

FIGURES = (
    Figure("subscribe_s", "broker CPU s to subscribe"),
    Figure("leave_s", "broker CPU s to disconnect"),
)
LOOK_S = 0.1  # between two looks whether all are gone
BYTES_EACH = 300  # of journal for each symbol: two ticks


def measure(sizes: Sequence[int], folder: Path | None, limit_s: float, tell: Callable[[str], None]) -> Table:
    """Measure each size; one that takes longer than `limit_s` is given up, and so are all larger ones."""
    table = Table("Subscribing, S topics x S subscriptions", "S", FIGURES)
    for size in sorted(sizes):
        tell(f"subscribing {size:,} x {size:,}")
        with House(folder, max_topics=size + 100) as house:
            bulk.fill(house.home, house.settings, size * BYTES_EACH, symbols=size)
            house.start()
            subscribe_s, leave_s = _one(house, size, limit_s)
        table.rows.append({"size": size, "subscribe_s": subscribe_s, "leave_s": leave_s})
        if leave_s is None:
            break
    return table


def _one(house: House, size: int, limit_s: float) -> tuple[float | None, float | None]:
    topics = [b"tick." + name.encode() + NUL for name in _names(size)]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with house.client() as client:
            before = house.cpu_s()
            if not _subscribe(context, house.addresses["publisher"], topics, limit_s):
                return None, None
            subscribe_s = house.cpu_s() - before
            before = house.cpu_s()
            context.destroy(linger=0)
            deadline = time.monotonic() + limit_s
            try:
                while client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["subscriptions"]:
                    if time.monotonic() > deadline:
                        return subscribe_s, None
                    time.sleep(LOOK_S)
            except BusTimeout:
                return subscribe_s, None
            return subscribe_s, house.cpu_s() - before
    finally:
        context.destroy(linger=0)


def _names(size: int) -> list[str]:
    """Name the symbols of a journal made in bulk."""
    return [tick.SYMBOLS[at] if at < tick.KINDS else f"S{at:05d}" for at in range(size)]


def _subscribe(context: "zmq.Context[zmq.Socket[bytes]]", where: str, topics: list[bytes], limit_s: float) -> bool:
    """Subscribe to all, and wait until the last value of each has come; false if that took too long."""
    socket = context.socket(zmq.SUB)
    socket.sndhwm = socket.rcvhwm = 0
    socket.connect(where)
    for topic in topics:
        socket.subscribe(topic)
    missing, deadline = set(topics), time.monotonic() + limit_s
    while missing and (left_s := deadline - time.monotonic()) > 0:
        if socket.poll(int(left_s * 1000) + 1):
            frame = socket.recv()
            missing.discard(frame[: frame.index(NUL) + 1])
    return not missing

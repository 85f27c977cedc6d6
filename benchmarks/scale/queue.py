"""Posting to a long queue, and the cost of the broker's statistics."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.posted_tasks import posting

FIGURES = (
    Figure("posts_s", "posts/s", allowed=None),
    Figure("cpu_us", "broker CPU us/post", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", in_s=1e-3),
    Figure("restart_s", "restart s"),
)
PROBES = 3000  # posts measured at each length
WINDOW = 500


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Grow the queue, and measure at each length."""
    table = Table("Posted and queued tasks", "queued", FIGURES)
    with BrokerProcess(folder, max_tasks=max(sizes) + len(sizes) * PROBES + 1000) as broker:
        queued = 0
        broker.start()
        for size in sorted(sizes):
            log(f"queue of {size:,}")
            with broker.client() as client:
                _post(client, size - queued)
                before, began = broker.cpu_s(), time.perf_counter()
                _post(client, PROBES)
                took_s, cpu_s = time.perf_counter() - began, broker.cpu_s() - before
                stats_ms = broker.call_ms(client, "hulak.stats")
            queued = max(queued, size) + PROBES
            broker.stop()
            row = {"size": size, "posts_s": PROBES / took_s, "cpu_us": cpu_s / PROBES * 1e6, "stats_ms": stats_ms}
            table.rows.append(row | {"restart_s": broker.start()})
    return table


def _post(client: BusClient, count: int) -> None:
    """Post tasks of a service without workers."""
    args = (posting("nobody", "nothing", {"number": number}) for number in range(count))
    deque(client.map("hulak.post", "", args, window=WINDOW, timeout_s=ANSWERS_S), maxlen=0)

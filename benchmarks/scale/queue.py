"""Posts into a queue that is long already, and what the broker's statistics cost then."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.house import ANSWERS_S, House
from clients.calls.client import BusClient
from clients.calls.posted_tasks import posting

FIGURES = (
    Figure("posts_s", "posts/s", allowed=None),
    Figure("cpu_us", "broker CPU us/post", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", in_s=1e-3),
    Figure("restart_s", "restart s"),
)
PROBES = 3000  # posts measured at each length
WINDOW = 500


def measure(sizes: Sequence[int], folder: Path | None, tell: Callable[[str], None]) -> Table:
    """Let the queue grow, and measure at each length."""
    table = Table("Posted and queued tasks", "queued", FIGURES)
    with House(folder, max_tasks=max(sizes) + len(sizes) * PROBES + 1000) as house:
        queued = 0
        house.start()
        for size in sorted(sizes):
            tell(f"queue of {size:,}")
            with house.client() as client:
                _post(client, size - queued)
                before, began = house.cpu_s(), time.perf_counter()
                _post(client, PROBES)
                took_s, cpu_s = time.perf_counter() - began, house.cpu_s() - before
                stats_ms = house.ask_ms(client, "hulak.stats")
            queued = max(queued, size) + PROBES
            house.stop()
            row = {"size": size, "posts_s": PROBES / took_s, "cpu_us": cpu_s / PROBES * 1e6, "stats_ms": stats_ms}
            table.rows.append(row | {"restart_s": house.start()})
    return table


def _post(client: BusClient, count: int) -> None:
    """Post tasks that nobody carries out."""
    args = (posting("nobody", "nothing", {"number": number}) for number in range(count))
    deque(client.map("hulak.post", "", args, window=WINDOW, timeout_s=ANSWERS_S), maxlen=0)

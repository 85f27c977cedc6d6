"""A growing journal: starting with it, and replaying all ticks, one symbol of 28, and a rare symbol."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import bulk, tick
from benchmarks.scale.broker_process import BrokerProcess
from benchmarks.scale.growth import Figure, Table
from hulak.bus.errors import BusTimeout
from hulak.clients.calls.client import BusClient

FIGURES = (
    Figure("restart_s", "restart s"),
    Figure("all_s", "all from the middle, ticks/s", allowed=None),
    Figure("all_us", "broker CPU us/tick", allowed=0.0, in_s=1e-6),
    Figure("symbol_s", "one symbol of 28, ticks/s", allowed=None),
    Figure("symbol_us", "broker CPU us/tick", allowed=0.0, in_s=1e-6),
    Figure("rare_s", "all of a rare one, s"),
    Figure("last_ms", "hulak.last of all, ms", in_s=1e-3),
)
MIB = 1 << 20
TRIES_S = 4.0  # for a rate
RARE_EVERY = 100_000


def measure(sizes_mib: Sequence[int], folder: Path | None, limit_s: float, log: Callable[[str], None]) -> Table:
    """Grow the journal, and measure at each size; a replay longer than `limit_s` is stopped."""
    table = Table("Journal", "MiB", FIGURES)
    with BrokerProcess(folder) as broker:
        made = bulk.Made()
        for size in sorted(sizes_mib):
            log(f"journal of {size:,} MiB")
            made = bulk.fill(broker.home, broker.settings, size * MIB - made.size, rare_every=RARE_EVERY)
            restart_s = broker.start()
            with broker.client() as client:
                middle, tries_s = made.ticks // 2, min(TRIES_S, limit_s)
                row: dict[str, Any] = {
                    "size": size,
                    "restart_s": restart_s,
                    **_rate(broker, client, "all", "ticks", middle, tries_s),
                    **_rate(broker, client, "symbol", f"tick.{tick.SYMBOLS[3]}*", middle, tries_s),
                    "rare_s": _whole_s(client, f"tick.{bulk.RARE}*", limit_s),
                    "last_ms": broker.call_ms(client, "hulak.last", {"topic": "tick."}),
                }
            broker.stop()
            table.rows.append(row)
    return table


def _replay(client: BusClient, topic: str, first: int, limit_s: float) -> tuple[int, float, bool]:
    """Replay until the end or the limit; returns the ticks, the seconds, and whether it reached the end."""
    rows: list[list[Any]] = []
    began = time.perf_counter()
    following: int | None = first
    with contextlib.suppress(BusTimeout):
        while following is not None and (rest_s := began + limit_s - time.perf_counter()) > 0:
            args = {"topic": topic, "from": following}
            following = client.call("hulak.replay", "", args, timeout_s=rest_s, on_part=rows.append)["next"]
    return sum(map(len, rows)), time.perf_counter() - began, following is None


def _rate(broker: BrokerProcess, client: BusClient, name: str, topic: str, first: int, limit_s: float) -> dict[str, float | None]:
    before = broker.cpu_s()
    ticks, took_s, _ = _replay(client, topic, first, limit_s)
    cpu_us = (broker.cpu_s() - before) / ticks * 1e6 if ticks else None
    return {f"{name}_s": ticks / took_s, f"{name}_us": cpu_us}


def _whole_s(client: BusClient, topic: str, limit_s: float) -> float | None:
    _, took_s, whole = _replay(client, topic, 1, limit_s)
    return took_s if whole else None

"""Listing from a store with very many ended tasks, and starting with it."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.system import BenchmarkError

FIGURES = (
    Figure("newest_ms", "100 newest, ms", in_s=1e-3),
    Figure("dead_ms", "1,000 dead letters, ms", in_s=1e-3),
    Figure("service_ms", "100 of a rare service, ms", in_s=1e-3),
    Figure("start_s", "start s"),
    Figure("post_ms", "a post, ms", in_s=1e-3),
)
DEAD_SHARE = 10  # every tenth row is a dead letter
RARE_SHARE = 5000  # every 5000th row is of another service
STEP_NS = 80_000_000  # between two rows: 12 a second
TEMPLATE = "template"


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Grow the store, and measure at each number of rows."""
    table = Table("Ended tasks that are kept", "rows", FIGURES)
    with BrokerProcess(folder) as broker:
        broker.start()
        with broker.client() as client:
            task = client.post(TEMPLATE, "nothing", {"n": 1})
            client.cancel(task)
        broker.stop()
        kept = 1
        for size in sorted(sizes):
            log(f"{size:,} rows")
            kept += _grow(broker.home / "tasks.db", bytes.fromhex(task), kept, size)
            start_s = broker.start()
            with broker.client() as client:
                row = {
                    "size": size,
                    "newest_ms": broker.call_ms(client, "hulak.tasks", {"limit": 100}),
                    "dead_ms": broker.call_ms(client, "hulak.tasks", {"state": "failed", "limit": 1000}),
                    "service_ms": broker.call_ms(client, "hulak.tasks", {"service": "rare", "limit": 100}),
                    "start_s": start_s,
                    "post_ms": broker.call_ms(client, "hulak.post", {"service": "nobody", "action": "a", "expires_s": 600.0}),
                }
                listed = len(client.call("hulak.tasks", "", {"state": "failed", "limit": 1000}, timeout_s=ANSWERS_S))
            if listed != min(1000, size // DEAD_SHARE):
                raise BenchmarkError(f"{listed} dead letters are listed of {size // DEAD_SHARE}")
            broker.stop()
            table.rows.append(row)
    return table


def _grow(path: Path, task: bytes, kept: int, size: int) -> int:
    """Copy an ended task's row until there are `size` rows; returns the number of added rows.

    Independent of the columns: only those that must differ are set.
    """
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(tasks)")]
        other = {
            "id": "randomblob(16)",
            "key": "NULL",
            "posted_ns": "t.posted_ns - n.n * :step",
            "ended_ns": "t.ended_ns - n.n * :step",
            "state": "CASE WHEN n.n % :dead = 0 THEN 'failed' ELSE 'done' END",
            "service": "CASE WHEN n.n % :rare = 1 THEN 'rare' ELSE t.service END",
        }
        made = ", ".join(other.get(column, f"t.{column}") for column in columns)
        connection.execute(
            "WITH RECURSIVE n(n) AS (SELECT :kept UNION ALL SELECT n + 1 FROM n WHERE n < :size)"  # noqa: S608 - columns
            f" INSERT INTO tasks ({', '.join(columns)}) SELECT {made} FROM n, tasks t WHERE t.id = :task",
            {"kept": kept, "size": size, "step": STEP_NS, "task": task, "dead": DEAD_SHARE, "rare": RARE_SHARE},
        )
        connection.commit()
    return size - kept + 1

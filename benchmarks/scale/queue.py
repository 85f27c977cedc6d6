"""A growing queue of posted tasks: the cost of one more, of listing, and of doing nothing; beside JetStream."""

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.scale import nats_server
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.nats_server import NatsServer
from hulak.clients.calls.client import BusClient
from hulak.clients.calls.posted_tasks import posting

FIGURES = (
    Figure("idle_ms", "idle, CPU ms/s", allowed=0.0, in_s=1e-3),
    Figure("posts_s", "posts/s", allowed=None),
    Figure("cpu_us", "a post, CPU us", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", allowed=0.0, in_s=1e-3),
    Figure("list_ms", "100 newest, ms", allowed=0.0, in_s=1e-3),
    Figure("restart_s", "restart, CPU s"),
    Figure("rss_mb", "MB"),
    Figure("nats_us", "JetStream, a message, CPU us", allowed=0.0, in_s=1e-6, peer=True),
    Figure("nats_restart_s", "JetStream, restart, CPU s", peer=True),
)
PROBES = 3000  # posts measured at each length, the last ones of it
WINDOW = 500
MOST = 1_000_000  # tasks, the largest value of `max_tasks`
MOST_BYTES = 1 << 32
SUBJECT = b"task.nobody"


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Grow the queue, and measure at each length."""
    table = Table("Posted and queued tasks", "queued", FIGURES)
    with BrokerProcess(folder, max_tasks=MOST, max_task_bytes=MOST_BYTES) as broker:
        queued = 0
        for size in sorted(sizes):
            log(f"queue of {size:,}")
            probes = min(PROBES, size)
            if size - probes > queued:
                queued += _copy(broker, size - probes - queued)
            row: dict[str, Any] = {"size": size, "restart_s": broker.start_cpu_s()}
            with broker.client() as client:
                row["idle_ms"] = broker.idle_ms()
                before, began = broker.cpu_s(), time.perf_counter()
                _post(client, probes)
                row["posts_s"] = probes / (time.perf_counter() - began)
                row["cpu_us"] = (broker.cpu_s() - before) / probes * 1e6
                row["stats_ms"] = broker.call_ms(client, "hulak.stats")
                row["list_ms"] = broker.call_ms(client, "hulak.tasks", {"limit": 100})
            row["rss_mb"] = broker.rss_mb()
            queued += probes
            broker.stop()
            table.rows.append(row)
    if nats_server.is_installed():
        _measure_nats(table, folder)
    return table


def _post(client: BusClient, count: int) -> None:
    """Post tasks of a service without workers."""
    args = (posting("nobody", "nothing", {"number": number}) for number in range(count))
    deque(client.map("hulak.post", "", args, window=WINDOW, timeout_s=ANSWERS_S), maxlen=0)


def _copy(broker: BrokerProcess, count: int) -> int:
    """Add tasks to the store of a broker that does not run, as copies of a posted one; returns their number."""
    broker.start()
    with broker.client() as client:
        task = client.post("nobody", "nothing", {"number": 1})
    broker.stop()
    with contextlib.closing(sqlite3.connect(broker.home / "tasks.db")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(tasks)")]
        made = ", ".join({"id": "randomblob(16)", "key": "NULL"}.get(column, f"t.{column}") for column in columns)
        connection.execute(
            "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < :count)"  # noqa: S608 - columns
            f" INSERT INTO tasks ({', '.join(columns)}) SELECT {made} FROM n, tasks t WHERE t.id = :task",
            {"count": count, "task": bytes.fromhex(task)},
        )
        connection.commit()
    return count


def _measure_nats(table: Table, folder: Path | None) -> None:
    """Measure a stream of as many messages at each length; its messages have the size of the tasks' arguments."""
    body = b"\x81\xa6number\xcd\x03\xe8"
    with NatsServer(folder) as server:
        held = 0
        server.start()
        with server.connect() as connection:
            connection.make_stream("task.>")
        for row in table.rows:
            with server.connect() as connection:
                probes = min(PROBES, row["size"])
                fill = max(0, row["size"] - probes - held)
                held += connection.publish_acknowledged((SUBJECT, body) for _ in range(fill))
                before = server.cpu_s()
                held += connection.publish_acknowledged((SUBJECT, body) for _ in range(probes))
                row["nats_us"] = (server.cpu_s() - before) / probes * 1e6
            server.stop()
            row["nats_restart_s"] = server.start()

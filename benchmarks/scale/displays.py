"""A growing number of displays, of which a constant number gets ticks: the costs of the broker and of the display worker."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from benchmarks import machine
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.subscribers import receive
from benchmarks.system import BenchmarkError
from hulak.bus.process import sockets
from hulak.bus.wire.codec import feed_frame, pack_tick
from hulak.bus.wire.messages import FIRST_MS, Tick
from hulak.clients.calls.client import BusClient
from hulak.clients.displays.client import DisplayClient

FIGURES = (
    Figure("create_ms", "a creation, broker CPU ms", allowed=0.0, in_s=1e-3),
    Figure("idle_ms", "idle, broker CPU ms/s", allowed=0.0, in_s=1e-3),
    Figure("worker_idle_ms", "worker CPU ms/s", allowed=0.0, in_s=1e-3),
    Figure("tick_us", "a tick, broker CPU us", allowed=0.0, in_s=1e-6),
    Figure("worker_tick_us", "worker CPU us", allowed=0.0, in_s=1e-6),
    Figure("stats_ms", "hulak.stats ms", in_s=1e-3),
    Figure("restart_s", "restart, CPU s"),
    Figure("rss_mb", "broker MB"),
    Figure("worker_rss_mb", "worker MB"),
)
TICKING = 24  # displays that get ticks
PROBES = 2400  # ticks of a measurement
PACE_S = 0.06  # between two turns of a tick of each ticking display: 400 ticks a second
CALM_S = 2.0  # after a change, before idle costs are measured


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Measure each number of displays."""
    table = Table("Displays, of which 24 get ticks", "displays", FIGURES)
    for size in sorted(sizes):
        log(f"{size:,} displays")
        with BrokerProcess(folder) as broker:
            broker.start()
            table.rows.append({"size": size, **_measure_size(broker, size)})
    return table


def _symbols(size: int) -> list[str]:
    return [f"S{number:05d}" for number in range(size)]


def _measure_size(broker: BrokerProcess, size: int) -> dict[str, float]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    variables = {"HULAK_HOME": str(broker.home), "SUPERVISOR_PROCESS_NAME": "display_00"}
    worker = machine.start(machine.python("hulak.workers", "display"), broker.home / "worker.log", variables)
    try:
        with broker.client() as client, DisplayClient(broker.settings, broker.home, timeout_s=ANSWERS_S) as displays:
            _wait_for(lambda: _count(client, "workers") == 1, "the worker")
            before = broker.cpu_s()
            for symbol in _symbols(size):
                displays.create_worker_for_symbol(symbol, symbol)
            row = {"create_ms": (broker.cpu_s() - before) / size * 1000}
            _wait_for(lambda: _count(client, "assigned") == size, "the displays")
            _wait_for(lambda: _count(client, "states") >= size, "a state of each display")
            time.sleep(CALM_S)
            before, began = machine.cpu_clock_s(worker.pid), time.monotonic()
            row["idle_ms"] = broker.idle_ms()
            row["worker_idle_ms"] = (machine.cpu_clock_s(worker.pid) - before) / (time.monotonic() - began) * 1000
            feed = sockets.make(context, zmq.XPUB, sndhwm=0)
            feed.connect(broker.addresses["collector"])
            receive(feed)
            before, worker_before = broker.cpu_s(), machine.cpu_clock_s(worker.pid)
            _feed(feed)
            time.sleep(CALM_S / 4)
            row["tick_us"] = (broker.cpu_s() - before) / PROBES * 1e6
            row["worker_tick_us"] = (machine.cpu_clock_s(worker.pid) - worker_before) / PROBES * 1e6
            row["stats_ms"] = broker.call_ms(client, "hulak.stats")
            row["rss_mb"], row["worker_rss_mb"] = broker.rss_mb(), machine.rss_bytes([worker.pid]) / 1e6
        broker.stop()
        row["restart_s"] = broker.start_cpu_s()
        return row
    finally:
        context.destroy(linger=0)
        machine.end(worker)


def _count(client: BusClient, name: str) -> int:
    return int(client.call("hulak.stats", timeout_s=ANSWERS_S)["displays"][name])


def _feed(feed: "zmq.Socket[bytes]") -> None:
    """Send ticks of the ticking displays, at a constant pace."""
    began, symbols = time.monotonic(), _symbols(TICKING)
    for turn in range(PROBES // TICKING):
        time.sleep(max(0.0, began + turn * PACE_S - time.monotonic()))
        for symbol in symbols:
            bid, now_ns = 1.1 + turn % 7 / 1e4, time.time_ns()
            body = pack_tick(Tick(symbol, bid, bid + 1e-4, FIRST_MS + turn, "bench", (), now_ns))
            feed.send(feed_frame(symbol, 0, 0, now_ns, body))


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    try:
        machine.wait_for(condition, ANSWERS_S, what)
    except TimeoutError as error:
        raise BenchmarkError(str(error)) from error

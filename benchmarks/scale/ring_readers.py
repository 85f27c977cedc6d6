"""A growing number of readers of the ring, at 1,000 ticks a second: the broker's cost of a tick, and the readers' own.

The readers are threads of one program in C, which sleep, wake each other and copy as PROTOCOL.md section 13 says: hundreds of
readers in Python would need more cores than the machine has, and their wait would be measured. The feed is the real one.

One broker has all numbers of readers in turns, several times: the machine differs more from minute to minute than the numbers do.
Readers give way to the broker, so that it writes each tick at once, and cores are kept busy: else both would hide a growth.
"""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from benchmarks import machine
from benchmarks.budget import spent
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.system import BenchmarkError
from benchmarks.systems.hulak import FeedPublisher
from hulak.bus.broker.tick_ring import TickRing
from hulak.bus.wire.codec import encode_publication
from hulak.bus.wire.messages import Stamp
from hulak.clients.calls.client import BusClient

FIGURES = (
    Figure("write_us", "a record written, CPU us", allowed=0.0, in_s=1e-6),
    Figure("tick_us", "a tick, broker CPU us", allowed=0.0, in_s=1e-6),
    Figure("beside", "x that of the fewest", allowed=None),  # the median of the rounds' ratios
    Figure("main_us", "its loop", allowed=None),
    Figure("libzmq_us", "its libzmq", allowed=None),
    Figure("other_us", "its journal and store", allowed=None),
    Figure("ticks_each", "ticks of a record", allowed=None),  # above 1 where the broker was late: a tick then costs less
    Figure("delivery_us", "a record, CPU us of each reader", allowed=None),
)
THREADS = ("main", "libzmq", "other")
SOURCE = Path(__file__).with_suffix(".c")
RATE = 1000  # ticks per second
PROBES = 4000  # ticks of a measurement
ROUNDS = 8
SETTLE_S = 0.5
RING_BYTES = 1 << 22
RECORD = encode_publication(b"heartbeat", Stamp(1, 1, 1), b"\x80")


def measure(sizes: Sequence[int], folder: Path | None, log: Callable[[str], None]) -> Table:
    """Measure each number of readers; without a C compiler the table stays empty."""
    table = Table(f"Readers of the ring, at {RATE:,} ticks/s", "readers", FIGURES)
    compiler = shutil.which("cc")
    if compiler is None:
        log("ring readers: skipped: there is no C compiler (cc) to build the readers")
        return table
    rounds: list[list[dict[str, float]]] = []
    with machine.warm_cores(), BrokerProcess(folder) as broker:
        program = broker.home / "ring_readers"
        subprocess.run([compiler, "-O2", "-pthread", "-o", program, SOURCE], check=True)  # noqa: S603 - our own source
        broker.start()
        with broker.client() as client:
            feed = FeedPublisher(broker.settings, broker.home)
            try:
                for number in range(ROUNDS):
                    log(f"readers of the ring: round {number + 1} of {ROUNDS}")
                    rounds.append([_measure_size(broker, client, feed, program, size) for size in sorted(sizes)])
            finally:
                feed.close()
    table.rows += medians(rounds)
    return table


def medians(rounds: Sequence[Sequence[dict[str, float]]]) -> list[dict[str, Any]]:
    """Return a row for each size, with the medians over rounds; each round has the sizes in the same order. Pure."""
    rows = []
    for at, first in enumerate(rounds[0]):
        row: dict[str, Any] = {name: statistics.median(some[at][name] for some in rounds) for name in first}
        rows.append({**row, "beside": statistics.median(some[at]["tick_us"] / some[0]["tick_us"] for some in rounds)})
    return rows


def _measure_size(broker: BrokerProcess, client: BusClient, feed: FeedPublisher, program: Path, size: int) -> dict[str, float]:
    return {
        "size": size,
        "write_us": _measure_write(broker.home, program, size),
        **_measure_ticks(broker, client, feed, program, size),
    }


def _measure_write(home: Path, program: Path, size: int) -> float:
    """Return the median CPU time of writing a record and waking readers, in this process: no other work is in it."""
    ring = TickRing.make(RING_BYTES, 1, home, structlog.get_logger())
    if ring is None:
        raise BenchmarkError("this machine has no ring: see PROTOCOL.md section 13")
    try:
        took = []
        with _readers(program, ring.place()["path"], size) as readers:
            for _ in _paced():
                before = time.thread_time_ns()
                ring.write(RECORD)
                took.append(time.thread_time_ns() - before)
            time.sleep(SETTLE_S)
            slowest, _ = _counts(readers)
        if slowest != PROBES:
            raise BenchmarkError(f"a reader has {slowest:,} of {PROBES:,} records")
        return statistics.median(took) / 1000
    finally:
        ring.close()


def _measure_ticks(broker: BrokerProcess, client: BusClient, feed: FeedPublisher, program: Path, size: int) -> dict[str, float]:
    """Return the broker's cost of a tick, by kind of thread, while readers follow; the feed is confirmed meanwhile."""
    assert broker.process is not None
    stats = client.call("hulak.stats", timeout_s=ANSWERS_S)
    if not stats["ring"]:
        raise BenchmarkError("the broker has no ring: see its log")
    with _readers(program, stats["ring"]["path"], size) as readers:
        before, readers_before = spent(broker.process.pid), machine.cpu_clock_s(readers.pid)
        for number in _paced():
            feed.send(number)
            feed.flush()
        after, readers_s = spent(broker.process.pid), machine.cpu_clock_s(readers.pid) - readers_before
        time.sleep(SETTLE_S)
        taken = client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["taken"] - stats["ticks"]["taken"]
        slowest, fastest = _counts(readers)
    if taken != PROBES or not slowest or slowest != fastest:
        raise BenchmarkError(f"{taken:,} of {PROBES:,} ticks were taken; readers have {slowest:,} to {fastest:,} records")
    threads = {f"{kind}_us": after[kind].since(before[kind]).cpu_ns / PROBES / 1e3 for kind in THREADS}
    return {
        "tick_us": sum(threads.values()),
        **threads,
        "ticks_each": PROBES / slowest,
        "delivery_us": readers_s / (slowest * size) * 1e6,
    }


@contextmanager
def _readers(program: Path, ring: str, size: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the readers; they end with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [program, ring, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise BenchmarkError("the readers of the ring did not start")
        yield process
    finally:
        machine.end(process)


def _counts(readers: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """End the readers; returns how many records the slowest and the fastest have."""
    last = readers.communicate(timeout=ANSWERS_S)[0].split()
    if len(last) != 2:
        raise BenchmarkError("the readers of the ring ended early")
    return int(last[0]), int(last[1])


def _paced() -> Iterator[int]:
    """Yield the number of each tick when it is due."""
    machine.fine_timers()
    began = time.monotonic()
    for number in range(1, PROBES + 1):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        yield number

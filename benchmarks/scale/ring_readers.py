"""A growing number of readers of the ring, at 1,000 ticks a second: the broker's cost of a tick, and the readers' own.

The readers are threads of one program in C, which sleep, wake each other and copy as PROTOCOL.md section 13 says: hundreds of
readers in Python would need more cores than the machine has, and their wait would be measured.
"""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
import zmq

from benchmarks import machine, tick
from benchmarks.scale.broker_process import ANSWERS_S, BrokerProcess
from benchmarks.scale.growth import Figure, Table
from benchmarks.scale.subscribers import receive
from benchmarks.system import BenchmarkError
from hulak.bus.broker.tick_ring import TickRing
from hulak.bus.process import sockets
from hulak.bus.wire.codec import encode_publication, feed_frame
from hulak.bus.wire.messages import Stamp

FIGURES = (
    Figure("write_us", "a record written, CPU us", allowed=0.0, in_s=1e-6),
    Figure("tick_us", "a tick, broker CPU us", allowed=0.0, in_s=1e-6),
    Figure("ticks_each", "ticks of a record", allowed=None),  # above 1 where the broker was late: a tick then costs less
    Figure("delivery_us", "a record, CPU us of each reader", allowed=None),
)
SOURCE = Path(__file__).with_suffix(".c")
RATE = 1000  # ticks per second
PROBES = 4000  # ticks of a measurement
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
    for size in sorted(sizes):
        log(f"{size:,} readers of the ring")
        with BrokerProcess(folder) as broker:
            program = broker.home / "ring_readers"
            subprocess.run([compiler, "-O2", "-pthread", "-o", program, SOURCE], check=True)  # noqa: S603 - our own source
            write_us = _measure_write(broker.home, program, size)
            broker.start()
            table.rows.append({"size": size, "write_us": write_us, **_measure_size(broker, program, size)})
    return table


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


def _measure_size(broker: BrokerProcess, program: Path, size: int) -> dict[str, float]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with broker.client() as client:
            ring = client.call("hulak.stats", timeout_s=ANSWERS_S)["ring"]
            if not ring:
                raise BenchmarkError("the broker has no ring: see its log")
            feed = sockets.make(context, zmq.XPUB, sndhwm=0)
            feed.connect(broker.addresses["collector"])
            receive(feed)
            with _readers(program, ring["path"], size) as readers:
                before, readers_before = broker.cpu_s(), machine.cpu_clock_s(readers.pid)
                _feed(feed)
                cpu_s, readers_s = broker.cpu_s() - before, machine.cpu_clock_s(readers.pid) - readers_before
                time.sleep(SETTLE_S)
                taken = client.call("hulak.stats", timeout_s=ANSWERS_S)["ticks"]["taken"]
                slowest, fastest = _counts(readers)
        if taken != PROBES or not slowest or fastest - slowest > fastest // 100:
            raise BenchmarkError(f"{taken:,} of {PROBES:,} ticks were taken; readers have {slowest:,} to {fastest:,} records")
        return {
            "tick_us": cpu_s / PROBES * 1e6,
            "ticks_each": PROBES / slowest,
            "delivery_us": readers_s / (slowest * size) * 1e6,
        }
    finally:
        context.destroy(linger=0)


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


def _feed(feed: "zmq.Socket[bytes]") -> None:
    """Send the ticks at a constant pace, each as a message."""
    for number in _paced():
        feed.send(feed_frame(tick.SYMBOLS[number % tick.KINDS], 0, 0, time.time_ns(), tick.encode(number)))

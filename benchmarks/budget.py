"""Where the time of a tick goes, from a feed's call to the decoded tick: the hops, and the work of each thread for one tick.

One tick at a time crosses three processes and the threads of libzmq in each. At a low rate little of its time is computation:
each thread that hands it on must be woken, and must then get a core. So the figures are, for each kind of thread, the times that
it was woken, its CPU time and its time in the queue of a core, all from /proc. `python -m benchmarks.budget JSON` is a subscriber
process.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import zmq

from benchmarks import machine, tick
from benchmarks.figures import markdown, percentile
from benchmarks.system import SETTLES_S, BenchmarkError, Place
from benchmarks.systems.hulak import FeedPublisher, Hulak
from hulak.bus.process import load_settings
from hulak.clients.subscriber import Subscriber

WAYS: dict[str, tuple[Literal["ring", "socket"], str]] = {
    "ring": ("ring", "ticks"),
    "ring-symbols": ("ring", "tick."),
    "socket": ("socket", "ticks"),
    "socket-symbols": ("socket", "tick."),
}
WARM_UP_S = 1.0
WAIT_S = 0.05  # of a subscriber, before it looks whether the run is over
IO_THREAD = "ZMQbg/IO"  # libzmq's name of its I/O threads


class Spent(NamedTuple):
    """The work of threads since they began."""

    wakes: int = 0  # voluntary context switches: each is a sleep, and a wake-up
    cpu_ns: int = 0
    queued_ns: int = 0  # runnable, without a core

    def __add__(self, other: Any) -> "Spent":
        return Spent(*(value + further for value, further in zip(self, other, strict=True)))

    def since(self, before: "Spent") -> "Spent":
        """Return the difference to an earlier reading."""
        return Spent(*(value - earlier for value, earlier in zip(self, before, strict=True)))


def read_spent(status: str, schedstat: str) -> Spent:
    """Read the work of a thread from the texts of its files in /proc: `status`, `schedstat`."""
    cpu_ns, queued_ns, _ = map(int, schedstat.split())
    wakes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt_switches:"))
    return Spent(wakes, cpu_ns, queued_ns)


def spent(pid: int) -> dict[str, Spent]:
    """Return the work of a process, by kind of thread: `main`, `libzmq`, `other`."""
    total = {"main": Spent(), "libzmq": Spent(), "other": Spent()}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        kind = "main" if thread.name == str(pid) else "libzmq" if _name(thread).startswith(IO_THREAD) else "other"
        total[kind] += read_spent((thread / "status").read_text(), (thread / "schedstat").read_text())
    return total


def _name(thread: Path) -> str:
    return (thread / "comm").read_text().strip()


def hops_us(pairs: Iterable[tuple[int, int]]) -> dict[str, float]:
    """Summarise the hops of many deliveries.

    Args:
        pairs: of each delivery, in ns: from the feed's call to the decoded tick, and of that from the broker's stamp on.
    Returns:
        p50 and p99 of `to_broker` (call to stamp), `from_broker` (stamp to decoded tick) and `whole`, in microseconds.
    """
    listed = list(pairs)
    columns = {
        "to_broker": sorted(whole - behind for whole, behind in listed),
        "from_broker": sorted(behind for _, behind in listed),
        "whole": sorted(whole for whole, _ in listed),
    }
    return {f"{name}_p{part}": percentile(values, part / 100) / 1e3 for name, values in columns.items() for part in (50, 99)}


# The run


def measure(
    ways: Iterable[str], rate: int, seconds: float, subscribers: int, processes: int, log: Callable[[str], object]
) -> dict[str, Any]:
    """Measure each way of a tick.

    Args:
        ways: of `WAYS`.
        rate: ticks per second.
        seconds: of each way.
        subscribers: in all, spread over `processes`.
        processes: of subscribers.
        log: receives a line for each way.
    Returns:
        `hops`: a row per way; `threads`: a row per way and kind of thread, figures per tick; of all subscribers, too.
    """
    hops, threads = [], []
    for way in ways:
        folder = Path(tempfile.mkdtemp(prefix="hb-"))
        try:
            hop, rows = _one(way, folder, rate, seconds, subscribers, processes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        hops.append({"way": way, **hop})
        threads += [{"way": way, **row} for row in rows]
        log(f"{way}: p50 {hop['whole_p50']:,.0f} us, p99 {hop['whole_p99']:,.0f} us")
    return {"hops": hops, "threads": threads}


def _one(
    way: str, folder: Path, rate: int, seconds: float, subscribers: int, processes: int
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    system = Hulak(Place.make(folder), ipc=True)
    readers: list[subprocess.Popen[bytes]] = []
    try:
        system.start()
        for number in range(processes):
            share = subscribers // processes + (number < subscribers % processes)
            readers.append(_start_reader(system, way, number, share, seconds))
        for number in range(processes):
            machine.wait_for(folder.joinpath(f"ready{number}").exists, SETTLES_S, "the subscribers")
        groups = {"broker": [system.processes[0].pid], "subscribers": [reader.pid for reader in readers]}
        before, noise = spent_by(groups), machine.Noise([*groups["broker"], *groups["subscribers"]])
        count = _post(system, rate, seconds)
        after, sample = spent_by(groups), noise.sample()
        pairs: list[tuple[int, int]] = []
        for number, reader in enumerate(readers):
            if reader.wait(SETTLES_S):
                raise BenchmarkError(f"a subscriber failed: {folder.joinpath(f'reader{number}.log').read_text()[-500:]}")
            pairs += json.loads(folder.joinpath(f"hops{number}").read_text())
    finally:
        for reader in readers:
            machine.end(reader)
        system.stop()
    return {**hops_us(pairs), **sample, "deliveries": len(pairs)}, thread_rows(before, after, count)


def _start_reader(system: Hulak, way: str, number: int, share: int, seconds: float) -> "subprocess.Popen[bytes]":
    folder = Path(system.place.folder)
    given = {"folder": str(folder), "way": way, "number": number, "subscribers": share, "seconds": seconds + WARM_UP_S}
    return machine.start(machine.python("benchmarks.budget", json.dumps(given)), folder / f"reader{number}.log")


def spent_by(groups: Mapping[str, Iterable[int]]) -> dict[tuple[str, str], Spent]:
    """Return the work of groups of processes, by group and kind of thread."""
    total: dict[tuple[str, str], Spent] = {}
    for group, pids in groups.items():
        for pid in pids:
            for kind, figures in spent(pid).items():
                total[group, kind] = total.get((group, kind), Spent()) + figures
    return total


def thread_rows(
    before: Mapping[tuple[str, str], Spent], after: Mapping[tuple[str, str], Spent], ticks: int
) -> list[dict[str, Any]]:
    """Return the work of each kind of thread for one tick; kinds that did nothing are left out."""
    rows = []
    for (group, kind), figures in after.items():
        wakes, cpu_ns, queued_ns = figures.since(before.get((group, kind), Spent()))
        if wakes or cpu_ns:
            row = {"wakes": wakes / ticks, "cpu_us": cpu_ns / ticks / 1e3, "queued_us": queued_ns / ticks / 1e3}
            rows.append({"process": group, "thread": kind, **row})
    return rows


def _post(system: Hulak, rate: int, seconds: float) -> int:
    """Post ticks at a rate, and return how many."""
    feed = FeedPublisher(system.settings(), system.seen_from)
    count, began = int(rate * seconds), time.monotonic()
    try:
        for number in range(1, count + 1):
            feed.send(number)
            feed.flush()
            left_s = began + number / rate - time.monotonic()
            if left_s > 0:
                time.sleep(left_s)
    finally:
        feed.close()
    return count


# A subscriber process


def read(folder: Path, way: str, number: int, subscribers: int, seconds: float) -> None:
    """Read ticks for some seconds, and write the hops of each to a file."""
    transport, topic = WAYS[way]
    settings = load_settings.load(folder, folder / "hulak.toml")
    given: dict[str, Any] = {"settings": settings, "home": folder, "timeout_s": SETTLES_S, "transport": transport}
    several = [Subscriber(topic, **given) for _ in range(subscribers)]
    for subscriber in several:
        subscriber.wait_until_subscribed(SETTLES_S)
    (folder / f"ready{number}").touch()
    pairs: list[tuple[int, int]] = []
    until = time.monotonic() + seconds
    wait = _waits_for_ring(several) if transport == "ring" else _polls(several)
    while time.monotonic() < until:
        for subscriber, wait_s in wait():
            while (event := subscriber.poll(wait_s)) is not None:
                whole_ns = tick.age_ns(event.body["timestamp"])
                pairs.append((whole_ns, time.time_ns() - event.stamp.time_ns))
                wait_s = 0
    (folder / f"hops{number}").write_text(json.dumps(pairs))


def _waits_for_ring(several: list[Subscriber]) -> Callable[[], list[tuple[Subscriber, float]]]:
    """Wait in the first one: a record that wakes it is in the ring for all."""
    turns = [(subscriber, 0.0 if number else WAIT_S) for number, subscriber in enumerate(several)]
    return lambda: turns


def _polls(several: list[Subscriber]) -> Callable[[], list[tuple[Subscriber, float]]]:
    poller, whose = zmq.Poller(), {}
    for subscriber in several:
        for socket in subscriber.sockets():
            poller.register(socket, zmq.POLLIN)
            whose[socket] = subscriber
    return lambda: [(whose[socket], 0.0) for socket, _ in poller.poll(int(WAIT_S * 1000))]


# The report


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    hops = {
        "way": "way",
        "to_broker_p50": "call to number, p50 us",
        "to_broker_p99": "p99",
        "from_broker_p50": "number to decoded, p50 us",
        "from_broker_p99": "p99",
        "whole_p50": "whole, p50 us",
        "whole_p99": "p99",
        "foreign": "foreign cores",
    }
    threads = {
        "way": "way",
        "process": "process",
        "thread": "thread",
        "wakes": "wake-ups per tick",
        "cpu_us": "CPU us per tick",
        "queued_us": "waiting for a core, us per tick",
    }
    return f"{markdown(result['hops'], hops)}\n\n{markdown(result['threads'], threads)}"


if __name__ == "__main__":
    machine.end_with_parent()
    words = json.loads(sys.argv[1])
    read(Path(words["folder"]), words["way"], words["number"], words["subscribers"], words["seconds"])

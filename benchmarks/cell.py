"""One cell: one system, one publisher, N consumers in P processes, and phases of load on it."""

import array
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks import board, machine
from benchmarks.board import Board
from benchmarks.system import SETTLES_S, BenchmarkError, Place, System
from benchmarks.systems import SYSTEMS

WINDOW = 4096  # maximum of ticks that a blast is ahead of the slowest consumer
SETTLE_S = 0.25  # begin of a phase that is not measured
STILL_S = 1.5  # without progress for this long, missing ticks count as lost


@dataclass(frozen=True)
class Phase:
    """A load, and the duration of its measurement."""

    name: str
    seconds: float
    rate: int = 0  # ticks/s; 0: the highest rate without loss
    keep: bool = False  # record the latency of each tick


@dataclass
class Measured:
    """The measurements of one cell: a row for each phase, and the consumers' reports."""

    system: str
    consumers: int
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: list[dict[str, int]] = field(default_factory=list)  # by consumer: first, last, lost, twice, kept_from
    latencies: list["array.array[int]"] = field(default_factory=list)  # by consumer, ns, -1 for a lost tick
    sent: list[dict[str, Any]] = field(default_factory=list)  # by phase of the publisher

    def lost(self) -> int:
        """Return the number of lost ticks, summed over phases and consumers."""
        return sum(int(row["lost"]) for row in self.phases.values())


class Cell:
    """Runs while its context is entered.

    Args:
        system: by name.
        consumers: their number, each with its own connection.
        processes: number of processes with the consumers.
        folder: for its files; on a real disk.
    """

    def __init__(self, system: str, consumers: int, processes: int, folder: Path | None = None) -> None:
        self.system, self.consumers, self.count = system, consumers, min(processes, consumers)
        self.home = Path(tempfile.mkdtemp(prefix="hb-", dir=folder))
        memory = Path("/dev/shm")  # noqa: S108 - tmpfs: a file that is only shared memory
        self.board_path = (memory if memory.is_dir() else self.home) / f"{self.home.name}.board"
        self.board = Board(self.board_path, create=True)
        self.slots = self.board.slots
        self.slots[board.CONSUMERS] = consumers
        self.place = Place.make(self.home)
        self.under_test: System = SYSTEMS[system](self.place)
        self.children: list[subprocess.Popen[bytes]] = []
        self.measured = Measured(system, consumers)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop every process and remove every file."""
        self.slots[board.KIND], self.slots[board.STOP] = board.QUIT, 1
        for process in self.children:
            machine.end(process)
        self.under_test.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        self.board_path.unlink(missing_ok=True)

    def _start(self) -> None:
        self.under_test.start()
        parameters = {"system": self.system, "place": self.place.as_dict(), "board": str(self.board_path)}
        self._spawn("publisher", "publisher", parameters)
        first = 0
        for at in range(self.count):
            count = self.consumers // self.count + (at < self.consumers % self.count)
            self._spawn("consumers", f"consumers{at}", {**parameters, "first": first, "count": count})
            first += count
        self._wait(self.board.all_ready, "publisher and consumers to be ready")
        self._begin(Phase("warm-up", 0, rate=300))
        self._wait(lambda: self.board.slowest() > 0, "the first tick at every consumer")
        time.sleep(0.4)
        self._pause()

    def _spawn(self, role: str, name: str, parameters: dict[str, Any]) -> None:
        words = machine.python("benchmarks.roles", role, json.dumps(parameters))
        self.children.append(machine.start(words, self.home / f"{name}.log"))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SETTLES_S
        while not condition():
            for process in [*self.children, *self.under_test.processes]:
                if process.poll() is not None:
                    raise BenchmarkError(f"{self.system}: a process ended while waiting for {what}: {self._logs()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{self.system}: waited {SETTLES_S:g} s for {what}: {self._logs()}")
            time.sleep(0.01)

    def _logs(self) -> str:
        return " ".join(file.read_text(errors="replace")[-600:] for file in sorted(self.home.glob("*.log"))) or "no log"

    # Phases

    def _begin(self, phase: Phase) -> None:
        slots = self.slots
        slots[board.BEHIND], slots[board.KEEP] = 0, int(phase.keep)
        slots[board.RATE], slots[board.WINDOW] = phase.rate, WINDOW
        slots[board.KIND] = board.PACED if phase.rate else board.BLAST
        slots[board.PHASE] += 1

    def _pause(self) -> bool:
        """Stop posting and wait for ticks in flight; returns whether all arrived."""
        self.slots[board.KIND] = board.IDLE
        self.slots[board.PHASE] += 1
        time.sleep(0.05)
        before, since = -1, time.monotonic()
        while self.board.slowest() < self.slots[board.SENT]:
            arrived = sum(self.board.progress())
            if arrived != before:
                before, since = arrived, time.monotonic()
            elif time.monotonic() - since > STILL_S:
                return False
            time.sleep(0.002)
        return True

    def processes(self) -> dict[str, list[int]]:
        """Return the processes' ids by role: broker, publisher, consumers."""
        broker = [pid for process in self.under_test.processes for pid in machine.family(process.pid)]
        return {"broker": broker, "publisher": [self.children[0].pid], "consumers": [child.pid for child in self.children[1:]]}

    def run(self, phase: Phase, each: Callable[[], None] | None = None) -> dict[str, Any]:
        """Apply a load, and measure its middle.

        Args:
            each: called about every second during the measurement.
        Returns:
            ticks_s (of the slowest consumer), deliveries_s, lost, behind, arrived, foreign, steal_pct, and for each role
            cpu_<role> (cores), cpu_us (per delivery, of all processes) and broker_us (of the broker).
        """
        before_lost, roles = self.board.lost(), self.processes()
        self._begin(phase)
        number = self.slots[board.PHASE]
        time.sleep(SETTLE_S)
        noise = machine.Noise([pid for pids in roles.values() for pid in pids])
        before, cpu, at = self.board.progress(), {role: machine.cpu_s(pids) for role, pids in roles.items()}, time.monotonic()
        while (rest_s := phase.seconds - (time.monotonic() - at)) > 0:
            time.sleep(min(1.0, rest_s))
            if each is not None:
                each()
        over_s, after = time.monotonic() - at, self.board.progress()
        used = {role: machine.cpu_s(pids) - cpu[role] for role, pids in roles.items()}
        row: dict[str, Any] = {"phase": number, **noise.sample(), "behind": bool(self.slots[board.BEHIND])}
        row["arrived"] = self._pause()
        received = [last - first for first, last in zip(before, after, strict=True)]
        row |= {
            "ticks_s": min(received) / over_s,
            "deliveries_s": sum(received) / over_s,
            "lost": self.board.lost() - before_lost,
        }
        row |= {f"cpu_{role}": round(cpu_s / over_s, 3) for role, cpu_s in used.items()}
        if sum(received):
            row["cpu_us"] = sum(used.values()) / sum(received) * 1e6
            row["broker_us"] = used["broker"] / sum(received) * 1e6
        row["broker_rss_mb"] = machine.rss_bytes(roles["broker"]) / 1e6
        self.measured.phases[phase.name] = row
        return row

    def finish(self) -> Measured:
        """Stop publisher and consumers and collect their reports."""
        self.slots[board.KIND] = board.QUIT
        self.slots[board.PHASE] += 1
        self.children[0].wait(SETTLES_S)
        self.slots[board.STOP] = 1
        for process in self.children[1:]:
            process.wait(SETTLES_S)
        measured = self.measured
        with contextlib.suppress(FileNotFoundError):  # a failed role has its error in its log
            measured.sent = json.loads((self.home / "publisher.json").read_text())
            for file in self.home.glob("consumers*.json"):
                measured.received += json.loads(file.read_text())
            measured.received.sort(key=lambda report: report["at"])
            measured.latencies = [_read(self.home / f"latency{report['at']}") for report in measured.received]
        if len(measured.received) != self.consumers:
            raise BenchmarkError(f"{self.system}: a process failed: {self._logs()}")
        return measured


def _read(path: Path) -> "array.array[int]":
    values = array.array("q")
    values.frombytes(path.read_bytes())
    return values


def available(names: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each system, and why it cannot run here; None if it can.

    Raises:
        BenchmarkError: a system is unknown.
    """
    for name in names:
        if name not in SYSTEMS:
            raise BenchmarkError(f"system {name!r} is unknown, must be one of {', '.join(SYSTEMS)}")
        yield name, SYSTEMS[name](Place("", (0, 0, 0, 0))).missing()

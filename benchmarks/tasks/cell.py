"""One cell: one task queue with W workers, one client, and two loads on it."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks import figures, machine
from benchmarks.budget import spent_by, thread_rows
from benchmarks.system import BenchmarkError, Place
from benchmarks.tasks import work
from benchmarks.tasks.system import TALLY, TaskSystem
from benchmarks.tasks.systems import SYSTEMS

STARTS_S = 60.0  # limit for the first tasks; some peers have long imports
GRACE_S = 30.0  # after a phase, for tasks in flight
PART = "part: "  # in a row, before the part of the system and its kind of thread: CPU us of a task
POLL_S = 0.3  # between two checks whether a process has ended


@dataclass(frozen=True)
class Load:
    """The load of a cell."""

    window: int = 100  # tasks in flight
    seconds: float = 2.0  # with the window
    single_s: float = 1.5  # with one task at a time
    late_s: float = 20.0  # after which a task counts as lost


class TaskCell:
    """Runs while its context is entered.

    Args:
        system: by name.
        workers: processes.
        load: the load.
        folder: for its files; on a real disk.
    """

    def __init__(self, system: str, workers: int, load: Load, folder: Path | None = None) -> None:
        self.name, self.workers, self.load = system, workers, load
        self.home = Path(tempfile.mkdtemp(prefix="hb-", dir=folder))
        self.system: TaskSystem = SYSTEMS[system](Place.make(self.home), workers)
        self.orders, self._theirs = Pipe()
        self.client: subprocess.Popen[bytes] | None = None
        self._before: set[int] = set()
        self._asked = 0

    def __enter__(self) -> Self:
        machine.adopt(True)
        self._before = {child.pid for child in psutil.Process().children()}
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        work.make_tally(self.home / TALLY)
        self.system.start()
        place, warm_up = self.system.place.as_dict(), 10 * self.workers
        parameters = {
            "system": self.name,
            "place": place,
            "workers": self.workers,
            "late_s": self.load.late_s,
            "warm_up": warm_up,
        }
        words = machine.python("benchmarks.tasks.client", str(self._theirs.fileno()), json.dumps(parameters))
        self.client = machine.start(words, self.home / "client.log", self.system.variables(), [self._theirs.fileno()])
        self._theirs.close()
        self._answer(STARTS_S)

    def _answer(self, within_s: float) -> dict[str, Any]:
        """Wait for the client's answer."""
        assert self.client is not None
        deadline = time.monotonic() + within_s
        while not self.orders.poll(POLL_S):
            for process in [self.client, *self.system.processes]:
                if process.poll() is not None:
                    raise BenchmarkError(f"{self.name}: a process ended: {self._logs()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{self.name}: no answer from its client within {within_s:g} s: {self._logs()}")
        try:
            answer: dict[str, Any] = self.orders.recv()
        except (EOFError, ConnectionError):
            raise BenchmarkError(f"{self.name}: its client ended: {self._logs()}") from None
        self._asked = answer["asked"]
        return answer

    def _logs(self) -> str:
        return " ".join(file.read_text(errors="replace")[-600:] for file in sorted(self.home.glob("*.log"))) or "no log"

    def processes(self) -> list[int]:
        """Return the ids of every process of the system, the client's first, including orphans."""
        assert self.client is not None
        roots = [self.client.pid, *(process.pid for process in self.system.processes)]
        orphans = {child.pid for child in psutil.Process().children()} - self._before - set(roots)
        return list(dict.fromkeys(pid for root in [*roots, *orphans] for pid in machine.family(root)))

    def run(self) -> dict[str, Any]:
        """Apply both loads.

        Returns:
            tasks_s, cpu_us (per task, all processes), client_us (per task, the client); p50, p99, p999, max (us, one at a
            time), singles (their number); lost, twice, wrong, asked, trouble; rss_mb; foreign and steal_pct (of both loads, the
            higher); of a system with `parts` also the CPU us of each kind of thread, see `PART`.
        """
        load, asked, parts = self.load, self._asked, self._parts()
        before = spent_by(parts)
        many, first = self._measure({"window": load.window, "seconds": load.seconds})
        count = max(1, many["asked"] - asked)
        threads = thread_rows(before, spent_by(parts), count)
        single, second = self._measure({"seconds": load.single_s})
        took = sorted(single["took_ns"])
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
        row = {name: figures.percentile(took, share) / 1e3 for name, share in shares.items()}
        row |= {"tasks_s": many["tasks_s"], "cpu_us": first["cpu_s"] / count * 1e6, "client_us": first["client_s"] / count * 1e6}
        row |= {"rss_mb": first["rss_mb"], "singles": len(took)}
        row |= {f"{PART}{thread['process']} {thread['thread']}": thread["cpu_us"] for thread in threads}
        row |= {name: max(first[name], second[name]) for name in ("foreign", "steal_pct")}
        tally = work.read_tally(self.home / TALLY, single["asked"])
        return {
            **row,
            "asked": single["asked"],
            "lost": max(single["lost"], tally["never"]),
            "twice": tally["twice"],
            "wrong": single["wrong"],
            "trouble": single["trouble"],
        }

    def _parts(self) -> dict[str, list[int]]:
        """Return the processes whose threads are measured separately, by part of the system."""
        assert self.client is not None
        parts = self.system.parts()
        return {**parts, "client": [self.client.pid]} if parts else {}

    def _measure(self, order: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        """Send an order; returns its answer, and its cost."""
        assert self.client is not None
        own = self.processes()
        noise, cpu, client = machine.Noise(own), machine.cpu_s(own), machine.cpu_s([self.client.pid])
        with contextlib.suppress(BrokenPipeError):  # the client has ended; the next call raises
            self.orders.send(order)
        answer = self._answer(order["seconds"] + GRACE_S + self.load.late_s)
        cost = {"cpu_s": machine.cpu_s(own) - cpu, "client_s": machine.cpu_s([self.client.pid]) - client}
        return answer, {**cost, **noise.sample(), "rss_mb": machine.rss_bytes(own) / 1e6}

    def close(self) -> None:
        """Stop every process and remove every file."""
        processes = [] if self.client is None else _living(self.processes())
        with contextlib.suppress(OSError):
            self.orders.send(None)
        if self.client is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.client.wait(10)
            machine.end(self.client)
        self.system.stop()
        for process in [*processes, *_living(self._orphans())]:
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(3)
        machine.adopt(False)
        self.orders.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _orphans(self) -> list[int]:
        ours = {process.pid for process in self.system.processes}
        return [child.pid for child in psutil.Process().children() if child.pid not in self._before | ours]


def _living(pids: Sequence[int]) -> list[psutil.Process]:
    living = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            if pid != os.getpid():
                living.append(psutil.Process(pid))
    return living

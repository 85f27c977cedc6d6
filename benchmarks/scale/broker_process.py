"""A broker under measurement: its home folder, its process, its CPU time to the nanosecond, and timed calls."""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks import machine
from benchmarks.machine import HOST
from benchmarks.system import BenchmarkError
from hulak.bus.errors import BusError, ConfigError
from hulak.bus.process import load_settings
from hulak.bus.process.settings import Settings
from hulak.clients.calls.client import BusClient

NAMES = ("collector", "publisher", "frontend", "backend")
STARTS_S = 120.0
ANSWERS_S = 120.0
REPEATS = 9
IDLE_S = 3.0
KEEPS_ALL = 1 << 42  # bytes: no segment of the journal is deleted


class BrokerProcess:
    """A home folder and, from `start` to `stop`, its broker.

    Args:
        folder: for the home folder; on a real disk.
        settings: lines of `[broker]` in addition to the addresses, `{"max_tasks": 1000}`.
    """

    def __init__(self, folder: Path | None, **settings: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hb-", dir=folder))
        ports = machine.free_ports(len(NAMES))
        self.addresses = {name: f"tcp://{HOST}:{port}" for name, port in zip(NAMES, ports, strict=True)}
        lines = [f'{name} = "{address}"' for name, address in self.addresses.items()]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        lines += ["[journal]", f"max_bytes = {KEEPS_ALL}", "compress = false"]  # it would count as work of the broker
        (self.home / "hulak.toml").write_text("[broker]\n" + "\n".join(lines) + "\n" + machine.OPEN)
        self.settings: Settings = load_settings.load(self.home, self.home / "hulak.toml")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> float:
        """Start the broker; returns the seconds until it answers.

        Raises:
            BenchmarkError: it does not answer.
        """
        log = self.home / "broker.log"
        began = time.monotonic()
        self.process = machine.start(machine.python("hulak.bus"), log, {"HULAK_HOME": str(self.home)})
        deadline = began + STARTS_S
        with self.client() as client:
            while self.process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(BusError, ConfigError):
                    client.call("hulak.ping", timeout_s=STARTS_S)
                    return time.monotonic() - began
        raise BenchmarkError(f"the broker did not start: {log.read_text()[-500:]}")

    def start_cpu_s(self) -> float:
        """Start the broker; returns its CPU seconds until it answers."""
        self.start()
        return self.cpu_s()

    def stop(self) -> None:
        """Stop the broker if it runs."""
        if self.process is not None:
            machine.end(self.process, grace_s=30.0)
            self.process = None

    def client(self) -> BusClient:
        """Connect a client."""
        return BusClient(self.settings, self.home)

    def cpu_s(self) -> float:
        """Return the broker's CPU time of all threads, in seconds."""
        if self.process is None:
            raise BenchmarkError("no broker runs")
        return machine.cpu_clock_s(self.process.pid)

    def idle_ms(self) -> float:
        """Return the broker's CPU time in ms per second in which no peer sends anything."""
        before, began = self.cpu_s(), time.monotonic()
        time.sleep(IDLE_S)
        return (self.cpu_s() - before) / (time.monotonic() - began) * 1000

    def rss_mb(self) -> float:
        """Return the broker's resident memory."""
        return machine.rss_bytes([self.process.pid] if self.process is not None else []) / 1e6

    def call_ms(self, client: BusClient, service: str, args: Mapping[str, Any] | None = None) -> float:
        """Call a service several times; returns the median duration, in ms."""
        took = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            client.call(service, "", args, timeout_s=ANSWERS_S)
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000

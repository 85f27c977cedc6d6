"""The three measurements: ticks (fan-out), latency, memory; and the check that a loss is detected."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import figures, machine
from benchmarks.cell import Cell, Measured, Phase, available
from benchmarks.system import BenchmarkError
from benchmarks.systems.zeromq import DROPS_EVERY

QUIET_CORES = 0.12  # that other processes may use before a cell starts
BASES = ("nats", "redis", "raw", "redis-thin", "nats-thin", "zproxy-1f-thin", "raw-thin")
Table = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """The common parameters of all cells of a run."""

    subscribers: int = 20  # each with its own connection, except in systems that share one
    processes: int = 4  # number of subscriber processes
    folder: Path | None = None  # for files, on a real disk; None: the temporary folder
    quiet_within_s: float = 8.0  # limit for waiting for a quiet machine before a cell
    log: Callable[[str], None] = print  # called with each line of progress

    def cell(self, system: str) -> Cell:
        """Make a cell of this shape."""
        return Cell(system, self.subscribers, self.processes, self.folder)


class Repeats:
    """Cells of one phase, interleaved: all systems in turn, each repeat starting with another one.

    Args:
        shape: of each cell.
        systems: by name.
        repeats: their number.
    Raises:
        BenchmarkError: a system is unknown.
    """

    def __init__(self, shape: Shape, systems: Sequence[str], repeats: int) -> None:
        self.shape = shape
        self.skipped = {name: why for name, why in available(list(systems)) if why is not None}
        for name, why in self.skipped.items():
            shape.log(f"{name}: skipped: {why}")
        self.systems = [name for name in systems if name not in self.skipped]
        self.repeats = repeats
        self.failed: dict[str, str] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def run(self, phase: Phase) -> Iterator[tuple[str, Measured, dict[str, Any]]]:
        """Run the measurements; yields system, measurements, and its row, which the caller may extend."""
        for repeat in range(self.repeats):
            begin = repeat % max(1, len(self.systems))
            for name in self.systems[begin:] + self.systems[:begin]:
                machine.wait_until_quiet(QUIET_CORES, self.shape.quiet_within_s)
                spin_ms = machine.spin_ms()
                try:
                    with self.shape.cell(name) as cell:
                        row = cell.run(phase)
                        measured = cell.finish()
                except BenchmarkError as error:
                    self.failed[name] = str(error)
                    self.shape.log(f"{name}: failed: {error}")
                    continue
                row |= {"repeat": repeat, "spin_ms": spin_ms, "twice": sum(report["twice"] for report in measured.received)}
                self.rows.setdefault(name, []).append(row)
                yield name, measured, row

    def summary(self, figure: str) -> Table:
        """Return the summary; the ratios are of `figure`."""
        medians = {name: figures.medians(self.rows[name]) for name in self.systems if name in self.rows}
        ratios = figures.ratios({name: row[figure] for name, row in medians.items()}, BASES)
        return {"medians": medians, "ratios": ratios, "skipped": self.skipped, "failed": self.failed, "rows": self.rows}


def ticks(shape: Shape, systems: Sequence[str], repeats: int, seconds: float) -> Table:
    """Measure the highest rate without loss.

    Returns:
        `{"medians": {system: row}, "ratios": {system: {base: ratio}}, "skipped", "failed", "rows"}`; the ratios are of
        `ticks_s`.
    """
    run = Repeats(shape, systems, repeats)
    for name, _, row in run.run(Phase("blast", seconds)):
        noise = f"foreign {row['foreign']:.2f} cores, steal {row['steal_pct']:.0f} %, spin {row['spin_ms']:.1f} ms"
        shape.log(f"repeat {row['repeat'] + 1} {name:27} {row['ticks_s']:10,.0f} ticks/s  lost {row['lost']}  {noise}")
    return run.summary("ticks_s")


def latency(shape: Shape, systems: Sequence[str], repeats: int, seconds: float, rate: int) -> Table:
    """Measure the latency of ticks at a rate. Returns as `ticks`; the ratios are of `window_p99`."""
    run = Repeats(shape, systems, repeats)
    for name, measured, row in run.run(Phase("paced", seconds, rate=rate, keep=True)):
        sent = next(sent for sent in measured.sent if sent["phase"] == row["phase"])
        row |= figures.latency_us(_cut(measured, sent["first"], sent["last"]), rate)
        row["publisher_late_ms"] = sent["late_ms"]
        latencies = "  ".join(f"{part} {row[part]:,.0f}" for part in ("p50", "p99", "window_p99", "max"))
        noise = f"foreign {row['foreign']:.2f} cores, steal {row['steal_pct']:.0f} %"
        shape.log(f"repeat {row['repeat'] + 1} {name:27} us: {latencies}  lost {row['lost']}  {noise}")
    return run.summary("window_p99")


def _cut(measured: Measured, first: int, last: int) -> list[list[int]]:
    """Return the latencies of one phase, without its first tenth, for every consumer."""
    first += (last - first) // 10
    series = []
    for report, latencies in zip(measured.received, measured.latencies, strict=True):
        at = max(0, first - report["kept_from"])
        series.append(latencies[at : max(at, last + 1 - report["kept_from"])].tolist())
    return series


def memory(shape: Shape, system: str, minutes: float, rate: int, warm_up_s: float) -> Table:
    """Measure each process's memory at a rate.

    Args:
        shape: of the cell.
        system: by name.
        minutes: in total.
        rate: ticks/s.
        warm_up_s: seconds at the beginning that are not measured.
    Returns:
        `{"processes": [{role, pid, start_mb, end_mb, grown_mb, mb_per_min}], "points", "ticks_s", "lost", ...}`; start is at
        the end of the warm-up, and start and end are medians of a tenth of the rest.
    """
    points: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with shape.cell(system) as cell:
        began, roles = time.monotonic(), cell.processes()

        def sample() -> None:
            at_min = (time.monotonic() - began) / 60
            for role, pids in roles.items():
                for pid in pids:
                    points.setdefault((role, pid), []).append((at_min, machine.rss_bytes([pid]) / 1e6))

        row = cell.run(Phase("steady", minutes * 60, rate=rate), sample)
        cell.finish()
    shape.log(f"{system}: {row['ticks_s']:,.0f} ticks/s for {minutes:g} min, lost {row['lost']}")
    counted = {key: [point for point in samples if point[0] * 60 >= warm_up_s] for key, samples in points.items()}
    processes = [_grown(role, pid, samples) for (role, pid), samples in counted.items()]
    return {"processes": processes, "points": {f"{role} {pid}": samples for (role, pid), samples in points.items()}, **row}


def _grown(role: str, pid: int, samples: Sequence[tuple[float, float]]) -> dict[str, Any]:
    if not samples:
        raise BenchmarkError("the warm-up is longer than the measurement")
    tenth = max(1, len(samples) // 10)
    start, end = (statistics.median([mb for _, mb in part]) for part in (samples[:tenth], samples[-tenth:]))
    per_min = figures.slope(samples)
    return {"role": role, "pid": pid, "start_mb": start, "end_mb": end, "grown_mb": end - start, "mb_per_min": per_min}


def selfcheck(shape: Shape, seconds: float) -> dict[str, int]:
    """Let a broker drop ticks, and compare them with the losses that the consumers detected.

    Returns:
        `{"lost": as detected, "dropped": as expected}`, summed over consumers, from the first to the last tick of each.
    """
    with shape.cell("dropping") as cell:
        cell.run(Phase("blast", seconds))
        reports = cell.finish().received
    dropped = sum(report["last"] // DROPS_EVERY - (report["first"] - 1) // DROPS_EVERY for report in reports)
    return {"lost": sum(report["lost"] for report in reports), "dropped": dropped}

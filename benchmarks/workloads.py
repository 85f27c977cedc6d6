"""The three measurements: ticks (fan-out), latency, memory; and the check that a loss is seen."""

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

QUIET_CORES = 0.12  # that others may take before a cell begins
BASES = ("nats", "redis", "raw", "redis-thin", "nats-thin", "zproxy-1f-thin", "raw-thin")
Table = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """What all cells of a run have in common."""

    subscribers: int = 20  # each with a connection of its own, but where systems say that they share
    processes: int = 4  # into which they are divided
    folder: Path | None = None  # where files are made, on a real disk; None: the temporary folder
    quiet_within_s: float = 8.0  # how long a cell waits until others take little of the machine
    tell: Callable[[str], None] = print  # told each line of progress

    def cell(self, system: str) -> Cell:
        """Make a cell of this shape."""
        return Cell(system, self.subscribers, self.processes, self.folder)


class Repeats:
    """Cells of one phase, interleaved: all systems, then all again, each time beginning with another one.

    Args:
        shape: of each cell.
        systems: by name.
        repeats: how many times.
    Raises:
        BenchmarkError: there is no system of such a name.
    """

    def __init__(self, shape: Shape, systems: Sequence[str], repeats: int) -> None:
        self.shape = shape
        self.skipped = {name: why for name, why in available(list(systems)) if why is not None}
        for name, why in self.skipped.items():
            shape.tell(f"{name}: skipped: {why}")
        self.systems = [name for name in systems if name not in self.skipped]
        self.repeats = repeats
        self.failed: dict[str, str] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def run(self, phase: Phase) -> Iterator[tuple[str, Measured, dict[str, Any]]]:
        """Measure; yields system, what was measured, and its row, which is kept as it is changed."""
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
                    self.shape.tell(f"{name}: failed: {error}")
                    continue
                row |= {"repeat": repeat, "spin_ms": spin_ms, "twice": sum(one["twice"] for one in measured.saw)}
                self.rows.setdefault(name, []).append(row)
                yield name, measured, row

    def told(self, figure: str) -> Table:
        """Sum up; the ratios are of `figure`."""
        medians = {name: figures.medians(self.rows[name]) for name in self.systems if name in self.rows}
        ratios = figures.ratios({name: row[figure] for name, row in medians.items()}, BASES)
        return {"medians": medians, "ratios": ratios, "skipped": self.skipped, "failed": self.failed, "rows": self.rows}


def ticks(shape: Shape, systems: Sequence[str], repeats: int, seconds: float) -> Table:
    """Measure the highest rate that loses nothing.

    Returns:
        `{"medians": {system: row}, "ratios": {system: {base: ratio}}, "skipped", "failed", "rows"}`; the ratios are of
        `ticks_s`.
    """
    run = Repeats(shape, systems, repeats)
    for name, _, row in run.run(Phase("blast", seconds)):
        noise = f"foreign {row['foreign']:.2f} cores, steal {row['steal_pct']:.0f} %, spin {row['spin_ms']:.1f} ms"
        shape.tell(f"repeat {row['repeat'] + 1} {name:27} {row['ticks_s']:10,.0f} ticks/s  lost {row['lost']}  {noise}")
    return run.told("ticks_s")


def latency(shape: Shape, systems: Sequence[str], repeats: int, seconds: float, rate: int) -> Table:
    """Measure how long ticks take at a rate. Returns as `ticks`; the ratios are of `window_p99`."""
    run = Repeats(shape, systems, repeats)
    for name, measured, row in run.run(Phase("paced", seconds, rate=rate, keep=True)):
        sent = next(one for one in measured.sent if one["phase"] == row["phase"])
        row |= figures.latency_us(_cut(measured, sent["first"], sent["last"]), rate)
        row["publisher_late_ms"] = sent["late_ms"]
        said = "  ".join(f"{part} {row[part]:,.0f}" for part in ("p50", "p99", "window_p99", "max"))
        noise = f"foreign {row['foreign']:.2f} cores, steal {row['steal_pct']:.0f} %"
        shape.tell(f"repeat {row['repeat'] + 1} {name:27} us: {said}  lost {row['lost']}  {noise}")
    return run.told("window_p99")


def _cut(measured: Measured, first: int, last: int) -> list[list[int]]:
    """Take the ticks of one phase, without its first tenth, from every consumer."""
    first += (last - first) // 10
    found = []
    for saw, kept in zip(measured.saw, measured.latencies, strict=True):
        at = max(0, first - saw["kept_from"])
        found.append(kept[at : max(at, last + 1 - saw["kept_from"])].tolist())
    return found


def memory(shape: Shape, system: str, minutes: float, rate: int, warm_up_s: float) -> Table:
    """Watch each process's memory at a rate.

    Args:
        shape: of the cell.
        system: by name.
        minutes: of the whole.
        rate: ticks/s.
        warm_up_s: seconds at the beginning that do not count.
    Returns:
        `{"processes": [{role, pid, start_mb, end_mb, grown_mb, mb_per_min}], "points", "ticks_s", "lost", ...}`; start is at
        the end of the warm-up, and start and end are medians of a tenth of the rest.
    """
    points: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with shape.cell(system) as cell:
        began, roles = time.monotonic(), cell.processes()

        def look() -> None:
            at_min = (time.monotonic() - began) / 60
            for role, pids in roles.items():
                for pid in pids:
                    points.setdefault((role, pid), []).append((at_min, machine.rss_bytes([pid]) / 1e6))

        row = cell.run(Phase("steady", minutes * 60, rate=rate), look)
        cell.finish()
    shape.tell(f"{system}: {row['ticks_s']:,.0f} ticks/s for {minutes:g} min, lost {row['lost']}")
    counted = {who: [point for point in seen if point[0] * 60 >= warm_up_s] for who, seen in points.items()}
    found = [_grown(role, pid, seen) for (role, pid), seen in counted.items()]
    return {"processes": found, "points": {f"{role} {pid}": seen for (role, pid), seen in points.items()}, **row}


def _grown(role: str, pid: int, seen: Sequence[tuple[float, float]]) -> dict[str, Any]:
    if not seen:
        raise BenchmarkError("the warm-up is longer than the measurement")
    tenth = max(1, len(seen) // 10)
    start, end = (statistics.median([mb for _, mb in part]) for part in (seen[:tenth], seen[-tenth:]))
    per_min = figures.slope(seen)
    return {"role": role, "pid": pid, "start_mb": start, "end_mb": end, "grown_mb": end - start, "mb_per_min": per_min}


def selfcheck(shape: Shape, seconds: float) -> dict[str, int]:
    """Let a broker lose ticks, and compare with what the consumers noticed.

    Returns:
        `{"lost": as noticed, "dropped": as it must be}`, summed over consumers, from the first to the last tick of each.
    """
    with shape.cell("dropping") as cell:
        cell.run(Phase("blast", seconds))
        saw = cell.finish().saw
    dropped = sum(one["last"] // DROPS_EVERY - (one["first"] - 1) // DROPS_EVERY for one in saw)
    return {"lost": sum(one["lost"] for one in saw), "dropped": dropped}

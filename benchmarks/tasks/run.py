"""Rounds of task queues, interleaved: all systems in turn, each round starting with another one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import figures, machine
from benchmarks.system import BenchmarkError, Place
from benchmarks.tasks.cell import PART, Load, TaskCell
from benchmarks.tasks.systems import CONTROLS, SYSTEMS

QUIET_CORES = 0.12  # that other processes may use before a cell starts
FAULTS = ("lost", "twice", "wrong")
BASE = "hulak"


@dataclass(frozen=True)
class Rounds:
    """The common parameters of all cells of a run."""

    workers: Sequence[int] = (1, 4)
    repeats: int = 3
    load: Load = field(default_factory=Load)
    folder: Path | None = None  # for files, on a real disk; None: the temporary folder
    quiet_within_s: float = 8.0
    log: Callable[[str], None] = print


def available(names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each system, and why it cannot run here; None if it can.

    Raises:
        BenchmarkError: a system is unknown.
    """
    for name in names:
        if name not in SYSTEMS:
            raise BenchmarkError(f"system {name!r} is unknown, must be one of {', '.join(SYSTEMS)}")
        yield name, SYSTEMS[name](Place("", (0, 0, 0, 0)), 1).missing()


def run(rounds: Rounds, names: Sequence[str]) -> dict[str, Any]:
    """Run the measurements.

    Returns:
        `{"workers": {"1": {"medians": {system: row}, "times": {system: {"tasks_s", "p50", "p99", "cpu_us"}}}, ...}, "skipped",
        "failed", "faults", "rows"}`; a row is that of `TaskCell.run`; `times` has the ratio of Hulak's tasks/s to the
        system's, and of the system's latencies and CPU to Hulak's, so that Hulak is better above 1.
    """
    skipped = {name: why for name, why in available(names) if why is not None}
    for name, why in skipped.items():
        rounds.log(f"{name}: skipped: {why}")
    runnable = [name for name in names if name not in skipped]
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for repeat in range(rounds.repeats):
        begin = repeat % max(1, len(runnable))
        for workers in rounds.workers:
            for name in runnable[begin:] + runnable[:begin]:
                try:
                    row = measure_cell(rounds, name, workers)
                except (BenchmarkError, OSError) as error:
                    failed[f"{name} W={workers}"] = str(error)
                    rounds.log(f"{name}: failed: {error}")
                    continue
                rows.append({"system": name, "workers": workers, "repeat": repeat, **row})
                rounds.log(progress_line(rows[-1]))
    faults = {
        name: f"{sum(row[fault] for row in rows if row['system'] == name)} {fault}"
        for name in runnable
        for fault in FAULTS
        if any(row[fault] for row in rows if row["system"] == name)
    }
    summaries = {str(workers): summary([row for row in rows if row["workers"] == workers]) for workers in rounds.workers}
    return {"workers": summaries, "skipped": skipped, "failed": failed, "faults": faults, "rows": rows}


def measure_cell(rounds: Rounds, name: str, workers: int) -> dict[str, Any]:
    """Measure a cell."""
    machine.wait_until_quiet(QUIET_CORES, rounds.quiet_within_s)
    spin_ms = machine.spin_ms()
    with TaskCell(name, workers, rounds.load, rounds.folder) as cell:
        return {**cell.run(), "spin_ms": spin_ms}


def progress_line(row: dict[str, Any]) -> str:
    """Return a line of progress."""
    faults = "".join(f"  {row[fault]} {fault}" for fault in FAULTS if row[fault])
    figure = f"{row['tasks_s']:10,.0f} tasks/s  {row['cpu_us']:8,.0f} CPU us  p50 {row['p50']:7,.0f} p99 {row['p99']:7,.0f} us"
    noise = f"foreign {row['foreign']:.2f} cores, steal {row['steal_pct']:.0f} %, spin {row['spin_ms']:.1f} ms"
    trouble = f"  {row['trouble']}" if row["trouble"] else ""
    return f"repeat {row['repeat'] + 1} W={row['workers']} {row['system']:14}{figure}  {noise}{faults}{trouble}"


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over repeats, and their ratios to Hulak's."""
    names = list(dict.fromkeys(row["system"] for row in rows))
    medians = {name: figures.medians([row for row in rows if row["system"] == name]) for name in names}
    base = medians.get(BASE)
    times = {} if base is None else {name: _times(base, row) for name, row in medians.items()}
    return {"medians": medians, "times": times}


def _times(base: dict[str, float], row: dict[str, float]) -> dict[str, float]:
    ratios = {name: row[name] / base[name] for name in ("p50", "p99", "cpu_us") if base[name]}
    return {"tasks_s": base["tasks_s"] / row["tasks_s"], **ratios} if row["tasks_s"] else ratios


def selfcheck(rounds: Rounds) -> dict[str, dict[str, int]]:
    """Let systems lose, repeat and falsify each hundredth task, and compare with the detected faults.

    Returns:
        for each system the number of faults as detected, and as committed.
    """
    from benchmarks.tasks.faulty import EVERY  # noqa: PLC0415 - only this needs it

    faults = dict(zip(CONTROLS, ("lost", "twice", "wrong", "lost"), strict=True))
    results = {}
    for name, fault in faults.items():
        row = measure_cell(rounds, name, 1)
        other = sum(row[name_] for name_ in FAULTS if name_ != fault)
        results[name] = {"found": row[fault], "committed": -(-row["asked"] // EVERY), "other": other}
    return results


def markdown(result: dict[str, Any]) -> str:
    """Return the tables of `run`."""
    columns = {"system": "system", "tasks_s": "tasks/s", "x tasks_s": "Hulak's are x", "cpu_us": "CPU us/task"}
    more = {
        "client_us": "of it client",
        "p50": "one at a time p50 us",
        "x p50": "are x Hulak's",
        "p99": "p99 us",
        "p999": "p99.9",
    }
    noise = {"foreign": "foreign cores", "steal_pct": "steal %", "spin_ms": "spin ms", "quiet": "quiet repeats"}
    heads = {**columns, **more, "rss_mb": "RSS MB", **{fault: fault for fault in FAULTS}, **noise}
    parts = []
    for workers, part in result["workers"].items():
        ordered = sorted(part["medians"].items(), key=lambda item: -item[1]["tasks_s"])
        times = {name: {f"x {figure}": value for figure, value in item.items()} for name, item in part["times"].items()}
        rows = [{"system": name, **row, **times.get(name, {})} for name, row in ordered]
        parts.append(f"W = {workers}\n\n{figures.markdown(rows, heads)}{_threads(rows)}")
    return "\n\n".join(parts)


def _threads(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of the CPU time by kind of thread, of the systems that have it."""
    known = [row for row in rows if any(name.startswith(PART) for name in row)]
    names = dict.fromkeys(name for row in known for name in row if name.startswith(PART))
    heads = {"system": "CPU us/task", **{name: name.removeprefix(PART) for name in names}}
    return f"\n\n{figures.markdown(known, heads)}" if known else ""

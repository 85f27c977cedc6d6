"""The measurements' tables in Markdown. Pure."""

from typing import Any

from benchmarks import figures
from benchmarks.workloads import BASES, Table

NOISE = {"foreign": "foreign cores", "steal_pct": "steal %", "spin_ms": "spin ms", "quiet": "quiet repeats"}


def ticks(result: Table) -> str:
    """Return the table of `workloads.ticks`."""
    bases = [base for base in BASES if base in result["medians"]]
    rows = [
        {"system": name, **row, **{f"x {base}": ratio for base, ratio in result["ratios"][name].items()}}
        for name, row in result["medians"].items()
    ]
    columns = {"system": "system", "ticks_s": "ticks/s, no loss", **{f"x {base}": f"x {base}" for base in bases}}
    cpu = {"cpu_us": "CPU us/delivery", "broker_us": "of it broker", "cpu_broker": "broker cores"}
    return figures.markdown(rows, {**columns, **cpu, "cpu_publisher": "publisher cores", "lost": "lost", **NOISE})


def latency(result: Table) -> str:
    """Return the table of `workloads.latency`, in microseconds."""
    rows: list[dict[str, Any]] = [
        {"system": name, **row, "ratio": result["ratios"][name].get("raw")} for name, row in result["medians"].items()
    ]
    columns = {"system": "system", "p50": "p50 us", "p99": "p99", "p999": "p99.9", "max": "max"}
    windows = {"window_p99": "p99, median 0.1 s", "ratio": "of it x raw"}
    more = {"lost": "lost", "publisher_late_ms": "publisher late ms", "cpu_broker": "broker cores"}
    return figures.markdown(rows, {**columns, **windows, **more, **NOISE})


def memory(result: Table) -> str:
    """Return the table of `workloads.memory`."""
    heads = {"start_mb": "MB after warm-up", "end_mb": "MB at the end", "grown_mb": "grown MB", "mb_per_min": "MB/min"}
    return figures.markdown(result["processes"], {"role": "process", "pid": "pid", **heads})

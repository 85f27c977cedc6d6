"""The measurements' tables in Markdown. Pure."""

from typing import Any

from benchmarks import figures
from benchmarks.figures import Row
from benchmarks.workloads import BASES, Table

BASE = "hulak-ticks"  # the system that the others are compared with
NOISE = {"foreign": "foreign cores", "steal_pct": "steal %", "spin_ms": "spin ms", "quiet": "quiet repeats"}


def ticks(result: Table) -> str:
    """Return the table of `workloads.ticks`."""
    bases = [base for base in BASES if base in result["medians"]]
    hulak = result["medians"].get(BASE)
    rows = [
        {"system": name, **row, **_beside_hulak(row, hulak), **{f"x {base}": x for base, x in result["ratios"][name].items()}}
        for name, row in result["medians"].items()
    ]
    columns = {"system": "system", "ticks_s": "ticks/s, no loss", **{f"x {base}": f"x {base}" for base in bases}}
    if hulak:
        columns |= {"hulak_x": "Hulak's are x"}
    cpu = {"cpu_us": "CPU us/delivery", "cpu_x": "is x Hulak's", "broker_us": "of it broker", "cpu_broker": "broker cores"}
    return figures.markdown(rows, {**columns, **cpu, "cpu_publisher": "publisher cores", "lost": "lost", **NOISE})


def _beside_hulak(row: Row, hulak: Row | None) -> dict[str, float]:
    """Return the ratios of Hulak's ticks/s to a system's, and of its CPU per delivery to Hulak's: above 1, Hulak is better."""
    if not hulak or not row["ticks_s"]:
        return {}
    return {"hulak_x": hulak["ticks_s"] / row["ticks_s"], "cpu_x": row["cpu_us"] / hulak["cpu_us"]}


def latency(result: Table) -> str:
    """Return the table of `workloads.latency`, in microseconds."""
    raw = result["medians"].get("raw")
    rows: list[dict[str, Any]] = [
        {"system": name, **row, "ratio": result["ratios"][name].get("raw"), "p50_x": row["p50"] / raw["p50"] if raw else None}
        for name, row in result["medians"].items()
    ]
    columns = {"system": "system", "p50": "p50 us", "p50_x": "of it x raw", "p99": "p99", "p999": "p99.9", "max": "max"}
    windows = {"window_p99": "p99, median 0.1 s", "ratio": "of it x raw"}
    more = {"lost": "lost", "publisher_late_ms": "publisher late ms", "cpu_broker": "broker cores"}
    return figures.markdown(rows, {**columns, **windows, **more, **NOISE})


def memory(result: Table) -> str:
    """Return the table of `workloads.memory`."""
    heads = {"start_mb": "MB after warm-up", "end_mb": "MB at the end", "grown_mb": "grown MB", "mb_per_min": "MB/min"}
    return figures.markdown(result["processes"], {"role": "process", "pid": "pid", **heads})

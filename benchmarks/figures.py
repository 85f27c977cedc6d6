"""Medians, percentiles, ratios, Markdown. Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_FOREIGN, MAX_STEAL_PCT = 0.17, 12.0  # cores used by others, share of the machine: a phase above is noisy
WINDOWS_S = 0.1
SUMMED = ("lost", "twice", "wrong")  # over all repeats, including noisy ones
Row = Mapping[str, Any]


def noisy(row: Row) -> bool:
    """Return whether the load of other processes makes the figures unreliable."""
    return bool(row["foreign"] > MAX_FOREIGN or row["steal_pct"] > MAX_STEAL_PCT)


def quiet(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that are not noisy; all rows if every one is noisy."""
    all_rows = list(rows)
    return [row for row in all_rows if not noisy(row)] or all_rows


def medians(rows: Sequence[Row]) -> dict[str, float]:
    """Return the median of each number over repeats; faults are summed, `quiet` is the number of quiet repeats."""
    used = quiet(rows)
    names = [name for name, value in used[0].items() if isinstance(value, int | float) and not isinstance(value, bool)]
    values = {name: statistics.median([row[name] for row in used if name in row]) for name in names}
    sums = {name: sum(row.get(name, 0) for row in rows) for name in SUMMED if name in rows[0]}
    return {**values, **sums, "repeats": len(rows), "quiet": sum(not noisy(row) for row in rows)}


def percentile(ordered: Sequence[int], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the sorted values lie; nan without values."""
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else float("nan")


def latency_us(series: Sequence[Sequence[int]], rate: int) -> dict[str, float]:
    """Summarise latencies.

    Args:
        series: of each consumer, ns, in the order of the ticks, one value for each, -1 for a lost one.
        rate: ticks/s.
    Returns:
        p50, p99, p999, max; window_p99 is the median over windows of 0.1 s of each window's p99, without the moments
        in which the host paused the machine. All in microseconds. missing counts ticks.
    """
    every = sorted(value for latencies in series for value in latencies if value >= 0)
    width, shortest = max(20, int(rate * WINDOWS_S)), min(map(len, series), default=0)
    cut = [[latencies[at : at + width] for latencies in series] for at in range(0, shortest - width + 1, width)]
    windows = [sorted(value for latencies in window for value in latencies if value >= 0) for window in cut]
    tails = [percentile(window, 0.99) for window in windows if window]
    return {
        "p50": percentile(every, 0.5) / 1e3,
        "p99": percentile(every, 0.99) / 1e3,
        "p999": percentile(every, 0.999) / 1e3,
        "max": every[-1] / 1e3 if every else float("nan"),
        "window_p99": statistics.median(tails) / 1e3 if tails else float("nan"),
        "missing": sum(value < 0 for latencies in series for value in latencies),
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through (x, y) points; 0 for fewer than 2 points."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope if len({x for x, _ in points}) > 1 else 0.0


def ratios(figures: Mapping[str, float], to: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the ratio of each system's figure to that of each measured system in `to`."""
    return {name: {base: value / figures[base] for base in to if figures.get(base)} for name, value in figures.items()}


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Return a table.

    Args:
        rows: missing values are written as -.
        columns: name in the row -> heading.
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "|".join(["---", *["---:"] * (len(columns) - 1)]) + "|"]
    lines += ["| " + " | ".join(_text(row.get(name)) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

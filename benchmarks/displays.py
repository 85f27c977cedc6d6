"""The cost of a tick and a snapshot in a display after many ticks: CPU time of a process that does nothing else.

The original recomputed everything from all ticks: 0.44 ms for the 100th tick and 33 ms for the 8,000th (its worker, unmodified,
under node 20, on real EURUSD ticks, with the copy of its message). Hulak makes no message for each tick; `snapshot_us` is the
cost of a message.
"""

import random
import statistics
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from benchmarks.figures import markdown
from hulak.workers.display.quantities.state import DisplayConfig, DisplayState, Init

POINTS = (100, 8000, 100_000)
WINDOW, SNAPSHOTS = 1000, 100  # folds and snapshots per measurement
BETWEEN = 5  # ticks between two snapshots
ORIGINAL_MS = {100: 0.44, 8000: 33.1}
CONFIGS = {
    "all": DisplayConfig(),
    "percentage": DisplayConfig(distribution_depth_mode="percentage"),
}
Quote = tuple[float, float, float, int]


def quotes(count: int, seed: int = 1) -> list[Quote]:
    """Return (bid, ask, at_ms, timestamp) of a busy day: a random walk within 600 pipettes, ten ticks a second."""
    rnd, pipettes, at, day = random.Random(seed), 108_500, 0, []  # noqa: S311 - market data, not a secret
    for _ in range(count):
        pipettes += rnd.choice((-3, -2, -1, 0, 0, 1, 2, 3))
        pipettes = min(max(pipettes, 108_200), 108_800)
        at += rnd.randrange(200)
        day.append((pipettes / 100_000, (pipettes + 7) / 100_000, float(at), at))
    return day


def measure(points: tuple[int, ...], repeats: int, clock: Callable[[], int] = time.process_time_ns) -> dict[str, Any]:
    """Fold ticks and take snapshots.

    Args:
        points: after how many ticks to measure, at least 1,500 apart; folds of the next `WINDOW` ticks, then snapshots.
        repeats: number of displays measured in turn; the figures are medians.
    Returns:
        rows per depth and point {depth, ticks, fold_us, snapshot_us, levels, original_ms}; per depth the `growth`: the cost of a
        fold at the last point relative to the first, the median over repeats.
    """
    day = quotes(points[-1] + WINDOW + SNAPSHOTS * BETWEEN)
    rows, growth = [], {}
    for depth, config in CONFIGS.items():
        runs = [_run(day, config, points, clock) for _ in range(repeats)]
        growth[depth] = statistics.median(run[-1]["fold_us"] / run[0]["fold_us"] for run in runs)
        for number, point in enumerate(points):
            values = {name: statistics.median(run[number][name] for run in runs) for name in ("fold_us", "snapshot_us", "levels")}
            rows.append({"depth": depth, "ticks": point, **values, "original_ms": ORIGINAL_MS.get(point)})
    return {"rows": rows, "growth": growth, "repeats": repeats}


def _run(day: list[Quote], config: DisplayConfig, points: tuple[int, ...], clock: Callable[[], int]) -> list[dict[str, float]]:
    state, rest, folded, rows = DisplayState("EURUSD", Init("EURUSD"), config), iter(day), 0, []
    for point in points:
        for quote in islice(rest, point - folded):
            state.fold(*quote)
        window, snapshots = list(islice(rest, WINDOW)), 0
        started = clock()
        for quote in window:
            state.fold(*quote)
        folds = clock() - started
        for _ in range(SNAPSHOTS):
            for quote in islice(rest, BETWEEN):
                state.fold(*quote)
            started = clock()
            shown = state.snapshot()
            snapshots += clock() - started
        folded = point + WINDOW + SNAPSHOTS * BETWEEN
        levels = len(shown["profile"]["levels"])
        rows.append({"fold_us": folds / WINDOW / 1e3, "snapshot_us": snapshots / SNAPSHOTS / 1e3, "levels": levels})
    return rows


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    columns = {
        "depth": "profile of",
        "ticks": "after ticks",
        "fold_us": "us per tick",
        "original_ms": "original, ms per tick",
        "snapshot_us": "us per snapshot",
        "levels": "levels",
    }
    growth = "; ".join(f"{depth}: {value:.2f}" for depth, value in result["growth"].items())
    return f"{markdown(result['rows'], columns)}\n\nCost of a tick, last over first: {growth} (medians of {result['repeats']})"

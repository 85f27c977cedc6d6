"""How a cost grows with a size: the exponent of a power law, fitted, and what is named as worse than linear. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import markdown, slope

TOLERANCE = 0.15  # by which a fitted exponent may be above: over a size of 100 times that is a factor of 2
FASTEST = 2e-3  # seconds: what takes less is taken for that long, since it is noise


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured at several sizes."""

    name: str  # in the rows
    heading: str
    # The exponent that is linear: 1 for what one thing costs as a whole, 0 for what each of many costs. None: a rate, which is
    # shown and not judged, since it is what others leave of the machine.
    allowed: float | None = 1.0
    in_s: float = 1.0  # seconds that one of its unit is


@dataclass(slots=True)
class Table:
    """One kind of size, and what was measured at each.

    A row is {"size": ..., figure: value}; a value that is None was given up, since it took too long.
    """

    title: str
    size: str  # what the size counts
    figures: Sequence[Figure]
    rows: list[dict[str, Any]] = field(default_factory=list)


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Fit cost = c * size^e and return e; None for fewer than two sizes."""
    logs = [(math.log(size), math.log(cost)) for size, cost in points if cost > 0]
    return slope(logs) if len({x for x, _ in logs}) > 1 else None


def exponents(table: Table) -> dict[str, float | None]:
    """Fit each figure of a table that is judged."""
    return {figure.name: _fitted(table, figure) for figure in table.figures if figure.allowed is not None}


def _fitted(table: Table, figure: Figure) -> float | None:
    least = FASTEST / figure.in_s if figure.allowed else 0.0
    return exponent([(row["size"], max(row[figure.name], least)) for row in table.rows if row.get(figure.name) is not None])


def worse(table: Table) -> list[str]:
    """Name, in words, what grows worse than linear, or was given up."""
    found, fitted = [], exponents(table)
    for figure in table.figures:
        power = fitted.get(figure.name)
        gave_up = [row["size"] for row in table.rows if figure.name in row and row[figure.name] is None]
        if power is not None and figure.allowed is not None and power > figure.allowed + TOLERANCE:
            found.append(f"{table.title}: {figure.heading} grows with exponent {power:.2f}, linear is {figure.allowed:g}")
        if gave_up:
            found.append(f"{table.title}: {figure.heading} was given up at {table.size} {gave_up[0]:,}")
    return found


def markdown_of(table: Table) -> str:
    """Write a table, with its exponents, and behind each the one that is linear, as the last row."""
    columns: dict[str, str] = {"size": table.size, **{figure.name: figure.heading for figure in table.figures}}
    said: dict[str, Any] = {"size": "exponent (linear)"}
    for figure in table.figures:
        power = exponents(table).get(figure.name)
        said[figure.name] = None if power is None else f"{power:+.2f} ({figure.allowed:g})"
    return f"### {table.title}\n\n{markdown([*table.rows, said], columns)}"

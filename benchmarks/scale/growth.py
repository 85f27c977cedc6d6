"""The growth of a cost with a size: the fitted exponent of a power law, and the costs that grow worse than linearly. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import markdown, slope

TOLERANCE = 0.15  # of a fitted exponent: for sizes of 1 to 100 this is a factor of 2
FASTEST = 2e-3  # seconds: shorter times count as this, since they are noise


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is measured at several sizes."""

    name: str  # in the rows
    heading: str
    # The exponent of linear growth: 1 for the cost of a whole, 0 for the cost per item. None: a rate, which is shown but not
    # judged, since it depends on the load of the machine.
    allowed: float | None = 1.0
    in_s: float = 1.0  # its unit in seconds
    peer: bool = False  # of another system: its exponent is shown, and not judged


@dataclass(slots=True)
class Table:
    """A kind of size, and the figures at each.

    A row is {"size": ..., figure: value}; None if it took longer than the limit.
    """

    title: str
    size: str  # unit of the size
    figures: Sequence[Figure]
    rows: list[dict[str, Any]] = field(default_factory=list)


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return e of the fitted cost = c * size^e; None for fewer than two sizes."""
    logs = [(math.log(size), math.log(cost)) for size, cost in points if cost > 0]
    return slope(logs) if len({x for x, _ in logs}) > 1 else None


def exponents(table: Table) -> dict[str, float | None]:
    """Return the exponent of each judged figure of a table."""
    return {figure.name: _fitted(table, figure) for figure in table.figures if figure.allowed is not None}


def _fitted(table: Table, figure: Figure) -> float | None:
    least = FASTEST / figure.in_s if figure.allowed else 0.0
    return exponent([(row["size"], max(row[figure.name], least)) for row in table.rows if row.get(figure.name) is not None])


def worse(table: Table) -> list[str]:
    """Return sentences on the figures that grow worse than linearly, or took too long."""
    sentences, fitted = [], exponents(table)
    for figure in table.figures:
        power = fitted.get(figure.name)
        too_long = [row["size"] for row in table.rows if figure.name in row and row[figure.name] is None]
        if power is not None and figure.allowed is not None and not figure.peer and power > figure.allowed + TOLERANCE:
            sentences.append(f"{table.title}: {figure.heading} grows with exponent {power:.2f}, linear is {figure.allowed:g}")
        if too_long:
            sentences.append(f"{table.title}: {figure.heading} took longer than the limit at {table.size} {too_long[0]:,}")
    return sentences


def markdown_of(table: Table) -> str:
    """Return a table; its last row has the exponents, and in parentheses those of linear growth."""
    columns: dict[str, str] = {"size": table.size, **{figure.name: figure.heading for figure in table.figures}}
    last_row: dict[str, Any] = {"size": "exponent (linear)"}
    for figure in table.figures:
        power = exponents(table).get(figure.name)
        last_row[figure.name] = None if power is None else f"{power:+.2f} ({figure.allowed:g})"
    return f"### {table.title}\n\n{markdown([*table.rows, last_row], columns)}"

"""Answers for people: any msgpack value as a table on a terminal, as tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Row = Sequence[Any]


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Name every number of nested maps by its path: `{"a": {"b": 1}}` gives `[("a.b", 1)]`."""
    rows: list[tuple[str, Any]] = []
    for key, one in value.items():
        name = f"{prefix}{key}"
        if isinstance(one, Mapping):
            rows += flat(one, f"{name}.")
        else:
            rows.append((name, one))
    return rows


def shape(value: Any) -> tuple[list[str], list[Row]]:
    """Find headings and rows for a value: a list of maps has a row each, a map a row for each key, anything else one cell."""
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        heads = list(dict.fromkeys(key for row in value for key in row))
        return heads, [[row.get(head, "") for head in heads] for row in value]
    if isinstance(value, list):
        return ["value"], [[one] for one in value]
    if isinstance(value, Mapping):
        return ["name", "value"], list(flat(value))
    return ["value"], [[value]]


def text(value: Any) -> str:
    """Write one cell."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).replace("\t", " ").replace("\n", " ")


def moment(at_ns: int) -> str:
    """Write a moment, given in ns since 1970 UTC, by the clock on the wall here."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def show(heads: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table: with headings and columns on a terminal, tab-separated lines with a head line elsewhere."""
    if not sys.stdout.isatty():
        lines = ["\t".join(heads), *("\t".join(text(cell) for cell in row) for row in rows)]
        click.echo("\n".join(lines))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    found = [list(row) for row in rows]
    for at, head in enumerate(heads):
        numbers = all(isinstance(row[at], int | float) for row in found)
        # The first column is what people copy into their next command: it stays in one piece.
        table.add_column(head, justify="right" if numbers else "left", overflow="fold", no_wrap=at == 0)
    for row in found:
        table.add_row(*(text(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)

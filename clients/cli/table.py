"""Answers for people: any msgpack value as a table on a terminal, as tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from clients.cli.command import to_json

if TYPE_CHECKING:
    from rich.table import Table

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


def sections(value: Any) -> list[tuple[str, list[str], list[Row]]]:
    """Find the tables for a value, each with a title: of a map its single values first, then each list of maps in it."""
    if not isinstance(value, Mapping):
        return [("", *shape(value))]
    rows = flat(value)
    lists = [(name, one) for name, one in rows if isinstance(one, list) and one and all(isinstance(row, Mapping) for row in one)]
    apart = {name for name, _ in lists}
    single: list[Row] = [row for row in rows if row[0] not in apart]
    found = [("", ["name", "value"], single)] if single or not lists else []
    return found + [(name, *shape(one)) for name, one in lists]


def show_value(value: Any) -> None:
    """Print any answer, in as many tables as it takes."""
    for number, (title, heads, rows) in enumerate(sections(value)):
        if title:
            click.echo(f"{title}:" if number == 0 else f"\n{title}:")
        show(heads, rows)


def text(value: Any) -> str:
    """Write one cell; what is no single value as JSON."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict | list | bytes):
        return to_json(value)
    return str(value).replace("\t", " ").replace("\n", " ")


def moment(at_ns: int, timespec: str = "seconds") -> str:
    """Write a moment, given in ns since 1970 UTC, in the local time zone (TZ), with its distance to UTC."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().isoformat(" ", timespec)


def show(heads: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table: with headings and columns on a terminal, tab-separated lines with a head line elsewhere."""
    if not sys.stdout.isatty():
        lines = ["\t".join(heads), *("\t".join(text(cell) for cell in row) for row in rows)]
        click.echo("\n".join(lines))
        return
    from rich.console import Console

    Console(highlight=False, markup=False).print(columns(heads, rows))


def columns(heads: Sequence[str], rows: Iterable[Row]) -> "Table":
    """Make a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    found = [list(row) for row in rows]
    for at, head in enumerate(heads):
        numbers = all(isinstance(row[at], int | float) for row in found)
        # The first column is what people copy into their next command: it stays in one piece.
        table.add_column(head, justify="right" if numbers else "left", overflow="fold", no_wrap=at == 0)
    for row in found:
        table.add_row(*(Text(text(cell)) for cell in row))
    return table

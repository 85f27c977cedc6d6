"""Results for people: any msgpack value as a table on a terminal, as tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from hulak.clients.cli.command import to_json
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[Any]
TEXT_COLUMNS = 16  # of a column of text, at least, where a table is wider than the terminal


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested maps with their paths: `[("a.b", 1)]` for `{"a": {"b": 1}}`."""
    rows: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            rows += flat(item, f"{name}.")
        else:
            rows.append((name, item))
    return rows


def shape(value: Any) -> tuple[list[str], list[Row]]:
    """Return headings and rows of a value: a row per map of a list, a row per key of a map, one cell for any other value."""
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        heads = list(dict.fromkeys(key for row in value for key in row))
        return heads, [[row.get(head, "") for head in heads] for row in value]
    if isinstance(value, list):
        return ["value"], [[item] for item in value]
    if isinstance(value, Mapping):
        return ["name", "value"], list(flat(value))
    return ["value"], [[value]]


def sections(value: Any) -> list[tuple[str, list[str], list[Row]]]:
    """Return the tables of a value, each with a title: for a map, first its single values, then each list of maps in it."""
    if not isinstance(value, Mapping):
        return [("", *shape(value))]
    rows = flat(value)
    lists = [
        (name, item) for name, item in rows if isinstance(item, list) and item and all(isinstance(row, Mapping) for row in item)
    ]
    apart = {name for name, _ in lists}
    single: list[Row] = [row for row in rows if row[0] not in apart]
    tables = [("", ["name", "value"], single)] if single or not lists else []
    return tables + [(name, *shape(item)) for name, item in lists]


def show_value(value: Any) -> None:
    """Print a value as one table or several."""
    for number, (title, heads, rows) in enumerate(sections(value)):
        if title:
            click.echo(f"{text(title)}:" if number == 0 else f"\n{text(title)}:")
        show(heads, rows)


def text(value: Any) -> str:
    """Format a cell, with its control characters shown; a list, a map or bytes as JSON."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict | list | bytes):
        return printable(to_json(value))
    return printable(str(value).replace("\t", " ").replace("\n", " "))


def number(value: float) -> str:
    """Format a number exactly, with the digits that it is read back from, and never with an exponent."""
    shown = repr(value)
    if "e" in shown:
        shown = format(Decimal(shown), "f")
    return shown.removesuffix(".0")


def on_terminal() -> bool:
    """Return whether tables are printed for a terminal."""
    return sys.stdout.isatty()


def moment(at_ns: int, timespec: str = "seconds") -> str:
    """Format a time, given in ns since 1970 UTC, in the local time zone (TZ) with its UTC offset."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().isoformat(" ", timespec)


def show(heads: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table: columns with headings on a terminal, tab-separated lines after a header line elsewhere."""
    if not on_terminal():
        lines = ["\t".join(map(text, heads)), *("\t".join(text(cell) for cell in row) for row in rows)]
        click.echo("\n".join(lines))
        return
    from rich.console import Console

    console, listed = Console(highlight=False, markup=False), [list(row) for row in rows]
    if narrowest(heads, listed) <= console.width:
        console.print(columns(heads, listed))
    else:
        click.echo("\n\n".join(records(heads, listed)))


def narrowest(heads: Sequence[str], rows: Sequence[Row]) -> int:
    """Return the columns of a terminal that a table needs, if only long texts are wrapped."""
    widths = []
    for at, head in enumerate(heads):
        longest = max([len(head), *(len(text(row[at])) for row in rows)])
        widths.append(longest if at == 0 or _is_numeric(rows, at) else min(longest, TEXT_COLUMNS))
    return sum(widths) + max(0, len(widths) - 1)


def records(heads: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return each row as a block of lines, a name and a value each: for tables that are wider than the terminal."""
    names = [text(head) for head in heads]
    width = max(map(len, names), default=0)
    return ["\n".join(f"{name:{width}}  {text(cell)}" for name, cell in zip(names, row, strict=True)) for row in rows]


def _is_numeric(rows: Sequence[Row], at: int) -> bool:
    return all(isinstance(row[at], int | float) for row in rows)


def columns(heads: Sequence[str], rows: Iterable[Row]) -> "Table":
    """Return a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [list(row) for row in rows]
    for at, head in enumerate(heads):
        numbers = _is_numeric(lines, at)
        # People copy the first column into their next command, so it is not wrapped; half a number would be another one.
        table.add_column(text(head), justify="right" if numbers else "left", overflow="fold", no_wrap=at == 0 or numbers)
    for row in lines:
        table.add_row(*(Text(text(cell)) for cell in row))
    return table

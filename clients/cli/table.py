"""Results for people: any msgpack value as a table on a terminal, as tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from hulak.clients.json_text import to_json
from hulak.clients.printable import printable
from hulak.clients.table_files import flat

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[Any]
GAP = 2  # columns of a terminal between two columns of a table
TEXT_COLUMNS = 16  # of a column of text, at least, where a table is wider than the terminal
WORD_COLUMNS = 40  # of its longest word, at most: a time or a name is not broken, an address may be


def shape(value: Any) -> tuple[list[str], list[Row]]:
    """Return headings and rows of a value: a row per map of a list, a row per key of a map, one cell for any other value.

    Maps within a map of a list become columns such as `a.b`.
    """
    if is_table(value):
        rows = [dict(flat(row)) for row in value]
        heads = headings(rows)
        return heads, [[row.get(head, "") for head in heads] for row in rows]
    if isinstance(value, list):
        return ["value"], [[item] for item in value]
    if isinstance(value, Mapping):
        return ["name", "value"], list(flat(value))
    return ["value"], [[value]]


def headings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of flat rows, without those that have no value where other rows have a map there."""
    heads = dict.fromkeys(key for row in rows for key in row)
    maps = {head[:at] for head in heads for at, sign in enumerate(head) if sign == "."}
    return [head for head in heads if head not in maps or any(row.get(head) is not None for row in rows)]


def is_table(value: Any) -> bool:
    """Return whether a value is a list of maps, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def sections(value: Any) -> list[tuple[str, list[str], list[Row]]]:
    """Return the tables of a value, each with a title: for a map, first its single values, then each list of maps in it."""
    if not isinstance(value, Mapping):
        return [("", *shape(value))]
    rows = flat(value)
    lists = [(name, item) for name, item in rows if is_table(item)]
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
    """Format a cell, its control characters shown: yes or no; a list, a map or bytes as JSON; `-` for no value and no text."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
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
    """Format a time, given in ns since 1970 UTC, in the local time zone (TZ) with its UTC offset; beyond the year 9999 in ns."""
    try:
        return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().isoformat(" ", timespec)
    except (ValueError, OverflowError):  # a program may post any number as a time
        return f"{at_ns} ns"


def show(heads: Sequence[str], rows: Iterable[Row], empty: str = "") -> None:
    """Print a table: columns with headings on a terminal, tab-separated lines after a header line elsewhere.

    Args:
        heads: the headings.
        rows: a cell for each heading.
        empty: printed on standard error if there are no rows: why, and what to do; on a terminal without the headings.
    """
    rows = list(rows)
    if not rows and empty:
        click.echo(f"hulak: {empty}", err=True)
        if on_terminal():
            return
    if not on_terminal():
        lines = ["\t".join(map(text, heads)), *("\t".join(text(cell) for cell in row) for row in rows)]
        click.echo("\n".join(lines))
        return
    from rich.console import Console

    console, listed = Console(highlight=False, markup=False), [list(row) for row in rows]
    has_tables = any(is_table(cell) for row in listed for cell in row)
    if not has_tables and narrowest(heads, listed) <= console.width:
        console.print(columns(heads, listed))
    else:
        click.echo("\n\n".join(records(heads, listed, console.width)))


def narrowest(heads: Sequence[str], rows: Sequence[Row]) -> int:
    """Return the columns of a terminal that a table needs, if only long texts are wrapped."""
    return sum(_least(head, rows, at) for at, head in enumerate(heads)) + GAP * max(0, len(heads) - 1)


def _least(head: str, rows: Sequence[Row], at: int) -> int:
    """Return the columns that the column `at` needs: of a long text, those of its longest word."""
    cells = [text(row[at]) for row in rows]
    longest = max([len(head), *map(len, cells)])
    if at == 0 or _is_numeric(rows, at):
        return longest
    word = max((len(word) for cell in cells for word in cell.split()), default=0)
    return max(len(head), min(longest, max(TEXT_COLUMNS, min(word, WORD_COLUMNS))))


def records(heads: Sequence[str], rows: Sequence[Row], width: int = 80) -> list[str]:
    """Return each row as a block of lines, a name and a value each: for tables that are wider than the terminal.

    A list of maps in a row is a table below its name, or blocks of lines if it is wider than `width`.
    """
    names = [text(head) for head in heads]
    longest = max(map(len, names), default=0)
    return [
        "\n".join(
            f"{name}\n{_within(cell, width)}" if is_table(cell) else f"{name:{longest}}  {text(cell)}"
            for name, cell in zip(names, row, strict=True)
        )
        for row in rows
    ]


def _within(value: Any, width: int) -> str:
    heads, rows = shape(value)
    cells = [[text(head) for head in heads], *([text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * len(widths) <= width and not any(is_table(cell) for row in rows for cell in row):
        lines = ["  ".join(f"{cell:{size}}" for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join(f"  {line}" for line in lines)
    blocks = [block.split("\n") for block in records(heads, rows, width - 4)]
    return "\n".join(f"  {'- ' if at == 0 else '  '}{line}" for block in blocks for at, line in enumerate(block))


def _is_numeric(rows: Sequence[Row], at: int) -> bool:
    return all(isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in rows)


def columns(heads: Sequence[str], rows: Iterable[Row]) -> "Table":
    """Return a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [list(row) for row in rows]
    for at, head in enumerate(heads):
        numbers = _is_numeric(lines, at)
        # People copy the first column into their next command, so it is not wrapped; half a number would be another one.
        table.add_column(
            text(head),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=at == 0 or numbers,
            min_width=_least(text(head), lines, at),
        )
    for row in lines:
        table.add_row(*(Text(text(cell)) for cell in row))
    return table

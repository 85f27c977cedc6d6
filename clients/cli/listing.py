"""A list of rows that can be sorted and filtered: columns and rows in, the rows to show out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing.

    Args:
        name: by which it is sorted.
        least: columns that a terminal must have for this one to be shown.
        is_text: left-aligned, and sorted from A on; others are right-aligned, and sorted from the highest value on.
        label: its heading; the name if empty.
    """

    name: str
    least: int = 0
    is_text: bool = False
    label: str = ""

    @property
    def heading(self) -> str:
        """Heading."""
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a listing."""

    key: str  # unique in the listing
    cells: tuple[str, ...]  # a text for each column
    values: tuple[Any, ...]  # by which the rows are sorted; None for unknown ones, which come last
    styles: Mapping[int, str] = field(default_factory=dict)  # number of a column -> style of its cell


@dataclass(frozen=True, slots=True)
class Listing:
    """Columns and rows, in the usual order."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""  # text in place of no rows

    def at(self, key: str) -> Row | None:
        """Return the row with a key; None if it is gone."""
        return next((row for row in self.rows if row.key == key), None)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows; without a column it is the usual one."""

    column: str = ""
    reverse: bool = False

    def by(self, column: str) -> "Order":
        """Return the order by a column; by the same column as before, the reverse one."""
        return Order(column, self.column == column and not self.reverse)

    def step(self, columns: Sequence[Column], steps: int) -> "Order":
        """Return the order by the column that many columns to the right; left of the first one is the usual order."""
        names = ["", *(column.name for column in columns)]
        at = names.index(self.column) if self.column in names else 0
        return Order(names[(at + steps) % len(names)])

    def mark(self, column: str) -> str:
        """Return the sign behind the heading of a column: an arrow at the one by which rows are sorted."""
        return "" if column != self.column else "▲" if self.reverse else "▼"


def arranged(listing: Listing, order: Order, wanted: str = "") -> list[Row]:
    """Return the rows that have all words of a filter, in any case and any cell, in an order."""
    words = wanted.casefold().split()
    rows = [row for row in listing.rows if all(any(word in cell.casefold() for cell in row.cells) for word in words)]
    at = next((at for at, column in enumerate(listing.columns) if column.name == order.column), None)
    if at is None:
        return rows[::-1] if order.reverse else rows
    known = [row for row in rows if row.values[at] is not None]
    is_descending = order.reverse if listing.columns[at].is_text else not order.reverse
    known.sort(key=lambda row: row.values[at], reverse=is_descending)
    return known + [row for row in rows if row.values[at] is None]

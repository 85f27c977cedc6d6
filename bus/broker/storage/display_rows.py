"""The SQL statements of displays."""

import sqlite3
from typing import Any

import msgspec

from hulak.bus.broker.storage import database_schema
from hulak.bus.core.control_arguments import DisplayId, PositiveInteger, Symbol
from hulak.bus.core.display_assignment import Display
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack

ROW = tuple[DisplayId, Symbol, dict[str, Any], PositiveInteger, str | None, int]


def rows(connection: sqlite3.Connection) -> list[Display]:
    """Read all displays, the oldest first; unreadable rows are set aside."""
    displays = []
    for row in connection.execute("SELECT id, symbol, init, first, worker, token FROM displays ORDER BY rowid").fetchall():
        try:
            displays.append(_display(*row))
        except (ProtocolError, msgspec.ValidationError) as error:
            database_schema.set_aside(connection, "displays", row[0], row[2], error)
            connection.execute("DELETE FROM displays WHERE id = ?", row[:1])
    return displays


def _display(display: Any, symbol: Any, init: Any, first: Any, worker: Any, token: Any) -> Display:
    known = msgspec.convert((display, symbol, unpack(init), first, worker, token), ROW)
    return Display(*known)


def insert(connection: sqlite3.Connection, row: Display) -> None:
    """Write a new display."""
    connection.execute(
        "INSERT INTO displays (id, symbol, init, first, worker, token) VALUES (?, ?, ?, ?, NULL, 0)",
        (row.id, row.symbol, pack(row.init), row.first),
    )


def set_init(connection: sqlite3.Connection, display: str, init: dict[str, Any]) -> None:
    """Write the initial values of a display."""
    connection.execute("UPDATE displays SET init = ? WHERE id = ?", (pack(init), display))


def set_day(connection: sqlite3.Connection, display: str, init: dict[str, Any], first: int) -> None:
    """Write the values with which a display's day began, and its first tick."""
    connection.execute("UPDATE displays SET init = ?, first = ? WHERE id = ?", (pack(init), first, display))


def assign(connection: sqlite3.Connection, given: dict[str, tuple[str | None, int]]) -> None:
    """Write the assignment of displays: id -> worker and token."""
    rows = [(worker, token, display) for display, (worker, token) in given.items()]
    connection.executemany("UPDATE displays SET worker = ?, token = ? WHERE id = ?", rows)


def delete(connection: sqlite3.Connection, gone: list[str]) -> None:
    """Delete displays."""
    connection.executemany("DELETE FROM displays WHERE id = ?", [(display,) for display in gone])

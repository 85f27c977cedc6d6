"""Copies the readable rows of a damaged store into the new one, so that a damaged page does not lose all accepted tasks."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hulak.bus.broker.storage import database_schema

KEYS = {"config_values": "scope {0}, key {0}", "config_versions": "version {0}"}  # all other tables are ordered by rowid


def take_over(old: Path, connection: sqlite3.Connection) -> int:
    """Copy the readable rows.

    Args:
        old: the file that was set aside.
        connection: to the new one.
    Returns:
        the number of rows copied.
    """
    taken = 0
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(old, isolation_level=None)) as source:
        (version,) = source.execute("PRAGMA user_version").fetchone()
        if version > database_schema.VERSION:
            return 0
        connection.execute("BEGIN IMMEDIATE")
        for table, columns in database_schema.LAYOUTS[version].items():
            names = ", ".join(columns if table in KEYS else ["rowid", *columns])
            for row in _rows(source, table, names):
                with contextlib.suppress(sqlite3.IntegrityError):
                    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - of LAYOUTS
                    taken += connection.execute(statement, row).rowcount
        connection.execute("COMMIT")
    return taken


def _rows(source: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows from the beginning to the damage, and from the end back to it."""
    for way in ("ASC", "DESC"):
        order = KEYS.get(table, "rowid {0}").format(way)
        with contextlib.suppress(sqlite3.Error):
            yield from source.execute(f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608 - of LAYOUTS
            return

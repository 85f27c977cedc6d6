"""The SQL statements of alerts: added, listed, enabled, removed. PROTOCOL.md section 7.10."""

import sqlite3
from typing import Any

from hulak.bus.core.alerts.alert_requests import AlertArguments, definition_of
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack

MOST = 5000  # alerts
SHARE = 1000  # of one key, so that it leaves room for the others
AlertRow = dict[str, Any]


def rows(connection: sqlite3.Connection) -> list[AlertRow]:
    """Read all alerts, by name; of one that cannot be read, `on` is empty."""
    query = "SELECT id, name, definition, owner, enabled, created_ns FROM alerts ORDER BY name"
    return [_row(*values) for values in connection.execute(query).fetchall()]


def read(connection: sqlite3.Connection, name: str) -> AlertRow | None:
    """Read an alert by its name."""
    query = "SELECT id, name, definition, owner, enabled, created_ns FROM alerts WHERE name = ?"
    values = connection.execute(query, (name,)).fetchone()
    return None if values is None else _row(*values)


def _row(alert: bytes, name: str, definition: bytes, owner: str, enabled: int, created_ns: int) -> AlertRow:
    try:
        content = dict(unpack(definition))
    except (ProtocolError, TypeError, ValueError):
        content = {"symbol": "", "on": ""}
    return {**content, "id": alert, "name": name, "owner": owner, "enabled": bool(enabled), "created_ns": created_ns}


def add(connection: sqlite3.Connection, args: AlertArguments, new_id: bytes, owner: str, now_ns: int) -> AlertRow | ProtocolError:
    """Add an alert; a repeated request, and one of the same name with the same values, find the former one.

    Args:
        connection: to the store.
        args: of the request.
        new_id: the id of the request.
        owner: name of the key of the client; empty: the broker's owner.
        now_ns: ns since 1970 UTC.
    """
    name, definition = args.name or new_id.hex()[:8], definition_of(args)
    other = read(connection, name)
    if other is not None:
        same = other["owner"] == owner and all(other.get(key) == value for key, value in definition.items())
        if same:
            return {**other, "new": False}
        text = f"there is an alert {name!r} with other values; `hulak alert rm {name}` removes it, or use another name"
        return ProtocolError("BAD_ARGUMENT", text)
    if (full := _full(connection, owner)) is not None:
        return full
    values = (new_id, name, pack(definition), owner, now_ns)
    connection.execute("INSERT INTO alerts (id, name, definition, owner, enabled, created_ns) VALUES (?, ?, ?, ?, 1, ?)", values)
    return {**(read(connection, name) or {}), "new": True}


def _full(connection: sqlite3.Connection, owner: str) -> ProtocolError | None:
    (count,) = connection.execute("SELECT count(*) FROM alerts").fetchone()
    if count >= MOST:
        return ProtocolError("BUSY", f"{count} alerts are kept, no more are; `hulak alert rm` removes some")
    (own,) = connection.execute("SELECT count(*) FROM alerts WHERE owner = ?", (owner,)).fetchone()
    if owner and own >= SHARE:
        return ProtocolError(
            "BUSY", f"{own} alerts of key {owner!r} are kept, no more are of one key; `hulak alert rm` removes some"
        )
    return None


def enable(connection: sqlite3.Connection, name: str, *, enabled: bool) -> AlertRow:
    """Let an alert be evaluated, or not."""
    connection.execute("UPDATE alerts SET enabled = ? WHERE name = ?", (int(enabled), name))
    return read(connection, name) or {}


def remove(connection: sqlite3.Connection, name: str) -> AlertRow:
    """Remove an alert, and return it."""
    row = read(connection, name) or {}
    connection.execute("DELETE FROM alerts WHERE name = ?", (name,))
    return row

"""The SQL statements of layouts: listed, shown, put, removed. PROTOCOL.md section 7.11."""

import sqlite3
from typing import Any

from hulak.bus.core.layout_requests import LayoutPutArguments, LayoutRemoveArguments
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack
from hulak.bus.wire.messages import ID_BYTES

MOST = 200  # layouts
REQUESTS = 16  # of each layout the ids of the last ones are kept, to recognise one that is repeated
HEAD = ("name", "view", "version", "by", "at_ns", "bytes")
_COLUMNS = "name, view, version, by, at_ns, length(document)"
LayoutRow = dict[str, Any]


def rows(connection: sqlite3.Connection, view: str | None) -> list[LayoutRow]:
    """Read the heads of all layouts, or of those of a view, by name."""
    query = f"SELECT {_COLUMNS} FROM layouts WHERE ?1 IS NULL OR view = ?1 ORDER BY name"  # noqa: S608 - a constant
    return [dict(zip(HEAD, values, strict=True)) for values in connection.execute(query, (view,)).fetchall()]


def show(connection: sqlite3.Connection, name: str) -> LayoutRow | ProtocolError:
    """Read a layout with its document."""
    query = f"SELECT {_COLUMNS}, document FROM layouts WHERE name = ?"  # noqa: S608 - a constant
    values = connection.execute(query, (name,)).fetchone()
    if values is None:
        return _unknown(name)
    *head, packed = values
    try:
        document = dict(unpack(packed))
    except (ProtocolError, TypeError, ValueError) as error:
        return ProtocolError("STORE_FAILED", f"layout {name!r} cannot be read ({error}); put it again, or remove it")
    return {**dict(zip(HEAD, head, strict=True)), "document": document}


def put(
    connection: sqlite3.Connection, args: LayoutPutArguments, request: bytes, by: str, now_ns: int
) -> LayoutRow | ProtocolError:
    """Add a layout, or replace the one of its name; returns its head. A repeated request changes nothing.

    Args:
        connection: to the store.
        args: of the request.
        request: its id.
        by: its author.
        now_ns: ns since 1970 UTC.
    """
    there = _head(connection, args.name)
    requests = _requests(connection, args.name)
    if there is not None and request in requests:
        return there
    if args.if_version is not None and args.if_version != (0 if there is None else there["version"]):
        return _other(args.name, args.if_version, there)
    if there is None:
        (count,) = connection.execute("SELECT count(*) FROM layouts").fetchone()
        if count >= MOST:
            return ProtocolError("BUSY", f"{count} layouts are kept, no more are; `hulak layout rm` removes some")
    version = 1 + (_floor(connection) if there is None else there["version"])
    kept = b"".join([request, *requests][:REQUESTS])
    values = (args.name, args.document["view"], version, by, now_ns, kept, pack(args.document))
    connection.execute(
        "INSERT OR REPLACE INTO layouts (name, view, version, by, at_ns, request, document) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    return _head(connection, args.name) or {}


def remove(connection: sqlite3.Connection, args: LayoutRemoveArguments) -> LayoutRow | ProtocolError:
    """Remove a layout; returns its head."""
    there = _head(connection, args.name)
    if there is None:
        return _unknown(args.name)
    if args.if_version is not None and args.if_version != there["version"]:
        return _other(args.name, args.if_version, there)
    connection.execute("DELETE FROM layouts WHERE name = ?", (args.name,))
    # Else a later layout of this name would have the versions of this one, and a page that still shows this one would replace it.
    floor = max(_floor(connection), there["version"])
    connection.execute("INSERT OR REPLACE INTO layout_floor (id, version) VALUES (1, ?)", (floor,))
    return there


def _floor(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM layout_floor").fetchone()
    return int(version)


def _requests(connection: sqlite3.Connection, name: str) -> list[bytes]:
    """Read the ids of the last requests that changed a layout, the newest first."""
    row = connection.execute("SELECT request FROM layouts WHERE name = ?", (name,)).fetchone()
    ids = b"" if row is None else bytes(row[0])
    return [ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)]


def _head(connection: sqlite3.Connection, name: str) -> LayoutRow | None:
    query = f"SELECT {_COLUMNS} FROM layouts WHERE name = ?"  # noqa: S608 - a constant
    values = connection.execute(query, (name,)).fetchone()
    return None if values is None else dict(zip(HEAD, values, strict=True))


def _unknown(name: str) -> ProtocolError:
    return ProtocolError("UNKNOWN_LAYOUT", f"there is no layout {name!r}; `hulak layout ls` lists all")


def _other(name: str, wanted: int, there: LayoutRow | None) -> ProtocolError:
    if there is None:
        return _other_version(f"layout {name!r} was removed since version {wanted}", 0)
    head = f"layout {name!r} has version {there['version']}" + (f" by {there['by']}" if there["by"] else "")
    text = f"{head}, not {wanted}" if wanted else f"{head} already"
    return _other_version(f"{text}; look at it, and try again", there["version"])


def _other_version(text: str, version: int) -> ProtocolError:
    error = ProtocolError("OTHER_VERSION", text)
    error.details["version"] = version
    return error

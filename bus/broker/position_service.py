"""The positions of named subscribers: the last tick that each has processed, kept in the store. PROTOCOL.md section 7.8.

A position has a token, which grows each time that a subscriber opens it: an earlier subscriber of the same name, which may only
have been slow, can no longer write it. The rows are read and written in the store alone, so that none is answered from memory
while the store cannot be used.
"""

import sqlite3
import time
from functools import partial
from typing import Any

from hulak.bus.broker.store_effects import BrokerEffect, Store, check_stored
from hulak.bus.core.control_requests import NoArguments, PositionArguments, PositionRemoveArguments, PositionSaveArguments
from hulak.bus.core.effects import Asker
from hulak.bus.errors import ProtocolError

MOST = 1000  # positions
SHARE = 250  # of one key, so that it leaves room for the others
COLUMNS = ("name", "owner", "token", "number", "epoch", "saved_ns")


def open_row(connection: sqlite3.Connection, name: str, owner: str | None) -> "dict[str, Any] | ProtocolError":
    """Set a position's next token; create the position if there is none.

    Args:
        connection: of the store.
        name: of the subscriber.
        owner: name of the key of the client; None: the broker's owner.
    """
    row = _row(connection, name)
    if row is None:
        (count,) = connection.execute("SELECT count(*) FROM positions").fetchone()
        if count >= MOST:
            return ProtocolError("BUSY", f"{count} positions are kept, no more are; `hulak positions rm` removes some")
        (own,) = connection.execute("SELECT count(*) FROM positions WHERE owner = ?", (owner or "",)).fetchone()
        if owner is not None and own >= SHARE:
            text = f"{own} positions of key {owner!r} are kept, no more are of one key; `hulak positions rm` removes some"
            return ProtocolError("BUSY", text)
        values = (name, owner or "", 1, 0, 0, 0)
        connection.execute(
            "INSERT INTO positions (name, owner, token, number, epoch, saved_ns) VALUES (?, ?, ?, ?, ?, ?)", values
        )
    elif not _may(row, owner):
        return _not_yours(name)
    else:
        connection.execute("UPDATE positions SET token = token + 1 WHERE name = ?", (name,))
    return _row(connection, name) or {}


def save_row(connection: sqlite3.Connection, args: PositionSaveArguments, owner: str | None, now_ns: int) -> ProtocolError | None:
    """Write the number of a position under its token."""
    row = _row(connection, args.name)
    if row is None:
        return ProtocolError("UNKNOWN_POSITION", f"there is no position {args.name!r}: it was removed")
    if not _may(row, owner):
        return _not_yours(args.name)
    if row["token"] != args.token:
        return ProtocolError("NOT_YOURS", f"position {args.name!r} was opened by another subscriber since, which has it now")
    values = (args.number, args.epoch, now_ns, args.name)
    connection.execute("UPDATE positions SET number = ?, epoch = ?, saved_ns = ? WHERE name = ?", values)
    return None


def list_rows(connection: sqlite3.Connection, owner: str | None) -> list[dict[str, Any]]:
    """Return the positions of a key, or all if the owner is None, by name."""
    rows = connection.execute("SELECT name, owner, token, number, epoch, saved_ns FROM positions ORDER BY name").fetchall()
    return [row for row in (dict(zip(COLUMNS, values, strict=True)) for values in rows) if _may(row, owner)]


def remove_rows(connection: sqlite3.Connection, names: list[str], owner: str | None) -> list[str]:
    """Remove positions; return the names of those that there were."""
    removed = [row["name"] for row in list_rows(connection, owner) if row["name"] in names]
    connection.executemany("DELETE FROM positions WHERE name = ?", [(name,) for name in removed])
    return removed


def _row(connection: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    values = connection.execute(
        "SELECT name, owner, token, number, epoch, saved_ns FROM positions WHERE name = ?", (name,)
    ).fetchone()
    return None if values is None else dict(zip(COLUMNS, values, strict=True))


def _may(row: dict[str, Any], owner: str | None) -> bool:
    return owner is None or row["owner"] == owner


def _not_yours(name: str) -> ProtocolError:
    return ProtocolError("NOT_YOURS", f"position {name!r} belongs to another key")


class PositionService:
    """Answers `hulak.position.*`, when the store has it."""

    def open(self, asker: Asker, args: PositionArguments, now: float) -> list[BrokerEffect]:
        """Begin to use a position; answer with its token and its last number."""
        del now
        job = partial(open_row, name=args.name, owner=_key_of(asker))
        return [_stored(job, asker, f"position {args.name!r} cannot be opened")]

    def save(self, asker: Asker, args: PositionSaveArguments, now: float) -> list[BrokerEffect]:
        """Write a position."""
        del now
        job = partial(save_row, args=args, owner=_key_of(asker), now_ns=time.time_ns())
        return [_stored(job, asker, f"position {args.name!r} was not saved")]

    def rows(self, asker: Asker, args: NoArguments, now: float) -> list[BrokerEffect]:
        """List positions: all, or to a key that may not read everything its own."""
        del args, now
        reads_all = asker.caller is not None and asker.caller.rights.may_read
        job = partial(list_rows, owner=None if reads_all else _key_of(asker))
        return [_stored(job, asker, "the positions cannot be read")]

    def remove(self, asker: Asker, args: PositionRemoveArguments, now: float) -> list[BrokerEffect]:
        """Remove positions: of a key without the role `control` only its own."""
        del now
        controls = asker.caller is not None and asker.caller.rights.may_control
        job = partial(remove_rows, names=args.names, owner=None if controls else _key_of(asker))
        return [_stored(job, asker, "no position was removed")]


def _key_of(asker: Asker) -> str | None:
    return None if asker.caller is None else asker.caller.name


def _stored(job: Any, asker: Asker, failed: str) -> Store:
    def then(value: Any, why: str) -> list[BrokerEffect]:
        check_stored(why, failed)
        if isinstance(value, ProtocolError):
            raise value
        return [asker.reply({} if value is None else value)]

    return Store(job, then, [asker])

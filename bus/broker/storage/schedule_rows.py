"""The SQL statements of schedules: added, listed, paused, resumed, removed. PROTOCOL.md section 7.9.

`bus.broker.storage.schedule_posts` posts the tasks of runs that are due.
"""

import hashlib
import sqlite3
from datetime import tzinfo
from typing import Any

from msgspec import Struct

from hulak.bus.broker.storage import calendar_rows
from hulak.bus.core import control_arguments
from hulak.bus.core.schedules.due_times import DueTimes
from hulak.bus.core.schedules.local_times import first_moment
from hulak.bus.core.schedules.schedule_requests import ScheduleArguments, definition_of
from hulak.bus.core.schedules.trading_days import DaysUnknown
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack

MOST = 1000  # schedules
SHARE = 250  # of one key, so that it leaves room for the others
NS = 1_000_000_000
ACTIVE, PAUSED, ENDED = "active", "paused", "ended"
COLUMNS = (
    "id, name, service, definition, owner, state, why, created_s, start_s, until_s, delay_s, after_s, due_s, check_s, posted,"
    " missed, skipped, failures, last_due_s, last_task, last_state"
)
NAMES = COLUMNS.split(", ")
Row = dict[str, Any]  # column -> value


class Horizon(Struct, frozen=True):
    """The times of all schedules that the loop must know, in seconds since 1970 UTC."""

    check_s: int | None  # when the next one is handled; None: never
    latest_s: int | None  # the latest time up to which one was handled: an earlier present means that the clock was set back
    awaited: tuple[bytes, ...] = ()  # ids of tasks, for whose end runs that are due wait


def horizon(connection: sqlite3.Connection) -> Horizon:
    """Read when schedules are handled next."""
    (check_s,) = connection.execute("SELECT min(check_s) FROM schedules WHERE check_s NOTNULL").fetchone()
    (latest_s,) = connection.execute("SELECT max(after_s) FROM schedules WHERE state != 'paused'").fetchone()
    awaited = connection.execute("SELECT last_task FROM schedules WHERE check_s > due_s + delay_s AND last_task NOTNULL")
    return Horizon(check_s, latest_s, tuple(task for (task,) in awaited.fetchall()))


def read(connection: sqlite3.Connection, name: str) -> Row | None:
    """Read a schedule by its name."""
    values = connection.execute(f"SELECT {COLUMNS} FROM schedules WHERE name = ?", (name,)).fetchone()  # noqa: S608
    return None if values is None else dict(zip(NAMES, values, strict=True))


def arguments_of(row: Row) -> ScheduleArguments:
    """Return the arguments with which a schedule was added. Raises `ProtocolError` if they cannot be read."""
    return control_arguments.read(ScheduleArguments, unpack(row["definition"]))


def times_of(connection: sqlite3.Connection, row: Row, args: ScheduleArguments) -> DueTimes:
    """Return the due times of a schedule. Raises `ProtocolError`: its zone or its calendar is unknown."""
    days = None if args.calendar is None else calendar_rows.find(connection, args.calendar)
    zone = calendar_rows.zone_of(args.zone or "UTC")
    return DueTimes(args.cron, args.every_s, row["start_s"], row["until_s"], zone, days, unbounded=args.at is None)


def add(connection: sqlite3.Connection, args: ScheduleArguments, new_id: bytes, owner: str, now_s: int) -> Row | ProtocolError:
    """Add a schedule; a repeated request, and one of the same name with the same values, find the former one.

    A schedule of the same name that has ended is replaced.

    Args:
        connection: to the store.
        args: of the request.
        new_id: the id of the request.
        owner: name of the key of the client; empty: the broker's owner.
        now_s: the present moment by the wall clock.
    """
    name = args.name or new_id.hex()[:8]
    try:
        definition = _definition(connection, args, name)
        other = _by_id(connection, new_id) or read(connection, name)
        if other is not None and other["state"] == ENDED and other["id"] != new_id and other["owner"] == owner:
            remove(connection, name)
        elif other is not None:
            return _same(other, definition, owner)
        if (full := _full(connection, owner)) is not None:
            return full
        row = _begin(connection, args, definition, now_s)
    except ProtocolError as error:
        return error
    except DaysUnknown as error:
        return ProtocolError("UNKNOWN_CALENDAR", str(error))
    values = (new_id, name, args.service, definition, owner, row["created_s"], row["start_s"], row["until_s"], row["due_s"])
    delay_s = delay_of(new_id, args.jitter_s)
    connection.execute(
        "INSERT INTO schedules (id, name, service, definition, owner, state, why, created_s, start_s, until_s, due_s, delay_s,"
        " after_s, check_s) VALUES (?, ?, ?, ?, ?, 'active', '', ?, ?, ?, ?, ?, ?, ?)",
        (*values, delay_s, now_s, row["due_s"] + delay_s),
    )
    return {**(read(connection, name) or {}), "new": True}


def delay_of(schedule: bytes, jitter_s: int) -> int:
    """Return by how many seconds the runs of a schedule are posted later: the same for each of its runs, below `jitter_s`."""
    return int.from_bytes(hashlib.sha256(schedule).digest()[:8]) % jitter_s if jitter_s else 0


def _definition(connection: sqlite3.Connection, args: ScheduleArguments, name: str) -> bytes:
    zone = args.zone
    if zone is None:
        zone = "UTC" if args.calendar is None else calendar_rows.find(connection, args.calendar).zone
    calendar_rows.zone_of(zone)
    return pack({**definition_of(args), "name": name, "zone": zone})


def _by_id(connection: sqlite3.Connection, schedule: bytes) -> Row | None:
    other = connection.execute("SELECT name FROM schedules WHERE id = ?", (schedule,)).fetchone()
    return None if other is None else read(connection, other[0])


def _same(other: Row, definition: bytes, owner: str) -> Row | ProtocolError:
    if other["definition"] == definition and other["owner"] == owner:
        return {**other, "new": False}
    text = f"schedule {other['name']!r} exists with other values or another owner; `hulak schedule rm` removes it"
    return ProtocolError("BAD_ARGUMENT", text)


def _full(connection: sqlite3.Connection, owner: str) -> ProtocolError | None:
    (count,) = connection.execute("SELECT count(*) FROM schedules").fetchone()
    if count >= MOST:
        return ProtocolError("BUSY", f"{count} schedules are kept, no more are; `hulak schedule rm` removes some")
    (own,) = connection.execute("SELECT count(*) FROM schedules WHERE owner = ?", (owner,)).fetchone()
    if owner and own >= SHARE:
        return ProtocolError("BUSY", f"{own} schedules of key {owner!r} are kept, no more are of one key")
    return None


def _begin(connection: sqlite3.Connection, args: ScheduleArguments, definition: bytes, now_s: int) -> Row:
    zone: tzinfo = calendar_rows.zone_of(unpack(definition)["zone"])
    days = None if args.calendar is None else calendar_rows.find(connection, args.calendar)
    start_s = now_s + (args.every_s or 0)
    if args.at is not None:
        start_s = first_moment(args.at, now_s, zone, days)
        if start_s <= now_s and args.every_s is None:
            raise ProtocolError("BAD_ARGUMENT", f"argument at is {args.at!r}, which is over")
    until_s = None if args.until is None else first_moment(args.until, now_s, zone, None)
    due_s = DueTimes(args.cron, args.every_s, start_s, until_s, zone, days).after(now_s)
    if due_s is None:
        raise ProtocolError("BAD_ARGUMENT", "the schedule has no due time: it would never run")
    return {"created_s": now_s, "start_s": start_s, "until_s": until_s, "due_s": due_s}


def rows(connection: sqlite3.Connection) -> list[Row]:
    """List all schedules, the next one first; the state of the last run's task is the present one while its row is kept."""
    which = ", ".join("coalesce(t.state, s.last_state)" if name == "last_state" else f"s.{name}" for name in NAMES)
    how = f"SELECT {which} FROM schedules s LEFT JOIN tasks t ON t.id = s.last_task ORDER BY s.check_s IS NULL, s.check_s, s.name"  # noqa: S608
    return [dict(zip(NAMES, values, strict=True)) for values in connection.execute(how)]


def pause(connection: sqlite3.Connection, name: str) -> Row | None:
    """Stop the runs of a schedule until it is resumed; an ended one stays as it is."""
    connection.execute("UPDATE schedules SET state = 'paused', check_s = NULL WHERE name = ? AND state = 'active'", (name,))
    return read(connection, name)


def resume(connection: sqlite3.Connection, name: str, moment: Moment) -> Row | None:
    """Let a paused schedule run again; due times while it was paused are left out."""
    row = read(connection, name)
    if row is None or row["state"] != PAUSED:
        return row
    plan_next(connection, row, max(row["after_s"], moment.now_ns // NS - row["delay_s"]), moment)
    return read(connection, name)


def plan_next(connection: sqlite3.Connection, row: Row, after_s: int, moment: Moment) -> None:
    """Write the next due time of a schedule after `after_s`; or its end, or why the next one is unknown."""
    due_s, why, state = None, "", ACTIVE
    try:
        args = arguments_of(row)
        if args.runs is not None and row["posted"] >= args.runs:
            why, state = f"it has had its {args.runs} runs", ENDED
        else:
            due_s = times_of(connection, row, args).after(after_s)
            if due_s is None:
                why, state = "it has no further due time", ENDED
    except (ProtocolError, DaysUnknown, TypeError, ValueError) as error:  # it waits for a change, visibly
        why = str(error)
    check_s = None if due_s is None else due_s + row["delay_s"]
    age_s = moment.age_s if state == ENDED else None
    connection.execute(
        "UPDATE schedules SET after_s = ?, due_s = ?, check_s = ?, state = ?, why = ?, ended_age_s = ? WHERE id = ?",
        (after_s, due_s, check_s, state, why, age_s, row["id"]),
    )


def remove(connection: sqlite3.Connection, name: str) -> bool:
    """Delete a schedule; the tasks of its runs stay."""
    return connection.execute("DELETE FROM schedules WHERE name = ?", (name,)).rowcount == 1

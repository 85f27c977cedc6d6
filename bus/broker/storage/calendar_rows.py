"""The SQL statements of calendars, and the time zones that schedules name. PROTOCOL.md section 7.9."""

import functools
import sqlite3
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hulak.bus.core import control_arguments
from hulak.bus.core.schedules.schedule_requests import CalendarArguments
from hulak.bus.core.schedules.trading_days import TradingDays
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack, unpack

MOST = 100  # calendars


@functools.lru_cache(maxsize=128)
def zone_of(name: str) -> tzinfo:
    """Return a time zone.

    Raises:
        ProtocolError: `BAD_ARGUMENT`: this machine does not know it.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        text = f"argument zone is {name!r}, which is no time zone that the broker's machine knows, e.g. 'Asia/Kathmandu'"
        raise ProtocolError("BAD_ARGUMENT", text) from error


def write(connection: sqlite3.Connection, args: CalendarArguments, now_ns: int, now_s: int) -> dict[str, Any] | ProtocolError:
    """Set a calendar; its schedules are handled again, since their next due times may change."""
    try:
        zone_of(args.zone)
    except ProtocolError as error:
        return error
    known = connection.execute("SELECT 1 FROM calendars WHERE name = ?", (args.name,)).fetchone()
    (count,) = connection.execute("SELECT count(*) FROM calendars").fetchone()
    if known is None and count >= MOST:
        return ProtocolError("BUSY", f"{count} calendars are kept, no more are; `hulak schedule calendar rm` removes some")
    content = pack(msgspec.structs.asdict(args))
    connection.execute("INSERT OR REPLACE INTO calendars (name, content, set_ns) VALUES (?, ?, ?)", (args.name, content, now_ns))
    for schedule, definition in connection.execute("SELECT id, definition FROM schedules WHERE state = 'active'").fetchall():
        if calendar_in(definition) == args.name:
            connection.execute("UPDATE schedules SET check_s = ? WHERE id = ?", (now_s, schedule))
    return {"calendar": args.name, "first": args.first, "last": args.last}


def calendar_in(definition: bytes) -> str | None:
    """Return the name of the calendar in a schedule's stored definition; None if it has none, or cannot be read."""
    try:
        calendar = unpack(definition).get("calendar")
    except (ProtocolError, AttributeError):
        return None
    return calendar if isinstance(calendar, str) else None


def find(connection: sqlite3.Connection, name: str) -> TradingDays:
    """Read a calendar.

    Raises:
        ProtocolError: `UNKNOWN_CALENDAR`: there is none of this name, or it cannot be read.
    """
    row = connection.execute("SELECT content FROM calendars WHERE name = ?", (name,)).fetchone()
    if row is None:
        text = f"there is no calendar {name!r}; `hulak schedule calendar update {name}` or `hulak.calendar.set` sets it"
        raise ProtocolError("UNKNOWN_CALENDAR", text)
    try:
        return control_arguments.read(CalendarArguments, unpack(row[0])).days()
    except (ProtocolError, TypeError) as error:
        raise ProtocolError("UNKNOWN_CALENDAR", f"calendar {name!r} cannot be read, set it again: {error}") from error


def rows(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """List all calendars, by name: as they were set, and when."""
    listed = []
    for name, content, set_ns in connection.execute("SELECT name, content, set_ns FROM calendars ORDER BY name"):
        try:
            values = dict(unpack(content))
        except (ProtocolError, TypeError, ValueError):
            values = {}  # its schedules say that it cannot be read
        listed.append({**values, "name": name, "set_ns": set_ns})
    return listed


def remove(connection: sqlite3.Connection, name: str) -> dict[str, Any] | ProtocolError:
    """Remove a calendar that no schedule has."""
    used = [
        schedule
        for schedule, definition in connection.execute("SELECT name, definition FROM schedules WHERE state != 'ended'")
        if calendar_in(definition) == name
    ]
    if used:
        return ProtocolError("BAD_ARGUMENT", f"calendar {name!r} is that of {len(used)} schedules, the first is {used[0]!r}")
    if connection.execute("DELETE FROM calendars WHERE name = ?", (name,)).rowcount == 0:
        return ProtocolError("UNKNOWN_CALENDAR", f"there is no calendar {name!r}")
    return {"calendar": name}

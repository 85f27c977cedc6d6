"""The contents of the journal, the segment that leaves next, and how long the disk lasts: `hulak journal info`."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hulak.bus.broker.storage.journal_note import NoteFile
from hulak.bus.core.journal.broker_clock import Clocks
from hulak.bus.process.lifecycle import boot_id, since_boot
from hulak.bus.process.settings import JournalSettings
from hulak.bus.wire.time_texts import iso_time
from hulak.clients.cli.command import Call
from hulak.clients.cli.journal_files import SegmentContents, archive_of, segments, segments_in
from hulak.clients.doctor.checks.result import size
from hulak.clients.durations import age, exactly

DAY_S = 86_400.0


def read_info(call: Call) -> dict[str, Any]:
    """Read the facts from the files of the home folder, and of its archive.

    Raises:
        ConfigError: no journal in the home folder.
    """
    folder = call.home / "journal"
    rows, _ = segments(call)
    noted = NoteFile(folder).read()[1].aged()
    age_s = 0.0 if noted is None else noted.later(Clocks(boot_id(), since_boot(), time.time_ns()))
    facts = journal_facts(rows, call.settings.journal, age_s, shutil.disk_usage(folder).free)
    if call.settings.journal.archive is not None:
        facts["archive"] = _archive(archive_of(call))
    return facts


def journal_facts(rows: Sequence[SegmentContents], settings: JournalSettings, age_s: float, free: int) -> dict[str, Any]:
    """Return the facts of a journal.

    Args:
        rows: its segments, in order; at least one.
        settings: of the journal.
        age_s: the present age, by the broker's clock; 0 if it is not known.
        free: bytes on its disk.
    """
    stored, plain = sum(row.stored for row in rows), sum(row.size for row in rows)
    begun_s = [row.head.age_s for row in rows if row.head is not None and row.head.age_s is not None]
    since_ns = next((row.head.time_ns for row in rows if row.head is not None), 0)
    covers_s = age_s - begun_s[0] if begun_s and age_s else 0.0
    per_day = stored / covers_s * DAY_S if covers_s > 0 else None
    return {
        "segments": len(rows),
        "compressed": sum(row.compressed for row in rows),
        "bytes": stored,
        "plain_bytes": plain,
        "first": rows[0].before + 1,
        "since": iso_time(since_ns) if since_ns else None,
        "covers_s": covers_s or None,
        "max_s": settings.max_s,
        "min_s": settings.min_hours * 3600,
        "max_bytes": settings.max_bytes,
        "next": _next(rows, settings, age_s, stored),
        "bytes_per_day": per_day,
        "free_bytes": free,
        "disk_days": free / per_day if per_day else None,
        "disk_is_enough": free >= settings.max_bytes - stored,
    }


def _next(rows: Sequence[SegmentContents], settings: JournalSettings, age_s: float, stored: int) -> dict[str, Any] | None:
    """Return the segment that leaves next, in how many seconds for its age, and after how many more bytes."""
    if len(rows) < 2:
        return None
    following = rows[1].head
    in_s = None
    if following is not None and following.age_s is not None and age_s:
        in_s = max(0.0, following.age_s + settings.max_s - age_s)
    return {
        "segment": rows[0].path.name,
        "first": rows[0].before + 1,
        "last": rows[1].before,
        "in_s": in_s,
        "in_bytes": max(0, settings.max_bytes - stored),
    }


def _archive(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"folder": str(folder), "segments": 0}
    if not folder.is_dir():
        return facts
    rows, _ = segments_in(folder) if any(folder.glob("*.hj*")) else ([], [])
    since_ns = next((row.head.time_ns for row in rows if row.head is not None), 0)
    return facts | {
        "segments": len(rows),
        "bytes": sum(row.stored for row in rows),
        "first": rows[0].before + 1 if rows else None,
        "since": iso_time(since_ns) if since_ns else None,
        "free_bytes": shutil.disk_usage(folder).free,
    }


def rows_of(facts: dict[str, Any]) -> list[list[str]]:
    """Return the facts as rows of a table for people."""
    ratio = facts["plain_bytes"] / facts["bytes"] if facts["bytes"] else 1.0
    kept = f"{exactly(facts['max_s'])}, at most {size(facts['max_bytes'])}"
    if facts["min_s"]:
        kept += f", but {exactly(facts['min_s'])} in any case"
    rows = [
        ["segments", f"{facts['segments']}, {facts['compressed']} of them compressed"],
        ["on the disk", f"{size(facts['bytes'])} of {size(facts['plain_bytes'])} ({ratio:.1f} times smaller)"],
        ["since", f"{facts['since'] or 'unknown'}, tick {facts['first']:,}" + _covered(facts["covers_s"])],
        ["is kept", kept],
        ["leaves next", _leaves(facts["next"])],
    ]
    if facts["bytes_per_day"]:
        rows.append(["per day", size(facts["bytes_per_day"])])
    enough = "enough for max_bytes" if facts["disk_is_enough"] else "not enough for max_bytes"
    days = "" if facts["disk_days"] is None else f", for {facts['disk_days']:,.1f} days at this rate"
    rows.append(["free on the disk", f"{size(facts['free_bytes'])}: {enough}{days}"])
    if archive := facts.get("archive"):
        rows += _archive_rows(archive)
    return rows


def _archive_rows(archive: dict[str, Any]) -> list[list[str]]:
    if not archive["segments"]:
        return [["archive", f"{archive['folder']}: nothing yet"]]
    since = f"since {archive['since'] or 'unknown'}, tick {archive['first']:,}"
    text = f"{archive['segments']} segments, {size(archive['bytes'])}, {since}; {size(archive['free_bytes'])} free"
    return [["archive", archive["folder"]], ["in the archive", text]]


def _leaves(following: dict[str, Any] | None) -> str:
    if following is None:
        return "nothing: there is one segment"
    within = "" if following["in_s"] is None else f"in {age(following['in_s'])}, or "
    return f"ticks {following['first']:,} to {following['last']:,}, {within}after {size(following['in_bytes'])} more"


def _covered(covers_s: float | None) -> str:
    return "" if covers_s is None else f", {age(covers_s)}"

"""The newest lines of the processes' logs in the home's folder `log`, filtered. Reads files, no other I/O.

A client names a process, never a file: the name must be one of the files that are there. Of each file its end alone is read.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from hulak.bus.errors import BusError
from hulak.bus.process.log import LEVELS
from hulak.bus.wire.time_texts import ns_of

MOST_FILES = 200
END_BYTES = 1 << 18  # read of the one file that is asked for
SHARE_BYTES = 1 << 15  # read of each file if all are
LONGEST = 2000  # characters of a line's fields; of a text that is no JSON, too
SUFFIX = ".log"
STANDARD = ("event", "level", "timestamp", "process")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; an empty text is in every line."""

    process: str | None
    level: str
    text: str
    limit: int


def read_log(folder: Path, wanted: LogFilter) -> dict[str, Any]:
    """Return the newest lines, the oldest first.

    Args:
        folder: of the log files.
        wanted: which lines.
    Returns:
        processes: the names of all files; lines: maps of at_ms (or None), level, process, event and text; cut: older lines than
        those were not read.
    Raises:
        BusError: `UNKNOWN_PROCESS`.
    """
    names = _names(folder)
    if wanted.process is not None and wanted.process not in names:
        known = ", ".join(names) or "none; under systemd the log is in its journal"
        raise BusError("UNKNOWN_PROCESS", f"process {wanted.process!r} has no log file; known are {known}")
    chosen = names if wanted.process is None else [wanted.process]
    most = END_BYTES if wanted.process is not None else SHARE_BYTES
    rows: list[dict[str, Any]] = []
    cut = False
    for name in chosen:
        lines, more = _end_of(folder / f"{name}{SUFFIX}", most)
        cut = cut or more
        rows += [row for row in _rows(name, lines) if _is_wanted(row, wanted)]
    rows.sort(key=lambda row: row["at_ms"] or 0)
    return {"processes": names, "lines": rows[-wanted.limit :], "cut": cut or len(rows) > wanted.limit}


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            files = [entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    # A name that is not printable, or no UTF-8, is of no process of the bus, and could not be sent.
    return sorted(name.removesuffix(SUFFIX) for name in files if name.isprintable())[:MOST_FILES]


def _end_of(path: Path, most: int) -> tuple[list[str], bool]:
    """Return the last lines of a file, and whether there are earlier ones; none of a file that is gone."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError:
        return [], False
    lines = data.decode(errors="replace").split("\n")
    return lines[size > most :], size > most  # the first line is not whole


def _rows(name: str, lines: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file; a line that is no JSON belongs to the time of the one before it."""
    at_ms: float | None = None
    for line in lines:
        if not line.strip():
            continue
        fields = _fields(line)
        if fields is None:
            yield {"at_ms": at_ms, "level": "", "process": name, "event": line[:LONGEST], "text": ""}
            continue
        at_ms = _time(fields.get("timestamp"), at_ms)
        rest = {key: value for key, value in fields.items() if key not in STANDARD}
        text = " ".join(
            f"{key}={value if isinstance(value, str) else msgspec.json.encode(value).decode()}" for key, value in rest.items()
        )
        level = str(fields.get("level", ""))[:20]
        yield {
            "at_ms": at_ms,
            "level": level,
            "process": name,
            "event": str(fields.get("event", ""))[:LONGEST],
            "text": text[:LONGEST],
        }


def _fields(line: str) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return fields if isinstance(fields, dict) else None


def _time(text: Any, otherwise: float | None) -> float | None:
    try:
        return ns_of(datetime.fromisoformat(text)) / 1e6 if isinstance(text, str) else otherwise
    except (ValueError, OverflowError):
        return otherwise


def _is_wanted(row: dict[str, Any], wanted: LogFilter) -> bool:
    # A line without a level is what a program printed: of any importance.
    level = LEVELS.get(row["level"], LEVELS["error"])
    words = wanted.text.casefold()
    return level >= LEVELS[wanted.level] and (not words or words in f"{row['event']} {row['text']} {row['process']}".casefold())

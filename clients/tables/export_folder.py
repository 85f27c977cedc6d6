"""The folder of an export: its files, segment by segment and day by day, and the notes that list them.

    _hulak/export.json            how the folder is written: the journal, format, time zone, topics; the same for its whole life
    _hulak/segments/NAME.json     one segment of the journal: its ticks, its days, its files; written when they are in place
    _hulak/days/DAY.json          one day: whether it is complete, rows of each table, first and last number, files
    ticks/day=2026-11-30/NAME.parquet                   the rows of one segment
    ticks/day=2026-11-30/symbol=EURUSD/NAME.parquet     the same with --by symbol

A segment that has its file in `_hulak/segments` is done: a run that was killed goes on with the others. No tick is in two files.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from hulak.bus.errors import ConfigError
from hulak.clients.whole_file import whole_file

NOTES = "_hulak"
FORMS = ("parquet", "arrow", "csv")  # formats, and the endings of their files
NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # of what is no message and has no time; readers of such folders take it for null


class Shape(msgspec.Struct, frozen=True):
    """How a folder is written."""

    journal: str  # id of the journal
    form: str  # parquet, arrow or csv
    by: str  # day or symbol
    zone: str  # of its days, as in the time zone database
    topics: list[str]  # topics and prefixes; none: all
    version: int = 1


class FileNote(msgspec.Struct, frozen=True):
    """One file of an export."""

    path: str  # within the folder
    table: str
    day: str
    rows: int
    first: int  # lowest number in the global order
    last: int
    bytes: int
    sha256: str


class SegmentNote(msgspec.Struct, frozen=True):
    """The exported part of one segment."""

    segment: str  # its name in the journal, without its ending
    size: int  # bytes of the segment, when it was read
    closed: bool  # there was a newer segment: it does not change any more
    ticks: int  # all of it
    first: int  # number of its first tick; 0 if it has none
    last: int
    days: list[str]  # all that it has ticks of
    written: list[str]  # those of them that are exported
    rows: int  # exported
    left_out: int  # ticks of other topics and other days
    files: list[FileNote]


class ExportFolder:
    """A folder of an export.

    Args:
        path: of the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._segments = path / NOTES / "segments"

    def shape(self) -> Shape | None:
        """Return how the folder is written; None if it has no export yet.

        Raises:
            ConfigError: the note is malformed, or of a later version.
        """
        note = self.path / NOTES / "export.json"
        if not note.exists():
            return None
        shape: Shape = _read(note, Shape)
        if shape.version != 1:
            raise ConfigError(f"{note} is of version {shape.version}, this Hulak reads 1; use the Hulak that wrote it")
        return shape

    def begin(self, shape: Shape) -> None:
        """Write how the folder is written, or check that it is the same as before.

        Raises:
            ConfigError: the folder has an export with another shape.
        """
        before = self.shape()
        if before is None:
            self._segments.mkdir(parents=True, exist_ok=True)
            write_note(self.path / NOTES / "export.json", shape)
        elif before != shape:
            names = [name for name in shape.__struct_fields__ if getattr(before, name) != getattr(shape, name)]
            differences = ", ".join(f"{name} {getattr(before, name)!r}, not {getattr(shape, name)!r}" for name in names)
            raise ConfigError(f"{self.path} has an export of {differences}; name another folder, or export in the same way")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other exports away from the folder, for a block.

        Raises:
            ConfigError: another one is running; or the folder has other files: nothing in it is changed.
        """
        if self.shape() is None and self.path.exists() and any(path.name != NOTES for path in self.path.iterdir()):
            raise ConfigError(f"{self.path} has files and no export; name a new or an empty folder")
        (self.path / NOTES).mkdir(parents=True, exist_ok=True)
        with (self.path / NOTES / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"another export writes to {self.path}; wait until it ends") from error
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove the unfinished files of a run that was killed."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.startswith(".") and any(f".{ending}." in name for ending in ("json", *FORMS)):
                    (Path(folder) / name).unlink(missing_ok=True)

    def remove_former(self, exported: frozenset[str]) -> None:
        """Remove files of these segments that their new notes do not list: the ticks are in other files now."""
        listed = {self.path / file.path for note in self.segments().values() for file in note.files}
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder, name)
                if name.endswith(FORMS) and name.partition(".")[0] in exported and path not in listed:
                    path.unlink(missing_ok=True)

    def segments(self) -> dict[str, SegmentNote]:
        """Return the notes of all exported segments, by name, in order. Raises ConfigError: one is malformed."""
        if not self._segments.is_dir():
            return {}
        notes = [_read(path, SegmentNote) for path in sorted(self._segments.glob("[0-9]*.json"))]
        return {note.segment: note for note in notes}

    def note_segment(self, note: SegmentNote) -> None:
        """Write a segment's note: it is done."""
        write_note(self._segments / f"{note.segment}.json", note)

    def note_days(self, today: str) -> dict[str, dict[str, Any]]:
        """Write the notes of all days, and return them by day.

        Args:
            today: the present day: earlier ones get no more ticks, nor do those before the newest one with ticks.
        """
        notes = self.segments().values()
        newest = max([today, *(day for note in notes for day in note.days if day != NO_DAY)])
        days: dict[str, dict[str, Any]] = {}
        for note in notes:
            for day in note.written:
                days.setdefault(day, _empty_day(day, is_complete=day < newest))
            for file in note.files:
                _add(days[file.day], file)
        for day, facts in days.items():
            path = self.path / NOTES / "days" / f"{day}.json"
            if not path.exists() or json.loads(path.read_bytes()) != facts:
                write_note(path, facts)
        return days


def _empty_day(day: str, *, is_complete: bool) -> dict[str, Any]:
    return {"day": day, "complete": is_complete, "rows": {}, "first": 0, "last": 0, "files": []}


def _add(day: dict[str, Any], file: FileNote) -> None:
    day["rows"][file.table] = day["rows"].get(file.table, 0) + file.rows
    day["first"] = min(day["first"] or file.first, file.first)
    day["last"] = max(day["last"], file.last)
    day["files"].append({"path": file.path, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256})


def write_note(path: Path, value: Any) -> None:
    """Write a value as JSON. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))


def _read(path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is malformed: {error}; remove it, and the next export writes its part again") from error

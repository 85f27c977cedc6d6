"""`hulak journal export --parquet|--arrow|--csv FOLDER`: the journal as tables, one segment after the other."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from hulak.bus.errors import ConfigError, HulakError
from hulak.clients.cli.command import FAILED, Call, print_json
from hulak.clients.cli.journal_files import SegmentContents, journal_id, segments
from hulak.clients.cli.table import show
from hulak.clients.tables.days import day_of
from hulak.clients.tables.export_folder import NO_DAY, NOTES, ExportFolder, FileNote, SegmentNote, Shape
from hulak.clients.tables.extras import need_arrow

PROCESSES = 2  # at most; each holds one segment, and the tables of some thousands of its ticks
SMALL_BYTES = 64 << 20  # are exported sooner than a process has started


@dataclass(slots=True)
class Wanted:
    """The options of an export of tables."""

    folder: Path
    form: str
    by: str
    zone: str
    topics: tuple[str, ...]
    since: int | None  # ns since 1970 UTC: the day of this time is the first one
    until: int | None  # the day of this time is the last one
    archive: bool  # begin with the archive

    def days(self) -> tuple[str, str]:
        """Return the first and the last day; an empty text where there is no bound. Raises ConfigError: no such time zone."""
        try:
            zone = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(f"--tz is {self.zone!r}, must be a time zone such as UTC or Asia/Kathmandu") from error
        since, until = (None if at is None else day_of(at, zone).isoformat() for at in (self.since, self.until))
        return since or "", until or ""

    def shape(self, journal: str) -> Shape:
        """Return how the folder is written."""
        return Shape(journal, self.form, self.by, self.zone, sorted(self.topics))


@dataclass(slots=True)
class Outcome:
    """The counts of one run."""

    exported: int = 0  # segments
    skipped: int = 0  # segments that were done before
    removed: int = 0  # segments that the broker removed meanwhile
    rows: int = 0  # of all that is exported, of earlier runs too
    seconds: float = 0.0
    days: list[dict[str, Any]] = field(default_factory=list)


def export_tables(call: Call, wanted: Wanted) -> None:
    """Export what is not exported yet, and print the days.

    Raises:
        ConfigError: pyarrow is missing, the folder cannot be used, or there is no journal.
    """
    need_arrow(f"--{wanted.form}")
    first, last = wanted.days()
    folder = ExportFolder(wanted.folder)
    began = time.monotonic()
    with folder.locked():
        listed, shape = segments(call, wanted.archive)[0], wanted.shape(journal_id(call.home / "journal"))
        folder.begin(shape)
        done = folder.segments()
        tasks = [
            _Task(folder.path, shape, row, row is not listed[-1], first, last, written)
            for row in listed
            if (written := _to_write(done.get(key_of(row)), row, first, last)) is not None
        ]
        outcome = Outcome(skipped=len(listed) - len(tasks))
        with _bar("exporting", [task.row.size for task in tasks]) as advance:
            for task, note in _results(tasks):
                outcome.exported += note is not None
                outcome.removed += note is None
                advance(task.row.size)
        folder.remove_former(frozenset(key_of(task.row) for task in tasks))
        days = folder.note_days(day_of(time.time_ns(), ZoneInfo(wanted.zone)).isoformat())
    outcome.rows = sum(sum(day["rows"].values()) for day in days.values())
    outcome.seconds = round(time.monotonic() - began, 3)
    outcome.days = [{name: value for name, value in day.items() if name != "files"} for _, day in sorted(days.items())]
    _print(call, wanted.folder, outcome)


def key_of(row: SegmentContents) -> str:
    """Return the name of a segment without its ending, which may change: serial, and number of the last tick before it."""
    return row.path.name.partition(".")[0]


def is_within(day: str, first: str, last: str, written: frozenset[str]) -> bool:
    """Return whether a day is exported: it was before, it is in the range, or it has no day."""
    return day in written or day == NO_DAY or (first <= day and (not last or day <= last))


def _to_write(note: SegmentNote | None, row: SegmentContents, first: str, last: str) -> frozenset[str] | None:
    """Return the days of a segment that were exported and are to be again, with more; None if it has all that is wanted."""
    if note is None:
        return frozenset()
    written = frozenset(note.written)
    is_whole = all(day in written or not is_within(day, first, last, written) for day in note.days)
    return None if is_whole and (note.closed or note.size == row.size) else written


@dataclass(slots=True)
class _Task:
    folder: Path
    shape: Shape
    row: SegmentContents
    is_closed: bool
    first: str
    last: str
    written: frozenset[str]


def _export(task: _Task) -> SegmentNote | None:
    """Export one segment, in this process; None if the broker has removed it."""
    from hulak.clients.cli.journal_frames import frames_of
    from hulak.clients.tables.segment_export import SegmentExport

    data = task.row.read()
    if not data:
        return None
    is_wanted = partial(is_within, first=task.first, last=task.last, written=task.written)
    export = SegmentExport(task.folder, task.shape, key_of(task.row), is_wanted)
    note = export.write(frames_of(data), len(data), is_closed=task.is_closed)
    ExportFolder(task.folder).note_segment(note)
    return note


def _end_with_parent() -> None:
    """Let this process end when the one that started it was killed: its queue of tasks does not tell."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _results(tasks: list[_Task]) -> Iterator[tuple[_Task, SegmentNote | None]]:
    """Export segments, several at a time, and yield them as they are done."""
    if sum(task.row.size for task in tasks) <= SMALL_BYTES:
        for task in tasks:
            yield task, _export(task)
        return
    # A fork would copy the locks of pyarrow's threads.
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), initializer=_end_with_parent) as pool:
        futures = {pool.submit(_export, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise HulakError("a process of the export was killed; run it again: it goes on with what is missing") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _bar(label: str, sizes: list[int]) -> Iterator[Callable[[int], None]]:
    """Show progress in bytes on a terminal."""
    with click.progressbar(length=sum(sizes), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _print(call: Call, folder: Path, outcome: Outcome) -> None:
    if call.as_json:
        fields = {name: getattr(outcome, name) for name in ("exported", "skipped", "removed", "rows", "seconds", "days")}
        print_json({"folder": str(folder), **fields})
        return
    show(
        ["day", "complete", "rows", "first", "last"],
        [
            [day["day"], "yes" if day["complete"] else "partial", sum(day["rows"].values()), day["first"], day["last"]]
            for day in outcome.days
        ],
    )
    removed = f", {outcome.removed} the broker had removed" if outcome.removed else ""
    counts = f"segments: {outcome.exported} exported, {outcome.skipped} were there{removed}; {outcome.rows:,} rows in {folder}"
    click.echo(counts, err=True)


def check_tables(ctx: click.Context, call: Call, path: Path, form: str, *, archive: bool) -> None:
    """Compare an export with its files, the journal, and its archive if wanted; the exit code is 1 if something differs."""
    need_arrow(f"--{form}")
    folder = ExportFolder(path)
    shape = folder.shape()
    if shape is None:
        raise ConfigError(f"{path} has no export; make one with `hulak journal export --{form} {path}`")
    if shape.form != form:
        raise ConfigError(f"{path} has an export of {shape.form}; check it with --{shape.form}")
    notes = folder.segments()
    listed = segments(call, archive)[0]
    with _bar("checking", [row.size for row in listed]) as advance:
        wrong = list(_wrong_files(path, form, notes))
        behind = 0
        for row in listed:
            note = notes.get(key_of(row))
            if note is None:
                behind += 1
            else:
                behind += not note.closed
                wrong += _wrong_counts(note, row.scan())
            advance(row.size)
    rows = sum(note.rows for note in notes.values())
    if call.as_json:
        print_json({"ok": not wrong, "wrong": wrong, "segments": len(notes), "rows": rows, "behind": behind})
    else:
        for line in wrong:
            click.echo(line)
        click.echo(
            f"segments: {len(notes)} exported, {behind} not exported or not closed yet; {rows:,} rows, faults: {len(wrong)}"
        )
    ctx.exit(FAILED if wrong else 0)


def _wrong_counts(note: SegmentNote, row: SegmentContents) -> Iterator[str]:
    """Compare a segment's note with the segment."""
    if note.rows + note.left_out != note.ticks:
        yield f"{note.segment}: {note.rows} rows and {note.left_out} left out are not its {note.ticks} ticks"
    if not row.size:
        return  # the broker has removed it meanwhile
    if note.closed:
        is_same = (row.ticks, row.first, row.last) == (note.ticks, note.first, note.last)
    else:  # it may have more now
        is_same = row.ticks >= note.ticks and (not note.ticks or row.first == note.first)
    if not is_same:
        exported = f"exported were {note.ticks}, {note.first} to {note.last}"
        yield f"{note.segment}: the journal has {row.ticks} ticks, {row.first} to {row.last}; {exported}"


def _wrong_files(path: Path, form: str, notes: dict[str, SegmentNote]) -> Iterator[str]:
    """Compare the files with the notes."""
    known = {file.path: (file, note.segment) for note in notes.values() for file in note.files}
    for name, (file, segment) in known.items():
        try:
            if (wrong := _wrong_file(path / name, form, file)) is not None:
                yield f"{name}: {wrong}; remove {NOTES}/segments/{segment}.json and export again"
        except OSError as error:
            yield f"{name}: it cannot be read: {error.strerror}"
    for file_path in sorted(path.rglob(f"*.{form}")):
        name = file_path.relative_to(path).as_posix()
        if name not in known:
            yield f"{name}: it belongs to no exported segment; remove it"


def _wrong_file(path: Path, form: str, file: FileNote) -> str | None:
    from hulak.clients.tables.table_writers import digest, rows_in

    if digest(path) != file.sha256:
        return "it has been changed"
    rows = rows_in(path, form)
    return None if rows == file.rows else f"it has {rows} rows, its note says {file.rows}"

"""The rows of one segment of the journal as files of an export: by table and day, and by symbol if wanted."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hulak.clients.tables.days import days_between
from hulak.clients.tables.export_folder import NO_DAY, FileNote, SegmentNote, Shape
from hulak.clients.tables.frame_tables import Frames, tables_of
from hulak.clients.tables.table_writers import Write, WrittenFile, table_file

OPEN_FILES = 200  # at once; more are closed, and their rows go on in further files
Place = tuple[str, str, str]  # table, day, symbol; no symbol in an export by day


@dataclass(slots=True)
class SegmentExport:
    """Writes the files of one segment.

    Args:
        folder: of the export.
        shape: how it is written.
        segment: its name without its ending.
        is_wanted: whether a day, such as `2026-11-30`, is exported.
    """

    folder: Path
    shape: Shape
    segment: str
    is_wanted: Callable[[str], bool]
    files: list[FileNote] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    _open: dict[Place, tuple[str, Write, WrittenFile]] = field(default_factory=dict)
    _part: int = 0

    def write(self, chunks: Iterable[Frames], size: int, *, is_closed: bool) -> SegmentNote:
        """Write all files, and return the segment's note.

        Args:
            chunks: all its frames.
            size: of the segment in bytes.
            is_closed: it does not change any more.
        Raises:
            OSError: a file cannot be written.
        """
        ticks, first, last = 0, 0, 0
        rest = iter(chunks)
        frames = next(rest, None)
        while frames is not None:  # until a file too many is open: then these are closed
            with ExitStack() as stack:
                while frames is not None and len(self._open) < OPEN_FILES:
                    ticks += len(frames)
                    first, last = first or int(frames.numbers[0]), int(frames.numbers[-1])
                    for table in tables_of(frames, by_symbol=True).items():
                        self._add(stack, *table)
                    frames = next(rest, None)
            self._close()
        written = sorted(day for day in self.days if self.is_wanted(day))
        rows = sum(file.rows for file in self.files)
        days = sorted(self.days)
        return SegmentNote(self.segment, size, is_closed, ticks, first, last, days, written, rows, ticks - rows, self.files)

    def _add(self, stack: ExitStack, name: str, table: Any) -> None:
        table = only_topics(table, self.shape.topics)
        for day, rows in by_day(table, self.shape.zone):
            self.days.add(day)
            if not self.is_wanted(day):
                continue
            for symbol, part in by_symbol(rows) if self.shape.by == "symbol" else [("", rows)]:
                place = (name, day, symbol)
                if place not in self._open:
                    self._open[place] = self._begin(stack, place, part.schema)
                self._open[place][1](part)

    def _begin(self, stack: ExitStack, place: Place, schema: Any) -> tuple[str, Write, WrittenFile]:
        table, day, symbol = place
        folder = f"{table}/day={day}" + (f"/symbol={symbol}" if symbol else "")
        more = f".{self._part}" if self._part else ""
        path = f"{folder}/{self.segment}{more}.{self.shape.form}"
        return path, *stack.enter_context(table_file(self.folder / path, self.shape.form, schema))

    def _close(self) -> None:
        for (table, day, _), (path, _, done) in self._open.items():
            self.files.append(FileNote(path, table, day, done.rows, done.first, done.last, done.bytes, done.sha256))
        self._open.clear()
        self._part += 1


def only_topics(table: Any, topics: list[str]) -> Any:
    """Return the rows of some topics, and of prefixes that end with `.` or `*`; of all if there are none."""
    if not topics:
        return table
    whole = {topic for topic in topics if not topic.endswith((".", "*"))}
    prefixes = tuple(topic.removesuffix("*") for topic in topics if topic.endswith((".", "*")))
    column = table["topic"].combine_chunks()
    kept = np.array([topic in whole or topic.startswith(prefixes) for topic in column.dictionary.to_pylist()] + [False], bool)
    codes = column.indices.fill_null(-1).to_numpy()
    return table.filter(pa.array(kept[codes]))


def by_day(table: Any, zone: str) -> Iterator[tuple[str, Any]]:
    """Yield a table's rows of each day, in the order of the table."""
    without = table["time"].null_count
    if without:
        yield NO_DAY, table.filter(table["time"].is_null())
        table = table.filter(table["time"].is_valid())
    if not table.num_rows:
        return
    times = table["time"].cast(pa.int64()).to_numpy()
    days = list(days_between(int(times.min()), int(times.max()), ZoneInfo(zone)))
    if len(days) == 1:
        yield days[0][0].isoformat(), table
        return
    at = np.searchsorted([begin for _, begin, _ in days], times, "right") - 1
    for number in np.unique(at):
        yield days[number][0].isoformat(), table.filter(pa.array(at == number))


def by_symbol(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield a table's rows of each symbol, without this column; the table is in the order of symbols."""
    column = table["symbol"].combine_chunks()
    table = table.drop_columns(["symbol"])
    codes = column.indices.fill_null(-1).to_numpy()
    cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1), len(codes)]
    for first, end in pairwise(cuts):
        code, rows = int(codes[first]), table.slice(first, end - first)
        if code < 0:
            yield "", rows
            continue
        topics = rows["topic"].combine_chunks()  # with their own dictionary instead of that of the table
        topics = pc.dictionary_encode(topics.dictionary.take(topics.indices))
        yield column.dictionary[code].as_py(), rows.set_column(rows.schema.get_field_index("topic"), "topic", topics)

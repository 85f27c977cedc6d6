"""`hulak query`: SQL over the journal and an export of it; needs no broker."""

import csv
import sys
import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hulak.bus.errors import ConfigError, HulakError
from hulak.clients.cli.command import Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.journal import ARCHIVE
from hulak.clients.cli.journal_files import SegmentContents, journal_id, segments
from hulak.clients.cli.output_file import Folder, OutputFile
from hulak.clients.cli.query_limits import bounded_memory, interruptible
from hulak.clients.cli.query_progress import QueryProgress, Result
from hulak.clients.cli.table import show
from hulak.clients.json_text import to_json
from hulak.clients.whole_file import whole_file

if TYPE_CHECKING:
    from hulak.clients.tables.export_folder import ExportFolder, SegmentNote
    from hulak.clients.tables.frame_tables import Frames
    from hulak.clients.tables.sql import Database

SHOWN = 1000  # rows on a terminal


@click.command(
    cls=Command,
    short_help="Query the tick journal with SQL.",
    epilog=examples(
        'hulak query "select symbol, count(*) from ticks group by symbol"',
        'hulak query --export ticks "select day, count(*) from (select time::date as day from ticks) group by day" --csv',
        "hulak query \"select * from ticks where symbol = 'EURUSD'\" --parquet eurusd.parquet",
        "hulak query --tables",
    ),
)
@click.argument("sql", required=False)
@click.option("--export", "folder", type=Folder(), metavar="FOLDER", help="Read this export (Parquet) too; no tick comes twice.")
@ARCHIVE
@click.option("--tables", is_flag=True, help="List the tables and their columns.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@click.option("--parquet", type=OutputFile(), metavar="FILE", help="Write the result to a Parquet file.")
@click.option("--memory-mb", type=click.IntRange(64), default=512, help="Megabytes of memory for the database; 512 by default.")
@click.pass_context
def query(
    ctx: click.Context,
    call: Call,
    sql: str | None,
    folder: Path | None,
    tables: bool,
    as_csv: bool,
    parquet: Path | None,
    memory_mb: int,
    archive: bool,
) -> None:
    """Run one SELECT of SQL (DuckDB's) over the ticks of the journal, with or without a running broker.

    The tables are `ticks`, `trades`, `markets` and so on, one for each kind of topic; --tables lists them. An export of the same
    journal (--export) is read in its place where it has the same ticks: that is much faster, and it has what the journal no
    longer has. The query reads these tables and the folder of the export, no other files, and nothing on a network; it may use
    4 GB of temporary files. It needs the extra `query`.
    """
    if (sql is None) != tables:
        raise click.UsageError("give one SELECT, or --tables", ctx)
    if as_csv + call.as_json + (parquet is not None) > 1:
        raise click.UsageError("give one of --csv, --json and --parquet", ctx)
    from hulak.clients.tables.extras import need, need_arrow

    need("duckdb", "query", "hulak query")
    need_arrow("hulak query")
    from hulak.clients.tables.sql import Database

    with tempfile.TemporaryDirectory(prefix="hulak-query-") as temporary, QueryProgress() as progress:
        sources = Sources(call, folder, progress, archive=archive)
        files = sources.files()
        names = sources.tables(files)
        database = Database(sources.frames, files, names, sources.folder, f"{memory_mb}MB", Path(temporary))
        try:
            with bounded_memory(memory_mb << 20), interruptible(database.interrupt, Path(temporary)):
                if sql is None:
                    _list_tables(call, database, names)
                else:
                    with database.errors(sql):
                        result = progress.result(database.query(sql), printed=parquet is None)
                        _print_result(call, result, as_csv=as_csv, parquet=parquet)
        finally:
            database.close()


class Sources:
    """The places that a query reads: of each segment either the files of the export or the journal.

    Raises:
        ConfigError: there is neither, or the export is of another journal, or has another format.
    """

    def __init__(self, call: Call, folder: Path | None, progress: QueryProgress, *, archive: bool) -> None:
        from hulak.clients.tables.export_folder import ExportFolder

        self.folder = None if folder is None else folder.resolve()
        self._segments, self._notes = _listed(call, folder, archive), {}
        if self.folder is not None:
            export = ExportFolder(self.folder)
            self._notes = {name: note for name, note in _notes(call, export).items() if self._is_from_export(export, note)}
        self._progress = progress
        self._read = [row for name, row in self._segments.items() if name not in self._notes]

    def _is_from_export(self, export: "ExportFolder", note: "SegmentNote") -> bool:
        """Return whether the export's files of a segment are read: it has all of it, or the journal has it no more."""
        row = self._segments.get(note.segment)
        shape = export.shape()
        is_whole = shape is not None and not shape.topics and note.left_out == 0
        return row is None or (is_whole and (note.closed or note.size == row.size))

    def files(self) -> dict[str, list[Path]]:
        """Return the export's files that are read, by table."""
        assert self._notes == {} or self.folder is not None
        files: dict[str, list[Path]] = {}
        for note in self._notes.values():
            for file in note.files:
                files.setdefault(file.table, []).append(self.folder / file.path)  # type: ignore[operator]
        return files

    def tables(self, files: Iterable[str]) -> list[str]:
        """Return the names of all tables, also of those without rows."""
        from hulak.clients.tables.columns import KNOWN_TABLES, OTHERS

        return list(dict.fromkeys([*KNOWN_TABLES, *files, OTHERS]))

    def frames(self) -> Iterator["Frames"]:
        """Yield the journal's frames that the export does not have.

        Raises:
            HulakError: the broker has removed a segment since the query began.
        """
        from hulak.clients.cli.journal_frames import frames_of

        self._progress.begin(sum(row.size for row in self._read))
        for row in self._read:
            data = row.read()
            if not data and row.size:
                raise HulakError(f"the broker has removed {row.path.name} meanwhile, as the oldest one; repeat the query")
            yield from frames_of(data[: row.size] if row is self._read[-1] else data)  # each time up to the same tick
            self._progress.advance(row.size)


def _listed(call: Call, folder: Path | None, archive: bool) -> dict[str, SegmentContents]:
    if folder is not None and not (call.home / "journal").is_dir():
        return {}
    from hulak.clients.cli.journal_export import key_of

    return {key_of(row): row for row in segments(call, archive)[0]}


def _notes(call: Call, export: "ExportFolder") -> dict[str, "SegmentNote"]:
    shape = export.shape()
    if shape is None or shape.form != "parquet":
        seen = "no export" if shape is None else f"an export of {shape.form}"
        raise ConfigError(f"{export.path} has {seen}; make one with `hulak journal export --parquet FOLDER`")
    if (call.home / "journal").is_dir() and (journal := journal_id(call.home / "journal")) != shape.journal:
        raise ConfigError(f"{export.path} is of journal {shape.journal}, the journal in {call.home} is {journal}")
    return export.segments()


def _list_tables(call: Call, database: "Database", names: list[str]) -> None:
    rows = []
    for name in names:
        rows += [{"table": name, "column": column, "type": kind} for column, kind in database.columns(name)]
    if call.as_json:
        print_json(rows)
    else:
        show(["table", "column", "type"], [list(row.values()) for row in rows])


def _values(result: Result) -> Iterator[list[object]]:
    """Yield the rows of a result; a decimal number is whole, or the nearest float."""
    from hulak.clients.tables.sql import plain_rows

    for row in plain_rows(result):
        yield [_number(cell) if isinstance(cell, Decimal) else cell for cell in row]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _print_result(call: Call, result: Result, *, as_csv: bool, parquet: Path | None) -> None:
    """Write the result as it is computed."""
    if parquet is not None:
        _write_parquet(result, parquet)
    elif call.as_json:
        _print_json(result)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.schema.names)
        writer.writerows(map(_cells, _values(result)))
    else:
        rows = _values(result)
        show(result.schema.names, list(map(_cells, islice(rows, SHOWN))))
        if next(rows, None) is not None:
            click.echo(f"hulak: only the first {SHOWN:,} rows are shown; --csv, --json and --parquet have all", err=True)


def _cells(row: list[object]) -> list[object]:
    return [to_json(cell) if isinstance(cell, list | dict) else cell.hex() if isinstance(cell, bytes) else cell for cell in row]


def _print_json(result: Result) -> None:
    """Print an array of maps, without holding all of it."""
    begin = "["
    for row in _values(result):
        click.echo(begin + to_json(dict(zip(result.schema.names, row, strict=True))), nl=False)
        begin = ",\n"
    click.echo("[]" if begin == "[" else "]")


def _write_parquet(result: Result, path: Path) -> None:
    import pyarrow.parquet

    rows = 0
    with whole_file(path) as part, pyarrow.parquet.ParquetWriter(part, result.schema) as writer:
        for batch in result:
            writer.write_batch(batch)
            rows += batch.num_rows
    click.echo(f"{rows:,} rows written to {path}", err=True)

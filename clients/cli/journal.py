"""`hulak journal`: reads the segments on disk; needs no broker."""

import csv
import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from hulak.bus.errors import ConfigError
from hulak.bus.wire.codec import NUL
from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.history import Moment
from hulak.clients.cli.journal_files import SegmentContents, find_gaps, frames, journals_in, segments, segments_in
from hulak.clients.cli.output_file import Folder
from hulak.clients.cli.table import show

if TYPE_CHECKING:
    from hulak.bus.subscriber.events import Event


@click.group(
    cls=Group,
    short_help="List, verify and export the tick journal.",
    epilog=examples("hulak journal info", "hulak journal ls", "hulak journal verify", "hulak journal export --topic tick.EURUSD"),
)
def journal() -> None:
    """Read the files of the tick journal and of its archive, with or without a running broker."""


ARCHIVE = click.option("--archive", is_flag=True, help="Begin with the archive, `[journal] archive`.")
FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))


def _rows(call: Call, folder: Path | None, archive: bool) -> list[tuple[list[SegmentContents], list[tuple[str, str]]]]:
    """Return the segments, and the files that are none, of each journal that the arguments of a command mean.

    Raises:
        ConfigError: there is none; or both arguments are given.
    """
    if folder is not None and archive:
        raise ConfigError("--archive is the archive of the settings; give it or a folder, not both")
    if folder is None:
        return [segments(call, archive)]
    return [segments_in(place) for place in journals_in(folder)]


@journal.command(
    cls=Command,
    short_help="List the segments.",
    epilog=examples("hulak journal ls --home ./var", "hulak journal ls --archive", "hulak journal ls /srv/hulak"),
)
@FOLDER
@ARCHIVE
def ls(call: Call, folder: Path | None, archive: bool) -> None:
    """List the segments: file, bytes, bytes on the disk, epoch, number of ticks, first and last sequence.

    FOLDER is another journal, or an archive; by default the journal in the home folder.
    """
    rows = [row.count() for listed, _ in _rows(call, folder, archive) for row in listed]
    if call.as_json:
        print_json([row.plain() for row in rows])
    else:
        show(
            ["segment", "bytes", "on disk", "epoch", "ticks", "first", "last"],
            [[row.path.name, row.size, row.stored, row.epoch, row.ticks, row.first, row.last] for row in rows],
        )


@journal.command(
    cls=Command,
    short_help="Show what is kept, and for how long.",
    epilog=examples("hulak journal info", "hulak journal info --json"),
)
def info(call: Call) -> None:
    """Show what the journal and its archive keep, since when, which segment leaves next, and how long the disk lasts.

    Rates are those of the time that the journal covers. Files are read, no broker is asked: the newest second may be missing.
    """
    from hulak.clients.cli.journal_info import read_info, rows_of

    facts = read_info(call)
    if call.as_json:
        print_json(facts)
    else:
        show(["name", "value"], rows_of(facts))


@journal.command(
    cls=Command,
    short_help="Check every record.",
    epilog=examples("hulak journal verify --home ./var", "hulak journal verify --archive", "hulak journal verify /srv/hulak"),
)
@FOLDER
@ARCHIVE
@click.pass_context
def verify(ctx: click.Context, call: Call, folder: Path | None, archive: bool) -> None:
    """Check the CRC of every record and the order of the sequences, in compressed segments too.

    FOLDER is another journal, or an archive; by default the journal in the home folder.

    The exit code is 1 if a segment is damaged, or a file has the name of a segment and is not one of this journal. An incomplete
    record at the end of the newest segment may be in progress in a running broker: it is reported, and is no damage.
    """
    journals = _rows(call, folder, archive)
    rows, aside = [row for some, _ in journals for row in some], [file for _, files in journals for file in files]
    with click.progressbar(rows, label="verifying", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for row in bar:
            row.scan()
    for some, _ in journals:
        find_gaps(some)
    damaged = [row for row in rows if row.corrupt or (row.torn and (row is not rows[-1] or row.compressed))]
    if call.as_json:
        result = {"aside": dict(aside), "segments": [row.plain() for row in rows]}
        print_json({"ok": not damaged and not aside, **result})
    else:
        for row in rows:
            for offset, end in row.corrupt:
                click.echo(f"{row.path.name}: bytes {offset} to {end} are not a record")
            for first, last in row.missing:
                click.echo(f"{row.path.name}: ticks {first} to {last} are missing")
            if row.torn:
                click.echo(f"{row.path.name}: the last {row.torn} bytes are an incomplete record")
        total = sum(row.ticks for row in rows)
        click.echo(f"{len(rows)} segments, {total:,} ticks, {len(damaged)} segments damaged")
    ctx.exit(FAILED if damaged or aside else 0)


@journal.command(
    cls=Command,
    short_help="Export ticks as tables, JSON lines or CSV.",
    epilog=examples(
        "hulak journal export --parquet ticks --since 7d",
        "hulak journal export --parquet ticks --check",
        "hulak journal export --home ./var --topic tick.EURUSD --since 1d --format csv --output eurusd.csv",
        "hulak feed --file eurusd.csv --prefix again --speed 10",
    ),
)
@click.option(
    "--topic", "topics", multiple=True, help="Topic, or a prefix of topics that ends with `.` or `*`; repeatable; all by default."
)
@click.option(
    "--since",
    type=Moment(),
    help="Earliest time by the broker's clock, such as 2026-11-22T10:00:00, or 10m for ten minutes ago; none by default.",
)
@click.option("--until", type=Moment(), help="Latest time, in the same forms; now by default.")
@click.option("--parquet", type=Folder(), metavar="FOLDER", help="Export tables as Parquet files, by day, to this folder.")
@click.option("--arrow", type=Folder(), metavar="FOLDER", help="The same as Arrow files.")
@click.option("--csv", "csv_folder", type=Folder(), metavar="FOLDER", help="The same as CSV files.")
@click.option(
    "--by",
    type=click.Choice(["day", "symbol"]),
    default="day",
    help="Files of tables by day, or by day and symbol; day by default.",
)
@click.option("--tz", default="UTC", metavar="ZONE", help="Time zone of the days of tables; UTC by default.")
@click.option("--check", is_flag=True, help="Write nothing: compare an export of tables with its files and with the journal.")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), help="Format of lines; json by default.")
@click.option("--output", type=click.File("w", encoding="utf-8"), help="File for lines; standard output by default.")
@ARCHIVE
@click.pass_context
def export(
    ctx: click.Context,
    call: Call,
    topics: tuple[str, ...],
    since: int | None,
    until: int | None,
    parquet: Path | None,
    arrow: Path | None,
    csv_folder: Path | None,
    by: str,
    tz: str,
    check: bool,
    form: str | None,
    output: IO[str] | None,
    archive: bool,
) -> None:
    """Write the ticks of the journal: as tables in a folder, or as lines, oldest first.

    Tables (--parquet, --arrow, --csv) have all messages, in a folder for each kind and day. A run goes on where the last one
    ended; --since and --until choose whole days. They need the extra `parquet`; `hulak query` reads them and the journal as one.

    Lines as CSV have the columns time_ns (ns since 1970 UTC, the broker's clock), topic, sequence, and from the body timestamp
    (ms, the venue's clock), received_ns, bid, ask, flags, source; trades and states of markets are left out. Lines as JSON have
    all messages with all fields. `hulak feed --file` replays the ticks of both formats.
    """
    folders = {"parquet": parquet, "arrow": arrow, "csv": csv_folder}
    given = {kind: folder for kind, folder in folders.items() if folder is not None}
    if len(given) > 1 or (given and (form or output)):
        raise click.UsageError("give one of --parquet, --arrow, --csv, or --format and --output", ctx)
    if not given:
        if check:
            raise click.UsageError("--check needs the folder of an export: --parquet, --arrow or --csv", ctx)
        _export_lines(call, topics, (since or 0, until), form or "json", output or sys.stdout, archive)
        return
    from hulak.clients.cli.journal_export import Wanted, check_tables, export_tables

    ((kind, folder),) = given.items()
    if check:
        check_tables(ctx, call, folder, kind, archive=archive)
    else:
        export_tables(call, Wanted(folder, kind, by, tz, topics, since, until, archive))


def _export_lines(
    call: Call, topics: Sequence[str], times: tuple[int, int | None], form: str, output: IO[str], archive: bool
) -> None:
    from hulak.bus.subscriber.events import event_of
    from hulak.bus.wire.names import TICK_TOPICS
    from hulak.clients.cli.sub import as_json, line_of
    from hulak.clients.feeds.file_columns import EXPORTED

    write = partial(_csv_line, EXPORTED[3:]) if form == "csv" else as_json
    prefixes = tuple(
        topic.removesuffix("*").encode() if topic == "" or topic.endswith((".", "*")) else topic.encode() + NUL
        for topic in topics
    )
    if form == "csv":
        output.write(_line_of(EXPORTED))
    end, left_out = "" if form == "csv" else "\n", 0
    for frame in frames(call, archive):
        if frame.startswith(prefixes or b""):
            event = event_of(frame)
            if times[0] <= event.stamp.time_ns and (times[1] is None or event.stamp.time_ns <= times[1]):
                if form == "csv" and not frame.startswith(TICK_TOPICS):
                    left_out += 1
                    continue
                for line in line_of(event, write):
                    output.write(line + end)
    if left_out:
        click.echo(f"hulak: {left_out:,} trades and states of markets are left out, --format json has them", err=True)


def _csv_line(names: Sequence[str], event: "Event") -> str:
    """Return one message as a line of CSV: stamp, topic, and the fields of its body with these names."""
    body = event.body
    values = [body.get(name) for name in names]
    cells = [" ".join(map(str, value)) if isinstance(value, list) else value for value in values]
    return _line_of([event.stamp.time_ns, event.topic, event.stamp.sequence, *cells])


def _line_of(values: Sequence[Any]) -> str:
    """Return one line of CSV with its line end; None is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()

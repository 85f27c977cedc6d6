"""`hulak journal`: reads the segments on disk; needs no broker."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from hulak.bus.broker.storage.journal_note import NoteFile
from hulak.bus.broker.storage.journal_recovery import survey
from hulak.bus.core.journal.record_format import TICK, Corrupt, Record, scan
from hulak.bus.errors import ConfigError
from hulak.bus.wire.codec import NUL
from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.history import Moment
from hulak.clients.cli.table import show

if TYPE_CHECKING:
    from hulak.bus.subscriber.events import Event


@click.group(
    short_help="List, verify and export the tick journal.",
    epilog=examples("hulak journal ls", "hulak journal verify", "hulak journal export --topic tick.EURUSD"),
)
def journal() -> None:
    """Read the files of the tick journal in the home folder, with or without a running broker."""


@dataclass(slots=True)
class SegmentContents:
    """Contents of one segment."""

    path: Path
    size: int
    epoch: int = 0
    ticks: int = 0
    first: int = 0
    last: int = 0
    corrupt: list[tuple[int, int]] = field(default_factory=list)  # (offset, end) of bytes that are not a record
    torn: int = 0  # bytes of an incomplete record at the end
    missing: list[tuple[int, int]] = field(default_factory=list)  # (first, last) of gaps in its sequences

    def read(self) -> bytes:
        """Return all its bytes; none if a running broker has removed it.

        Raises:
            ConfigError: the file cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error}") from error

    def scan(self) -> "SegmentContents":
        """Read the whole segment and return it with its counts."""
        for record in scan(self.read()):
            if isinstance(record, Corrupt):
                if record.last:
                    self.torn = record.end - record.offset
                else:
                    self.corrupt.append((record.offset, record.end))
            elif record.kind == TICK:
                self._count(record)
        return self

    def _count(self, record: Record) -> None:
        number = record.tick()[0]
        if self.ticks and number != self.last + 1:
            self.missing.append((self.last + 1, number - 1))
        self.first = self.first or number
        self.last = number
        self.ticks += 1


def segments(call: Call) -> tuple[list[SegmentContents], list[tuple[str, str]]]:
    """List the segments, oldest first, and the files with a segment's name that are no segments (name, reason); print the latter.

    Raises:
        ConfigError: no journal in the home folder.
    """
    folder = call.home / "journal"
    try:
        listing = survey(folder, NoteFile(folder).read()[1].journal)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"no journal in {folder}: {reason}; name the broker's home with --home") from error
    if not listing.segments and not listing.misfits:
        raise ConfigError(f"no journal in {folder}; name the broker's home with --home")
    for name, reason in listing.misfits:
        click.echo(f"{name}: not a segment of this journal: {reason}", err=True)
    return [
        SegmentContents(folder / segment.name, segment.size, segment.head.epoch if segment.head is not None else 0)
        for segment in listing.segments
    ], listing.misfits


@journal.command(cls=Command, short_help="List the segments.", epilog=examples("hulak journal ls --home ./var"))
def ls(call: Call) -> None:
    """List the segments: file, bytes, epoch, number of ticks, first and last sequence."""
    rows = [segment.scan() for segment in segments(call)[0]]
    if call.as_json:
        print_json([_plain(row) for row in rows])
    else:
        show(
            ["segment", "bytes", "epoch", "ticks", "first", "last"],
            [[row.path.name, row.size, row.epoch, row.ticks, row.first, row.last] for row in rows],
        )


def _plain(segment: SegmentContents) -> dict[str, Any]:
    return {
        "segment": segment.path.name,
        "bytes": segment.size,
        "epoch": segment.epoch,
        "ticks": segment.ticks,
        "first": segment.first,
        "last": segment.last,
        "corrupt": segment.corrupt,
        "torn": segment.torn,
        "missing": segment.missing,
    }


@journal.command(cls=Command, short_help="Check every record.", epilog=examples("hulak journal verify --home ./var"))
@click.pass_context
def verify(ctx: click.Context, call: Call) -> None:
    """Check the CRC of every record and the order of the sequences.

    The exit code is 1 if a segment is damaged, or a file has the name of a segment and is not one of this journal. An incomplete
    record at the end of the newest segment may be in progress in a running broker: it is reported, and is no damage.
    """
    rows, aside = segments(call)
    with click.progressbar(rows, label="verifying", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for row in bar:
            row.scan()
    damaged = [row for row in rows if row.corrupt or (row.torn and row is not rows[-1])]
    if call.as_json:
        result = {"aside": dict(aside), "segments": [_plain(row) for row in rows]}
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
    short_help="Export ticks as JSON lines or CSV.",
    epilog=examples(
        "hulak journal export --home ./var --topic tick.EURUSD --since 1d --format csv --output eurusd.csv",
        "hulak feed --file eurusd.csv --prefix again --speed 10",
    ),
)
@click.option("--topic", default="", help="Topic, or a prefix of topics that ends with `.` or `*`; all topics by default.")
@click.option(
    "--since",
    type=Moment(),
    help="Earliest time by the broker's clock, such as 2026-11-22T10:00:00, or 10m for ten minutes ago; none by default.",
)
@click.option("--until", type=Moment(), help="Latest time, in the same forms; now by default.")
@click.option(
    "--format", "form", type=click.Choice(["json", "csv"]), default="json", help="Format of the lines; json by default."
)
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="File to write; standard output by default.")
def export(call: Call, topic: str, since: int | None, until: int | None, form: str, output: IO[str]) -> None:
    """Write the ticks of the journal, one per line, oldest first.

    CSV has the columns time_ns (ns since 1970 UTC, the broker's clock), topic, sequence, and from the body timestamp (ms, the
    venue's clock), received_ns, bid, ask, flags, source; trades and states of markets are left out. JSON has all messages with
    all fields. `hulak feed --file` replays the ticks of both formats.
    """
    from hulak.bus.subscriber.events import event_of
    from hulak.bus.wire.names import TICK_TOPICS
    from hulak.clients.cli.sub import as_json, line_of
    from hulak.clients.feeds.file_columns import EXPORTED

    write = partial(_csv_line, EXPORTED[3:]) if form == "csv" else as_json
    prefix = topic.removesuffix("*").encode() if topic == "" or topic.endswith((".", "*")) else topic.encode() + NUL
    if form == "csv":
        output.write(_line_of(EXPORTED))
    end, left_out = "" if form == "csv" else "\n", 0
    for frame in _frames(call):
        if frame.startswith(prefix):
            event = event_of(frame)
            if (since or 0) <= event.stamp.time_ns and (until is None or event.stamp.time_ns <= until):
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


def _frames(call: Call) -> Iterator[bytes]:
    for segment in segments(call)[0]:
        for record in scan(segment.read()):
            if isinstance(record, Record) and record.kind == TICK:
                yield record.tick()[3]

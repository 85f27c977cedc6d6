"""`hulak journal`: the segments on disk, without a broker's help."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from bus.broker.storage.journal_note import NoteFile
from bus.broker.storage.journal_recovery import survey
from bus.core.journal.record_format import TICK, Corrupt, Record, scan
from bus.errors import ConfigError
from bus.wire.codec import NUL
from clients.cli.command import FAILED, Call, Command, print_json
from clients.cli.history import Moment
from clients.cli.table import show

if TYPE_CHECKING:
    from bus.subscriber.events import Event


@click.group(short_help="List, verify and export the tick journal.")
def journal() -> None:
    """Look at the tick journal's files in the home folder; a broker need not run, and may."""


@dataclass(slots=True)
class SegmentContents:
    """What one segment holds."""

    path: Path
    size: int
    epoch: int = 0
    ticks: int = 0
    first: int = 0
    last: int = 0
    corrupt: list[tuple[int, int]] = field(default_factory=list)  # (offset, end) of what is no record
    torn: int = 0  # bytes at the end that are no whole record
    missing: list[tuple[int, int]] = field(default_factory=list)  # numbers between two of its ticks

    def read(self) -> bytes:
        """Read all its bytes; none if a running broker has let it go meanwhile.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error}") from error

    def look(self) -> "SegmentContents":
        """Read the whole segment."""
        for one in scan(self.read()):
            if isinstance(one, Corrupt):
                if one.last:
                    self.torn = one.end - one.offset
                else:
                    self.corrupt.append((one.offset, one.end))
            elif one.kind == TICK:
                self._tick(one)
        return self

    def _tick(self, record: Record) -> None:
        number = record.tick()[0]
        if self.ticks and number != self.last + 1:
            self.missing.append((self.last + 1, number - 1))
        self.first = self.first or number
        self.last = number
        self.ticks += 1


def segments(call: Call) -> tuple[list[SegmentContents], list[tuple[str, str]]]:
    """List the segments, the oldest first, and what is named as one and is none, and why; the latter is told.

    Raises:
        ConfigError: there is no journal.
    """
    folder = call.home / "journal"
    try:
        seen = survey(folder, NoteFile(folder).read()[1].journal)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"there is no journal in {folder}: {why}; name the broker's home with --home") from error
    if not seen.segments and not seen.misfits:
        raise ConfigError(f"there is no journal in {folder}; name the broker's home with --home")
    for name, why in seen.misfits:
        click.echo(f"{name}: is no segment of this journal: {why}", err=True)
    return [
        SegmentContents(folder / one.name, one.size, one.head.epoch if one.head is not None else 0) for one in seen.segments
    ], seen.misfits


@journal.command(cls=Command, short_help="List the segments.")
def ls(call: Call) -> None:
    """List the segments: file, bytes, epoch, and the numbers of their ticks.

    \b
    hulak journal ls --home ./var
    """
    rows = [one.look() for one in segments(call)[0]]
    if call.as_json:
        print_json([_plain(one) for one in rows])
    else:
        show(
            ["segment", "bytes", "epoch", "ticks", "first", "last"],
            [[one.path.name, one.size, one.epoch, one.ticks, one.first, one.last] for one in rows],
        )


def _plain(one: SegmentContents) -> dict[str, Any]:
    return {
        "segment": one.path.name,
        "bytes": one.size,
        "epoch": one.epoch,
        "ticks": one.ticks,
        "first": one.first,
        "last": one.last,
        "corrupt": one.corrupt,
        "torn": one.torn,
        "missing": one.missing,
    }


@journal.command(cls=Command, short_help="Check every record.")
@click.pass_context
def verify(ctx: click.Context, call: Call) -> None:
    """Check the CRC of every record and the order of the numbers; ends with 1 if anything is damaged, or named as a segment and
    none of this journal.

    Bytes at the end of the newest segment that are no whole record may be what a running broker is writing: they are told,
    and are no damage.

    \b
    hulak journal verify --home ./var
    """
    rows, aside = segments(call)
    with click.progressbar(rows, label="verifying", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for one in bar:
            one.look()
    damaged = [one for one in rows if one.corrupt or (one.torn and one is not rows[-1])]
    if call.as_json:
        told = {"aside": dict(aside), "segments": [_plain(one) for one in rows]}
        print_json({"ok": not damaged and not aside, **told})
    else:
        for one in rows:
            for offset, end in one.corrupt:
                click.echo(f"{one.path.name}: bytes {offset} to {end} are no record")
            for first, last in one.missing:
                click.echo(f"{one.path.name}: ticks {first} to {last} are missing")
            if one.torn:
                click.echo(f"{one.path.name}: the last {one.torn} bytes are no whole record")
        total = sum(one.ticks for one in rows)
        click.echo(f"{len(rows)} segments, {total:,} ticks, {len(damaged)} segments damaged")
    ctx.exit(FAILED if damaged or aside else 0)


@journal.command(cls=Command, short_help="Write ticks as JSON lines or CSV.")
@click.option("--topic", default="", help="Only this topic, or those under a prefix that ends with `.` or `*`.")
@click.option("--since", type=Moment(), help="Not before this time of the broker: 2026-11-22T10:00:00, or 10m before now.")
@click.option("--until", type=Moment(), help="Not after this time.")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", help="Of the lines. Default: json.")
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="File to write. Default: standard output.")
def export(call: Call, topic: str, since: int | None, until: int | None, form: str, output: IO[str]) -> None:
    """Write every tick of the journal, one a line, the oldest first.

    CSV has the columns time_ns (ns since 1970 UTC, the broker's clock), topic, sequence, and of the body timestamp (ms, the
    venue's clock), received_ns, bid, ask, flags, source. JSON has everything. `hulak feed --file` posts both as they were.

    \b
    hulak journal export --home ./var --topic tick.EURUSD --since 1d --format csv --output eurusd.csv
    hulak feed --file eurusd.csv --prefix again --speed 10
    """
    from bus.subscriber.events import event_of
    from clients.cli.sub import as_json, line_of
    from clients.feeds.file_columns import EXPORTED

    write = partial(_csv_line, EXPORTED[3:]) if form == "csv" else as_json
    prefix = topic.removesuffix("*").encode() if topic == "" or topic.endswith((".", "*")) else topic.encode() + NUL
    if form == "csv":
        output.write(_line_of(EXPORTED))
    end = "" if form == "csv" else "\n"
    for frame in _frames(call):
        if frame.startswith(prefix):
            event = event_of(frame)
            if (since or 0) <= event.stamp.time_ns and (until is None or event.stamp.time_ns <= until):
                for line in line_of(event, write):
                    output.write(line + end)


def _csv_line(names: Sequence[str], event: "Event") -> str:
    """Write one message as CSV: its stamp and topic, and of its body what has these names."""
    body = event.body
    values = [body.get(name) for name in names]
    told = [" ".join(map(str, one)) if isinstance(one, list) else one for one in values]
    return _line_of([event.stamp.time_ns, event.topic, event.stamp.sequence, *told])


def _line_of(values: Sequence[Any]) -> str:
    """Write one line of CSV, with its end; what is None is empty."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _frames(call: Call) -> Iterator[bytes]:
    for one in segments(call)[0]:
        for record in scan(one.read()):
            if isinstance(record, Record) and record.kind == TICK:
                yield record.tick()[3]

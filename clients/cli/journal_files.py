"""The segments of a journal and of its archive as files, in order, each tick once; needs no broker."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hulak.bus.broker.storage.journal_note import NoteFile
from hulak.bus.broker.storage.journal_recovery import survey
from hulak.bus.broker.storage.segment_file import SegmentFile, read_whole
from hulak.bus.core.journal.record_format import TICK, Corrupt, Record, Snapshot, scan
from hulak.bus.core.journal.segment_names import Candidate, is_compressed
from hulak.bus.errors import ConfigError, ProtocolError
from hulak.clients.cli.command import Call


@dataclass(slots=True)
class SegmentContents:
    """Contents of one segment."""

    path: Path
    size: int  # bytes of its records and its head
    epoch: int = 0
    ticks: int = 0
    first: int = 0
    last: int = 0
    corrupt: list[tuple[int, int]] = field(default_factory=list)  # (offset, end) of bytes that are not a record
    torn: int = 0  # bytes of an incomplete record at the end
    missing: list[tuple[int, int]] = field(default_factory=list)  # (first, last) of gaps in its sequences
    serial: int = 0
    before: int = 0  # number of the last tick before it, by its name
    stored: int = 0  # bytes of its file
    head: Snapshot | None = None  # without last values; None if it is damaged
    archive: Path | None = None  # folder where a running broker may put it meanwhile

    @property
    def compressed(self) -> bool:
        """Whether its file is a compressed one."""
        return is_compressed(self.path.name)

    def read(self) -> bytes:
        """Return all its bytes, zeros where a compressed one is damaged; none if a running broker has removed it.

        Raises:
            ConfigError: the file cannot be read.
        """
        for folder in (self.path.parent, self.archive or self.path.parent):
            try:
                return read_whole(folder / self.path.name)
            except FileNotFoundError:
                continue
            except (OSError, ProtocolError) as error:
                raise ConfigError(f"{self.path} cannot be read: {error}") from error
        return b""

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

    def count(self) -> "SegmentContents":
        """Return it with its counts; a compressed one is not decompressed, if its file has them."""
        if self.compressed:
            try:
                with SegmentFile(self.path) as file:
                    head = file.head
            except (OSError, ProtocolError):
                head = None
            if head is not None and head.count is not None:
                self.ticks, self.first, self.last = head.count, head.last - head.count + 1 if head.count else 0, head.last
                return self
        return self.scan()

    def _count(self, record: Record) -> None:
        number = record.tick()[0]
        before = self.last if self.ticks else self.before
        if number > before + 1:
            self.missing.append((before + 1, number - 1))
        self.first = self.first or number
        self.last = number
        self.ticks += 1

    def plain(self) -> dict[str, Any]:
        """Return it as a map."""
        return {
            "segment": self.path.name,
            "bytes": self.size,
            "stored": self.stored,
            "epoch": self.epoch,
            "ticks": self.ticks,
            "first": self.first,
            "last": self.last,
            "corrupt": self.corrupt,
            "torn": self.torn,
            "missing": self.missing,
        }


def find_gaps(rows: list[SegmentContents]) -> None:
    """Add the ticks that are missing at the end of scanned segments, by the names of the segments that follow."""
    for row, following in itertools.pairwise(rows):
        last = row.last or row.before
        if following.before > last:
            row.missing.append((last + 1, following.before))


def archive_of(call: Call) -> Path:
    """Return the archive's folder of the journal in the home folder.

    Raises:
        ConfigError: there is no archive in the settings.
    """
    archive = call.settings.journal.archive
    if archive is None:
        raise ConfigError("there is no archive: `[journal] archive` is not set; name a folder instead of --archive")
    return call.home / archive / journal_id(call.home / "journal")


def journal_id(folder: Path) -> str:
    """Return the id of a journal; empty if its folder has none."""
    return NoteFile(folder).read()[1].journal


def segments(call: Call, archive: bool = False) -> tuple[list[SegmentContents], list[tuple[str, str]]]:
    """List the segments, oldest first, and the files with a segment's name that are no segments (name, reason); print the latter.

    Args:
        call: of the command.
        archive: begin with the segments of the archive; a segment that is in both counts once.
    Raises:
        ConfigError: no journal in the home folder; no archive in the settings, or its folder does not exist.
    """
    folder = call.home / "journal"
    away = archive_of(call) if archive else None
    if away is not None and not away.parent.is_dir():
        raise ConfigError(f"the archive {away.parent} does not exist: mount its disk, or omit --archive")
    rows, misfits = segments_in(folder, hint="; name the broker's home with --home")  # first: segments move from here to there
    if away is None:
        return rows, misfits
    if away.is_dir() and any(away.glob("*.hj*")):  # else nothing has been archived yet
        here = {row.serial for row in rows}
        old, wrong = segments_in(away)
        rows, misfits = [*(row for row in old if row.serial not in here), *rows], [*wrong, *misfits]
        rows.sort(key=lambda row: row.serial)
    for row in rows:
        row.archive = away
    return rows, misfits


def segments_in(folder: Path, hint: str = "") -> tuple[list[SegmentContents], list[tuple[str, str]]]:
    """List the segments in a folder likewise.

    Args:
        folder: of a journal, or of one in an archive.
        hint: end of the error's text.
    Raises:
        ConfigError: it has none.
    """
    try:
        listing = survey(folder, journal_id(folder))
    except OSError as error:
        raise ConfigError(f"no journal in {folder}: {error.strerror or error}{hint}") from error
    if not listing.segments and not listing.misfits:
        raise ConfigError(f"no journal in {folder}{hint}")
    for name, reason in listing.misfits:
        click.echo(f"{name}: not a segment of this journal: {reason}", err=True)
    return [_contents(folder, segment) for segment in listing.segments], listing.misfits


def _contents(folder: Path, segment: Candidate) -> SegmentContents:
    return SegmentContents(
        folder / segment.name,
        segment.size,
        segment.head.epoch if segment.head is not None else 0,
        serial=segment.serial,
        before=segment.ticks,
        stored=segment.stored or segment.size,
        head=segment.head,
    )


def journals_in(folder: Path) -> list[Path]:
    """Return the folders of journals in a folder: itself, or those in it if it is an archive; itself if there are none."""
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "aside" and any(path.glob("*.hj*")))
    except OSError:
        return [folder]
    return [folder] if any(folder.glob("*.hj*")) or not inner else inner


def frames(call: Call, archive: bool = False) -> Iterator[bytes]:
    """Yield the frames of all ticks, oldest first.

    Args:
        call: of the command.
        archive: begin with those of the archive.
    Raises:
        ConfigError: as `segments`; or a file cannot be read.
    """
    for segment in segments(call, archive)[0]:
        for record in scan(segment.read()):
            if isinstance(record, Record) and record.kind == TICK:
                yield record.tick()[3]

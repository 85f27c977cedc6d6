"""The state of a journal at a start: as read from the disk, and whether numbers may continue under their epoch."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hulak.bus.broker.storage.journal_note import CLOSED, DEGRADED, LIVE, JournalNotes, Noted
from hulak.bus.broker.storage.journal_recovery import Reading, set_aside, survey
from hulak.bus.broker.storage.segment_file import read_head, read_whole
from hulak.bus.core.journal.broker_clock import Clocks
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_index import IndexBuilder, SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate, is_compressed
from hulak.bus.errors import ProtocolError

ROOM_FOR_EPOCHS = 1 << 20  # epochs that may have been published but never written: one each time the journal degraded


class Aside(Struct, frozen=True):
    """A file with a segment's name that is not a segment of this journal."""

    name: str
    why: str
    moved: bool  # to the folder `aside`; else it stays in its place and is not read


class Recovered(Struct, frozen=True):
    """The content of a journal when it was opened."""

    state: Snapshot  # to continue from
    read: int  # ticks read
    corrupt_bytes: int  # skipped in the last segment
    torn_bytes: int  # truncated at its end
    why_new_epoch: str  # empty if the epoch continues
    aside: list[Aside] = msgspec.field(default_factory=list)


@dataclass(slots=True)
class FolderContents:
    """The content of the journal's folder."""

    state: Snapshot | None = None  # None: no tick and no head
    segments: list[Candidate] = field(default_factory=list)  # in order; sizes without torn ends
    aside: list[Aside] = field(default_factory=list)  # files
    not_files: list[Aside] = field(default_factory=list)  # folders and the like with a segment's name, left in place
    journal: str = ""
    highest: int = 0  # serial in any name
    indexes: dict[str, SegmentIndex] = field(default_factory=dict)  # of the segments that were read, by name
    read: int = 0
    corrupt: int = 0
    torn: int = 0


def find(folder: Path, noted: str) -> FolderContents:
    """Read the folder from the newest whole head on; foreign files are set aside, and a torn end is truncated.

    Args:
        folder: of the journal.
        noted: its id, if there is a note.
    Raises:
        OSError: the folder cannot be read.
    """
    surveyed = survey(folder, noted)
    contents = FolderContents(None, surveyed.segments, journal=surveyed.journal, highest=surveyed.highest)
    reasons = dict(surveyed.misfits)
    while (trouble := _read(folder, contents)) is not None:
        reasons[trouble[0]] = trouble[1]
        contents.segments = [segment for segment in contents.segments if segment.name != trouble[0]]
    for name in surveyed.doubles:
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)  # it is made again
    contents.aside = [Aside(name, why, set_aside(folder, name)) for name, why in reasons.items()]
    contents.not_files = [Aside(name, "it is not a file", moved=False) for name in surveyed.not_files]
    return contents


def _read(folder: Path, contents: FolderContents) -> tuple[str, str] | None:
    """Read the newest segments; returns the name of the first unreadable one, and the reason."""
    at = max((at for at, segment in enumerate(contents.segments) if segment.head is not None), default=0)
    reading = Reading(_full_head(folder, contents.segments[at]) if contents.segments else None)
    for place in range(at, len(contents.segments)):
        segment = contents.segments[place]
        try:
            data = read_whole(folder / segment.name)
        except (OSError, ProtocolError) as error:
            return segment.name, str(error)
        builder = IndexBuilder(_full_head(folder, segment), segment.ticks + 1)
        if reading.segment(data, builder.index):
            contents.indexes[segment.name] = builder.index
        if reading.torn and not is_compressed(segment.name):
            segment = contents.segments[place] = replace(segment, size=segment.size - reading.torn)
            with contextlib.suppress(OSError):  # on a disk that cannot be written: no reader goes beyond the size
                os.truncate(folder / segment.name, segment.size)
    contents.state, contents.read = reading.state(), reading.ticks_read
    contents.corrupt, contents.torn = reading.corrupt, reading.torn_in_all
    return None


def _full_head(folder: Path, segment: Candidate) -> Snapshot | None:
    """Return a segment's head with its last values, which were not read of a compressed segment."""
    return read_head(folder / segment.name) if is_compressed(segment.name) else segment.head


def why_new_epoch(contents: FolderContents, word: str, noted: Noted, boot: str, *, flagged: bool) -> str:
    """Return why a new epoch must begin: numbers continue under their epoch only if no published tick can be missing here.

    Args:
        contents: of the folder.
        word: of the note.
        noted: the note's position.
        boot: id of the machine's present boot.
        flagged: a flag outside the journal's disk says that it was degraded.
    Returns:
        the reason; empty if the epoch continues.
    """
    state = contents.state
    if state is None:
        return "there was no journal"
    reasons = (
        (all(segment.head is None for segment in contents.segments), "no segment's head was whole"),
        (word == DEGRADED or flagged, "ticks were published while the journal was degraded"),
        (word not in (LIVE, CLOSED, DEGRADED), f"the journal's note says {word!r}"),
        (contents.torn > 0, f"{contents.torn} bytes at the end were no whole record"),
        (contents.corrupt > 0, f"{contents.corrupt} bytes were no whole record"),
        (bool(contents.aside), f"{len(contents.aside)} files were set aside"),
        (noted.ticks > state.ticks, f"the journal's note says that it had {noted.ticks} ticks, {state.ticks} are there"),
        (noted.epoch > state.epoch, f"the journal's note says epoch {noted.epoch}, its ticks say {state.epoch}"),
        (word != CLOSED and state.boot != boot, "the machine was restarted meanwhile"),
    )
    return next((why for holds, why in reasons if holds), "")


def new_epoch(now_ns: int, *known: int) -> int:
    """Return an epoch that is larger than every known one, and than those that a degraded journal never wrote."""
    return max(now_ns // 1_000_000, *(epoch + ROOM_FOR_EPOCHS for epoch in known))


@dataclass(slots=True)
class JournalStart:
    """The state that a journal begins with.

    Args:
        contents: of its folder; empty, if that cannot be read.
        noted: the position in the note.
        trouble: why the folder cannot be read; empty if it can.
        why: the reason for another epoch; empty if the epoch continues.
        clocks: at the start.
    """

    contents: FolderContents
    noted: Noted
    trouble: str
    why: str
    clocks: Clocks

    def age_s(self) -> float:
        """Return the broker's age, from the newest one on disk; 0 if there is none."""
        heads = [segment.head.aged() for segment in self.contents.segments if segment.head is not None]
        return max((aged.later(self.clocks) for aged in (*heads, self.noted.aged()) if aged is not None), default=0.0)

    def state(self) -> Snapshot:
        """Return the state to continue from, under another epoch if there is a reason."""
        state = self.contents.state or Snapshot(0, self.clocks.boot, 0, 0)
        return replace(state, epoch=new_epoch(self.clocks.time_ns, state.epoch, self.noted.epoch)) if self.why else state


def read_start(folder: Path, notes: JournalNotes, clocks: Clocks) -> JournalStart:
    """Read the state that a journal begins with; its folder is made if there is none."""
    word, noted = notes.note.read()
    flagged = notes.flag.is_set()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        contents = find(folder, noted.journal)
    except OSError as error:
        return JournalStart(FolderContents(), noted, str(error), str(error), clocks)
    return JournalStart(contents, noted, "", why_new_epoch(contents, word, noted, clocks.boot, flagged=flagged), clocks)

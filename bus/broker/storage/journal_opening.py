"""How a journal is found at a start: what is taken from the disk, and whether numbers may go on under their epoch."""

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from hulak.bus.broker.storage.journal_note import CLOSED, DEGRADED, LIVE, JournalNotes, Noted
from hulak.bus.broker.storage.journal_recovery import Reading, set_aside, survey
from hulak.bus.core.journal.broker_clock import Clocks
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_index import IndexBuilder, SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate

ROOM_FOR_EPOCHS = 1 << 20  # what may have been published under epochs that were never written down: one for each time it degraded


@dataclass(frozen=True, slots=True)
class Aside:
    """A file that is named as a segment and is none of this journal's."""

    name: str
    why: str
    moved: bool  # to the folder `aside`; else it is left in its place, and not looked at


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal held when it was opened."""

    state: Snapshot  # to go on from
    read: int  # ticks read
    corrupt_bytes: int  # passed over in the last segment
    torn_bytes: int  # cut off its end
    why_new_epoch: str  # empty if the epoch goes on
    aside: list[Aside] = field(default_factory=list)


@dataclass(slots=True)
class FolderContents:
    """What lies in the folder."""

    state: Snapshot | None = None  # None: no tick and no head
    segments: list[Candidate] = field(default_factory=list)  # in order; sizes without torn ends
    aside: list[Aside] = field(default_factory=list)  # files
    strange: list[Aside] = field(default_factory=list)  # what is no file, and left alone
    journal: str = ""
    highest: int = 0  # serial that any name begins with
    indexes: dict[str, SegmentIndex] = field(default_factory=dict)  # of the segments that were read, by their names
    read: int = 0
    corrupt: int = 0
    torn: int = 0


def find(folder: Path, noted: str) -> FolderContents:
    """Look at the folder, set aside what does not belong there, read from the newest whole head on, cut a torn end off.

    Args:
        folder: of the journal.
        noted: its id, if the note tells it.
    Raises:
        OSError: the folder cannot be read.
    """
    seen = survey(folder, noted)
    found = FolderContents(None, seen.segments, journal=seen.journal, highest=seen.highest)
    reasons = dict(seen.misfits)
    while (trouble := _read(folder, found)) is not None:
        reasons[trouble[0]] = trouble[1]
        found.segments = [one for one in found.segments if one.name != trouble[0]]
    found.aside = [Aside(name, why, set_aside(folder, name)) for name, why in reasons.items()]
    found.strange = [Aside(name, "it is no file", moved=False) for name in seen.strange]
    return found


def _read(folder: Path, found: FolderContents) -> tuple[str, str] | None:
    """Read the newest segments; returns the name of the one that cannot be read, and why."""
    at = max((at for at, one in enumerate(found.segments) if one.head is not None), default=0)
    reading = Reading(found.segments[at].head if found.segments else None)
    for place in range(at, len(found.segments)):
        one = found.segments[place]
        try:
            data = (folder / one.name).read_bytes()
        except OSError as error:
            return one.name, str(error)
        builder = IndexBuilder(one.head, one.ticks + 1)
        if reading.segment(data, builder.index):
            found.indexes[one.name] = builder.index
        if reading.torn:
            one = found.segments[place] = replace(one, size=one.size - reading.torn)
            with contextlib.suppress(OSError):  # of a disk that cannot be written: nobody reads beyond the size either
                os.truncate(folder / one.name, one.size)
    found.state, found.read = reading.state(), reading.ticks_read
    found.corrupt, found.torn = reading.corrupt, reading.torn_in_all
    return None


def why_new_epoch(found: FolderContents, word: str, noted: Noted, boot: str, *, flagged: bool) -> str:
    """Numbers may go on under their epoch only if none that was seen outside can be missing here.

    Args:
        found: what was read.
        word: of the note.
        noted: behind it.
        boot: id of the machine's present boot.
        flagged: a flag outside the journal's disk says that it was degraded.
    Returns:
        the reason for another one; empty if there is none.
    """
    state = found.state
    if state is None:
        return "there was no journal"
    reasons = (
        (all(one.head is None for one in found.segments), "no segment's head was whole"),
        (word == DEGRADED or flagged, "ticks were published while the journal was degraded"),
        (word not in (LIVE, CLOSED, DEGRADED), f"the journal's own note says {word!r}"),
        (found.torn > 0, f"{found.torn} bytes at the end were no whole record"),
        (found.corrupt > 0, f"{found.corrupt} bytes were no whole record"),
        (bool(found.aside), f"{len(found.aside)} files were set aside"),
        (noted.ticks > state.ticks, f"the journal's note says that it had {noted.ticks} ticks, {state.ticks} are there"),
        (noted.epoch > state.epoch, f"the journal's note says epoch {noted.epoch}, its ticks say {state.epoch}"),
        (word != CLOSED and state.boot != boot, "the machine was started anew meanwhile"),
    )
    return next((why for holds, why in reasons if holds), "")


def new_epoch(now_ns: int, *known: int) -> int:
    """Choose an epoch that is larger than every known one, and than those that were begun in memory only behind it."""
    return max(now_ns // 1_000_000, *(one + ROOM_FOR_EPOCHS for one in known))


@dataclass(slots=True)
class JournalStart:
    """What a journal begins with.

    Args:
        found: in its folder; nothing, if that cannot be looked at.
        noted: beside the segments.
        trouble: why the folder cannot be looked at; empty if it can.
        why: another epoch must be begun; empty if not.
        clocks: at the start.
    """

    found: FolderContents
    noted: Noted
    trouble: str
    why: str
    clocks: Clocks

    def age_s(self) -> float:
        """Tell the broker's own age, from the newest of what was written down; 0 if nothing was."""
        heads = [one.head.aged() for one in self.found.segments if one.head is not None]
        return max((aged.later(self.clocks) for aged in (*heads, self.noted.aged()) if aged is not None), default=0.0)

    def state(self) -> Snapshot:
        """Make the state to go on from, under another epoch if there is a reason."""
        state = self.found.state or Snapshot(0, self.clocks.boot, 0, 0)
        return replace(state, epoch=new_epoch(self.clocks.time_ns, state.epoch, self.noted.epoch)) if self.why else state


def look(folder: Path, notes: JournalNotes, clocks: Clocks) -> JournalStart:
    """Find out what a journal begins with; its folder is made if there is none."""
    word, noted = notes.note.read()
    flagged = notes.flag.hoisted()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = find(folder, noted.journal)
    except OSError as error:
        return JournalStart(FolderContents(), noted, str(error), str(error), clocks)
    return JournalStart(found, noted, "", why_new_epoch(found, word, noted, clocks.boot, flagged=flagged), clocks)

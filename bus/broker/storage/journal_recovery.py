"""Reads a journal at a start: which files in its folder are segments, the state in their heads, and the records after it.

Other files do not prevent a start: files without a segment's name are left alone, and a file with a segment's name that is
not of this journal is reported, and moved to the folder `aside` by the process that writes the journal.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from hulak.bus.broker.storage.segment_file import SegmentFile
from hulak.bus.core.journal.record_format import (
    MAX_EPOCH,
    MAX_NUMBER,
    TICK,
    TICK_HEAD,
    Corrupt,
    Record,
    Snapshot,
    key_of,
    scan,
    ticks_in,
)
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import (
    Candidate,
    compressed_name,
    is_compressed,
    misfits,
    numbers_in,
    own_journal,
    plain_name,
    serial_in,
)
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, check_topic
from hulak.bus.wire.names import OWN_TOPICS, OWNED_BY_FEEDS
from hulak.bus.wire.own_names import owned_name

ASIDE = "aside"
SEARCH_BYTES = 64 << 20  # searched for a whole record, where a segment's head is damaged


@dataclass(slots=True)
class Survey:
    """The files in a journal's folder."""

    segments: list[Candidate] = field(default_factory=list)  # of the journal, in order
    misfits: list[tuple[str, str]] = field(
        default_factory=list
    )  # names of files that have a segment's name and are not segments, and why
    not_files: list[str] = field(default_factory=list)  # segments' names of folders and the like
    doubles: list[str] = field(default_factory=list)  # compressed segments that are there uncompressed, too: these count
    journal: str = ""  # id; empty if no head has it
    highest: int = 0  # serial in any name


def survey(folder: Path, noted: str = "") -> Survey:
    """Read the files in a journal's folder; changes none.

    Args:
        folder: of the journal.
        noted: id of the journal, if there is a note.
    Raises:
        OSError: the folder cannot be read.
    """
    candidates: list[Candidate] = []
    reasons: dict[str, str] = {}
    not_files: list[str] = []
    doubles: list[str] = []
    paths = sorted(folder.iterdir())
    names = {path.name for path in paths}
    for path in paths:
        numbers = numbers_in(path.name)
        if numbers is None:
            continue
        if is_compressed(path.name) and plain_name(path.name) in names:
            doubles.append(path.name)  # a broker was killed before it removed the uncompressed file
            continue
        if not os.path.isfile(path):  # noqa: PTH113 - also false if the path cannot be read
            not_files.append(path.name)
            continue
        try:
            candidates.append(_candidate(path, *numbers))
        except FileNotFoundError:  # a running broker has compressed or deleted it meanwhile
            with contextlib.suppress(OSError, ProtocolError):
                candidates.append(_candidate(path.with_name(compressed_name(path.name)), *numbers))
        except (OSError, ProtocolError) as error:
            reasons[path.name] = str(error)
    journal = own_journal(candidates, noted)
    reasons |= misfits(candidates, journal)
    segments = sorted((file for file in candidates if file.name not in reasons), key=lambda file: file.serial)
    return Survey(segments, sorted(reasons.items()), not_files, doubles, journal, highest_serial(folder))


def highest_serial(folder: Path) -> int:
    """Return the highest serial in the names in the folder and in `aside`; raises OSError."""
    aside = folder / ASIDE
    names = [path.name for where in (folder, aside) if where.is_dir() for path in where.iterdir()]
    return max(map(serial_in, names), default=0)


def _candidate(path: Path, serial: int, ticks: int) -> Candidate:
    with SegmentFile(path) as file:
        try:
            head, head_bytes = file.summary()
        except ProtocolError as error:
            if "version" in error.details:
                raise  # a later version of Hulak can read it: its ticks are left as they are
            head, head_bytes = None, 0
        first = 0 if head is not None else _first_tick(file.read(SEARCH_BYTES, 0))
        stored = file.stored if file.compressed else 0
        return Candidate(path.name, serial, ticks, file.size, head, head_bytes, first, stored)


def _first_tick(data: bytes) -> int:
    for entry in scan(data):
        if isinstance(entry, Record) and entry.kind == TICK and len(entry.payload) >= TICK_HEAD.size:
            return entry.tick()[0]
    raise ProtocolError("BAD_BODY", f"there is no whole record in its first {len(data)} bytes")


def set_aside(folder: Path, name: str) -> bool:
    """Move a file to the folder `aside`; false if it could not be moved."""
    try:
        (folder / ASIDE).mkdir(mode=0o700, exist_ok=True)
        (folder / name).rename(next(path for path in _places(folder / ASIDE, name) if not path.exists()))
    except OSError:
        return False
    return True


def _places(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    number = 1
    while True:
        yield folder / f"{name}.{number}"
        number += 1


class Reading:
    """Adds the records of segments, in order, to a state.

    Args:
        head: the state at the beginning, or None.
    """

    def __init__(self, head: Snapshot | None) -> None:
        self._head = head
        self._topics = {key: frame for key, frame in (head.topics if head else {}).items() if _goes_on(frame)}
        self._sources = dict(head.sources) if head else {}
        self._ticks = head.ticks if head else 0
        self._epoch = head.epoch if head else 0
        self.ticks_read = 0
        self.corrupt = 0  # bytes skipped
        self.torn = 0  # bytes of an incomplete record at the end of the last segment read
        self.torn_in_all = 0

    def segment(self, data: bytes, index: SegmentIndex) -> bool:
        """Add one segment's bytes.

        Args:
            data: of the whole segment.
            index: of the segment, filled by this call.
        Returns:
            whether the index is valid: false if the numbers are not in order.
        """
        self.torn, at, good = 0, 0, True
        while at < len(data):
            for begin, end, number, instance, running, frame in ticks_in(data, at):
                at = end
                stamp = self._tick(number, instance, running, frame)
                if stamp is None:
                    self.corrupt += end - begin  # numbers could not continue from it
                elif good:
                    good = index.found(number, key_of(frame), (begin, end), *stamp)
            entry = next(scan(data, at), None)  # not a tick, or not whole
            if entry is None:
                break
            if isinstance(entry, Corrupt):
                self._damage(entry)
            at = entry.end
        return good

    def _tick(self, number: int, instance: int, running: int, frame: bytes) -> tuple[int, int] | None:
        """Add one tick; returns its epoch and time, None if no broker can have written it."""
        key = frame[: frame.find(NUL) + 1]
        try:
            epoch, sequence, time_ns = STAMP.unpack_from(frame, len(key))
        except struct.error:
            return None
        known = key in self._topics or _is_fed(key)
        if not (known and epoch <= MAX_EPOCH and 0 < sequence <= MAX_NUMBER and 0 < number <= MAX_NUMBER):
            return None
        self._topics[key] = frame
        self._epoch = max(self._epoch, epoch)
        if instance:
            self._sources[instance] = running
        self._ticks = max(self._ticks, number)
        self.ticks_read += 1
        return epoch, time_ns

    def _damage(self, corrupt: Corrupt) -> None:
        if corrupt.last:
            self.torn = corrupt.end - corrupt.offset
            self.torn_in_all += self.torn
        else:
            self.corrupt += corrupt.end - corrupt.offset

    def state(self) -> Snapshot | None:
        """Return the state after all records; None if there were none. Without a head, its boot and time are empty."""
        if self._head is None and not self.ticks_read:
            return None
        head = self._head or Snapshot(self._epoch, "", 0, 0)
        return replace(head, epoch=self._epoch, ticks=self._ticks, topics=self._topics, sources=self._sources)


def _goes_on(frame: bytes) -> bool:
    """Return whether a topic can continue from this frame, which has a stamp."""
    key = key_of(frame)
    epoch, sequence, _ = STAMP.unpack_from(frame, len(key))
    return _is_fed(key) and epoch <= MAX_EPOCH and 0 < sequence <= MAX_NUMBER


def _is_fed(key: bytes) -> bool:
    """Return whether it is the key of a topic that is journalled."""
    try:
        if key.startswith(OWN_TOPICS):
            owned_name(key[:-1])
            return True
        check_topic(key[:-1])
    except ProtocolError:
        return False
    return key.startswith(OWNED_BY_FEEDS)

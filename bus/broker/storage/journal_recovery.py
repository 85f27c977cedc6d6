"""A journal is read at a start: which files in its folder are its segments, what their heads say, what their records add to it.

Whatever else lies there keeps nobody from starting: names that are no segment's are left alone, and what is named as a segment
and is none of this journal's is told, and moved to the folder `aside` by who writes the journal.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hulak.bus.core.journal.record_format import (
    MAX_EPOCH,
    MAX_NUMBER,
    SNAPSHOT,
    TICK,
    TICK_HEAD,
    Corrupt,
    Record,
    Snapshot,
    key_of,
    needs,
    record_at,
    scan,
    ticks_in,
)
from hulak.bus.core.journal.segment_index import SegmentIndex
from hulak.bus.core.journal.segment_names import Candidate, misfits, numbers_in, own_journal, serial_in
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, check_topic
from hulak.bus.wire.names import OWNED_BY_FEEDS

ASIDE = "aside"
LOOK_BYTES = 64 << 20  # for a whole record, where a segment's head is damaged


def read_head(path: Path) -> Snapshot | None:
    """Read a segment's snapshot; None if it is not whole."""
    try:
        return _head_of(path)[0]
    except (OSError, ProtocolError):
        return None


def _head_of(path: Path) -> tuple[Snapshot | None, int]:
    """Read a segment's snapshot, and how many bytes its record has; None and 0 if it is not whole.

    Raises:
        OSError: the file cannot be read.
        ProtocolError: `BAD_BODY`.
    """
    with path.open("rb") as file:
        data = file.read(1 << 16)
        wanted = needs(data, 0)
        if wanted is not None and wanted > len(data):
            data += file.read(wanted - len(data))
    record: Record | None = record_at(data, 0)
    if record is None or record.kind != SNAPSHOT:
        return None, 0
    return Snapshot.decode(record.payload), record.end


@dataclass(slots=True)
class Survey:
    """What lies in a journal's folder."""

    segments: list[Candidate] = field(default_factory=list)  # of the journal, in order
    misfits: list[tuple[str, str]] = field(
        default_factory=list
    )  # names of files that are named as segments and are none, and why
    strange: list[str] = field(default_factory=list)  # names of what is named so and is no file
    journal: str = ""  # id; empty if no head tells it
    highest: int = 0  # serial that any name begins with


def survey(folder: Path, noted: str = "") -> Survey:
    """Look at all that is in a journal's folder; nothing is changed.

    Args:
        folder: of the journal.
        noted: id of the journal, if a note tells it.
    Raises:
        OSError: the folder cannot be read.
    """
    found: list[Candidate] = []
    reasons: dict[str, str] = {}
    strange: list[str] = []
    for path in sorted(folder.iterdir()):
        numbers = numbers_in(path.name)
        if numbers is None:
            continue
        if not os.path.isfile(path):  # noqa: PTH113 - which is false too for what cannot be looked at
            strange.append(path.name)
            continue
        try:
            found.append(_look(path, *numbers))
        except FileNotFoundError:
            continue  # a running broker has let it go meanwhile
        except (OSError, ProtocolError) as error:
            reasons[path.name] = str(error)
    journal = own_journal(found, noted)
    reasons |= misfits(found, journal)
    segments = sorted((one for one in found if one.name not in reasons), key=lambda one: one.serial)
    return Survey(segments, sorted(reasons.items()), strange, journal, highest_serial(folder))


def highest_serial(folder: Path) -> int:
    """Tell the highest serial that anything in the folder, or set aside from it, has in its name; raises OSError."""
    aside = folder / ASIDE
    names = [path.name for where in (folder, aside) if where.is_dir() for path in where.iterdir()]
    return max(map(serial_in, names), default=0)


def _look(path: Path, serial: int, ticks: int) -> Candidate:
    size = path.stat().st_size
    try:
        head, head_bytes = _head_of(path)
    except ProtocolError as error:
        if "version" in error.details:
            raise  # who can read it will: its ticks are not ours to judge
        head, head_bytes = None, 0
    first = 0 if head is not None else _first_tick(path)
    return Candidate(path.name, serial, ticks, size, head, head_bytes, first)


def _first_tick(path: Path) -> int:
    with path.open("rb") as file:
        data = file.read(LOOK_BYTES)
    for one in scan(data):
        if isinstance(one, Record) and one.kind == TICK and len(one.payload) >= TICK_HEAD.size:
            return one.tick()[0]
    raise ProtocolError("BAD_BODY", f"there is no whole record in its first {len(data)} bytes")


def set_aside(folder: Path, name: str) -> bool:
    """Move a file away from the segments; false if it must stay where it is."""
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
        head: the state at the beginning; None if there is none.
    """

    def __init__(self, head: Snapshot | None) -> None:
        self._head = head
        self._topics = {key: frame for key, frame in (head.topics if head else {}).items() if _goes_on(frame)}
        self._sources = dict(head.sources) if head else {}
        self._ticks = head.ticks if head else 0
        self._epoch = head.epoch if head else 0
        self.ticks_read = 0
        self.corrupt = 0  # bytes that were passed over
        self.torn = 0  # bytes at the end of the segment read last that are no whole record
        self.torn_in_all = 0

    def segment(self, data: bytes, index: SegmentIndex) -> bool:
        """Add one segment's bytes.

        Args:
            data: of the whole segment.
            index: of it, to be filled on the way.
        Returns:
            whether the index is good: false if the numbers are not in order.
        """
        self.torn, at, good = 0, 0, True
        while at < len(data):
            for begin, end, number, instance, running, frame in ticks_in(data, at):
                at = end
                stamp = self._tick(number, instance, running, frame)
                if stamp is None:
                    self.corrupt += end - begin  # numbers could not go on from it
                elif good:
                    good = index.found(number, key_of(frame), (begin, end), *stamp)
            one = next(scan(data, at), None)  # no tick, or no whole one
            if one is None:
                break
            if isinstance(one, Corrupt):
                self._damage(one)
            at = one.end
        return good

    def _tick(self, number: int, instance: int, running: int, frame: bytes) -> tuple[int, int] | None:
        """Take one tick in; returns its epoch and time, None if it is none that could have been written."""
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

    def _damage(self, found: Corrupt) -> None:
        if found.last:
            self.torn = found.end - found.offset
            self.torn_in_all += self.torn
        else:
            self.corrupt += found.end - found.offset

    def state(self) -> Snapshot | None:
        """Tell the state after all that was added; None if there was nothing. Without a head, its boot and time are empty."""
        if self._head is None and not self.ticks_read:
            return None
        head = self._head or Snapshot(self._epoch, "", 0, 0)
        return replace(head, epoch=self._epoch, ticks=self._ticks, topics=self._topics, sources=self._sources)


def _goes_on(frame: bytes) -> bool:
    """Tell whether a topic can go on from this frame, which has a stamp."""
    key = key_of(frame)
    epoch, sequence, _ = STAMP.unpack_from(frame, len(key))
    return _is_fed(key) and epoch <= MAX_EPOCH and 0 < sequence <= MAX_NUMBER


def _is_fed(key: bytes) -> bool:
    try:
        check_topic(key[:-1])
    except ProtocolError:
        return False
    return key.startswith(OWNED_BY_FEEDS)

"""The tick journal: segments of records in a folder, written before anybody sees a tick, read again for replays and at a start.

A turn's records are one `write`; `fsync` runs in a thread, once a second. What a kill of the broker can tear is the last write,
which was not published yet. When a write fails, or the disk is full, ticks flow on without the journal, which says `degraded`,
tries again every second, and goes on in a new segment.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bus.core.index import Builder, Ordinals, SegmentIndex, index_path
from bus.core.records import Batch, Snapshot
from bus.errors import ConfigError
from bus.recovery import Reading, read_head
from bus.settings import JournalSettings
from bus.storage import Storage, write_whole

ENDING = ".hj"
RETRY_S = 1.0


@dataclass(slots=True)
class Segment:
    """One file of the journal."""

    path: Path
    serial: int  # from 1, +1 for each file
    ticks: int  # number of the last tick before it
    since_ns: int = 0  # when it was begun, ns since 1970 UTC
    size: int = 0
    index: SegmentIndex | None = None  # of the newest segment, and of one whose index is not yet in a file
    times: tuple[int, int] | None = None  # the least and the largest stamp in it, if that is known


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal held when it was opened."""

    state: Snapshot  # to go on from
    read: int  # ticks read
    corrupt_bytes: int  # passed over in the last segment
    torn_bytes: int  # cut off its end
    why_new_epoch: str  # empty if the epoch goes on


class Journal:
    """The journal of one broker; used by one thread.

    Args:
        folder: `<home>/journal`.
        settings: bounds and times.
        boot: id of the machine's boot.
        clock: ns since 1970 UTC.
    """

    def __init__(self, folder: Path, settings: JournalSettings, boot: str, clock: Callable[[], int]) -> None:
        self.folder = folder
        self.settings = settings
        self.boot = boot
        self.clock = clock
        self.segments: list[Segment] = []
        self.degraded = ""  # why; empty while all is well
        self.lost = 0  # ticks that were published and not journalled
        self.syncs = 0
        self.ordinals = Ordinals()  # of the topics, as the bus gives them; see `Topics.ordinals`
        self._fd = -1
        self._retry_at = 0.0
        self._sync_at = 0.0
        self._storage = Storage()

    # At the start

    def open(self) -> Recovered:
        """Read what is there, cut a torn tail, begin a new segment.

        Raises:
            ConfigError: the folder cannot be made, read or written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state, read, corrupt, torn = self._read_segments()
            why = self._why_new_epoch(state, torn)
            now_ns = self.clock()
            epoch = state.epoch if state is not None and not why else max(now_ns // 1_000_000, state.epoch + 1 if state else 0)
            state = Snapshot(
                epoch,
                self.boot,
                now_ns,
                state.ticks if state else 0,
                state.topics if state else {},
                state.sources if state else {},
            )
            self._begin(state)
            self._note("live")
        except OSError as error:
            raise ConfigError(f"journal folder {self.folder} cannot be used: {error}; choose another home") from error
        return Recovered(state, read, corrupt, torn, why)

    def _read_segments(self) -> tuple[Snapshot | None, int, int, int]:
        """List all segments, and read from the newest one whose head is whole to the end."""
        state, at = None, 0
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            serial, ticks = (int(part) for part in path.stem.split("-"))
            head = read_head(path)
            if head is not None:
                state, at = head, len(self.segments)
            since_ns = head.time_ns if head is not None else self.segments[-1].since_ns if self.segments else 0
            self.segments.append(Segment(path, serial, ticks, since_ns, path.stat().st_size))
        read = Reading(state)
        for segment in self.segments[at:]:
            builder = Builder(state if segment is self.segments[at] else None, segment.ticks + 1)
            if read.segment(segment.path.read_bytes(), builder.index):
                segment.index = builder.index
            if read.torn:
                segment.size -= read.torn
                os.truncate(segment.path, segment.size)
        return read.state(), read.ticks_read, read.corrupt, read.torn_in_all

    def _why_new_epoch(self, state: Snapshot | None, torn: int) -> str:
        """Numbers may go on under their epoch only if none that was seen outside can be missing here."""
        noted = self._noted()
        reasons = (
            (state is None, "there was no journal"),
            (state is not None and not state.time_ns, "no segment's head was whole"),
            (noted == "degraded", "ticks were published while the journal was degraded"),
            (noted not in ("live", "closed", "degraded"), f"the journal's own note says {noted!r}"),
            (torn > 0, f"{torn} bytes at the end were no whole record"),
            (noted != "closed" and state is not None and state.boot != self.boot, "the machine was started anew meanwhile"),
        )
        return next((why for holds, why in reasons if holds), "")

    def _noted(self) -> str:
        try:
            return (self.folder / "note").read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _note(self, word: str) -> None:
        """Write one word in place; it needs no further space, even on a full disk."""
        fd = os.open(self.folder / "note", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(fd, word.ljust(16).encode() + b"\n", 0)
            os.fsync(fd)
        finally:
            os.close(fd)

    # Writing

    def append(self, batch: Batch, now: float) -> bool:
        """Write one turn's records; false if they are not in the journal.

        Args:
            batch: of one turn.
            now: monotonic seconds.
        """
        records = batch.records
        if self.degraded:
            self.lost += len(records)
            return False
        segment, data = self.segments[-1], b"".join(records)
        try:
            written = os.write(self._fd, data)
            if written < len(data):
                raise OSError(f"only {written} of {len(data)} bytes were taken, the disk is full")
        except OSError as error:
            self._degrade(str(error), now)
            self.lost += len(records)
            return False
        assert segment.index is not None, "the newest segment has its index"
        segment.index.add(batch.ordinals, records, batch.epoch, batch.time_ns)
        segment.size += len(data)
        return True

    def _degrade(self, why: str, now: float) -> None:
        self.degraded = why
        self._retry_at = now + RETRY_S
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.segments[-1].size)  # cuts what a short write left
        with contextlib.suppress(OSError):
            self._note("degraded")

    def beat(self, now: float, state: Callable[[], Snapshot]) -> bool:
        """Do what is due: sync, begin a new segment, let old ones go, come back from being degraded.

        Args:
            now: monotonic seconds.
            state: the bus's present state, for the head of a new segment.
        Returns:
            true if the journal has just come back.
        """
        failure = self._storage.failure()
        if failure and not self.degraded:
            self._degrade(failure, now)
        if self.degraded:
            return now >= self._retry_at and self._come_back(now, state())
        if now >= self._sync_at:
            self._sync_at = now + self.settings.fsync_s
            self._storage.sync(self._fd)
            self.syncs += 1
        if self.segments[-1].size >= self.settings.segment_bytes:
            try:
                self._begin(state())
            except OSError as error:
                self._degrade(str(error), now)
        self._let_go()
        return False

    def _come_back(self, now: float, state: Snapshot) -> bool:
        self._retry_at = now + RETRY_S
        try:
            self._begin(state)
            os.fsync(self._fd)  # an error here is the old one: a new file shows whether the disk is well
            self._note("live")
        except OSError as error:
            self.degraded = str(error)
            return False
        self.degraded = ""
        return True

    def _begin(self, state: Snapshot) -> None:
        """Begin a new segment with this state at its head."""
        serial = self.segments[-1].serial + 1 if self.segments else 1
        path = self.folder / f"{serial:010d}-{state.ticks:020d}{ENDING}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        head = state.encode()
        try:
            written = os.write(fd, head)
            if written < len(head):
                raise OSError(f"only {written} of {len(head)} bytes of a segment's head were taken, the disk is full")
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            self._storage.close(self._fd)
        for segment in self.segments:
            self.save_index(segment)
        self._fd = fd
        index = SegmentIndex(state.ticks + 1, self.ordinals, state.sequences(), len(head))
        self.segments.append(Segment(path, serial, state.ticks, state.time_ns, len(head), index))

    def save_index(self, segment: Segment) -> None:
        """Have a segment's index written beside it; in memory it is kept until that is done."""
        index, size = segment.index, segment.size

        def job() -> None:
            try:
                if index is not None and segment.path.exists():
                    write_whole(index_path(segment.path), index.encode(size))
            finally:
                segment.index = None

        if index is not None:
            segment.times = index.least_ns, index.most_ns
            self._storage.do(job)

    def _let_go(self) -> None:
        """Delete the oldest segments beyond the bounds; the newest always stays."""
        oldest_ns = self.clock() - int(self.settings.max_hours * 3600 * 1e9)
        total = sum(segment.size for segment in self.segments)
        while len(self.segments) > 1:
            first, second = self.segments[0], self.segments[1]
            if total <= self.settings.max_bytes and second.since_ns >= oldest_ns:
                return
            total -= first.size
            self._storage.delete(first.path, index_path(first.path))
            del self.segments[0]

    def close(self) -> None:
        """Sync and close; the next start goes on under this epoch."""
        self._storage.end()
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
            if not self.degraded:
                self._note("closed")
        os.close(self._fd)
        self._fd = -1

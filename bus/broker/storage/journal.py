"""The tick journal: segments of records in a folder, written before a tick is published, read for replays and at a start.

The records of one iteration are one `write`; `fsync` runs in a thread, once a second. A kill of the broker can tear only the last
write, which was not published yet. When the disk cannot be written the journal is `degraded`: ticks are published under a larger
epoch, their records wait in memory, and none is reported as safe. It retries every second, writes the records, and continues.

    LIVE --a write, a sync or a new segment fails--> DEGRADED: the old segment takes the waiting records
         --all written--> a new segment is begun, and synced --the disk is writable--> LIVE
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hulak.bus.broker.storage.journal_comeback import JournalComeback
from hulak.bus.broker.storage.journal_note import CLOSED, JournalNotes, Noted
from hulak.bus.broker.storage.journal_opening import Recovered, read_start
from hulak.bus.broker.storage.journal_recovery import highest_serial
from hulak.bus.broker.storage.journal_segments import JournalSegments, Segment, index_path
from hulak.bus.broker.storage.journal_upkeep import JournalUpkeep
from hulak.bus.broker.storage.segment_jobs import remove_leftovers
from hulak.bus.broker.storage.sync_thread import SyncThread, new_file
from hulak.bus.core.journal.broker_clock import Aged, Ages, Clocks
from hulak.bus.core.journal.held_batches import HeldBatches
from hulak.bus.core.journal.record_format import Batch, Snapshot
from hulak.bus.core.journal.segment_index import SegmentIndex, TopicOrdinals
from hulak.bus.core.journal.segment_names import name_of
from hulak.bus.process.lifecycle import since_boot
from hulak.bus.process.log import Notice
from hulak.bus.process.settings import JournalSettings

HEAD_SHARE = 4  # a segment is full only when its records have at least this many times the bytes of its head


class Journal:
    """The journal of one broker; used by a single thread.

    Args:
        folder: `<home>/journal`.
        settings: bounds and times.
        boot: id of the machine's boot.
        clock: ns since 1970 UTC.
        boottime: seconds since the machine's boot.
        flags: folders on other disks that can hold the flag of a degraded journal, see `journal_note.DegradedFlag`.
    """

    def __init__(
        self,
        folder: Path,
        settings: JournalSettings,
        boot: str,
        clock: Callable[[], int],
        boottime: Callable[[], float] = since_boot,
        flags: list[Path] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.boot = boot
        self.clock = clock
        self.boottime = boottime
        self.ages = Ages(0.0, 0.0)  # the broker's own clock; set by `open`, as are the next four
        self.recovered = Recovered(Snapshot(0, boot, 0, 0), 0, 0, 0, "")
        self.epoch = 0  # of the ticks; grows each time the journal degrades
        self.last = 0  # number of the last tick written
        self.id = ""
        self.ordinals = TopicOrdinals()  # of the topics, shared with the bus, see `TopicLogs.ordinals`
        self.degraded = ""  # the reason; empty while the disk can be written
        self.held = HeldBatches()
        self.lost = 0  # ticks that were published and will not be journalled
        self.syncs = 0
        self.notices: list[Notice] = []  # emptied by the caller, which writes them to the log
        self._fd = -1
        self._serial = 0  # the highest used
        self._now = 0.0
        self._sync_at = 0.0
        self._notes = JournalNotes(folder, flags)
        self._sync_thread = SyncThread()
        self.segment_files = JournalSegments(self._sync_thread)
        self.upkeep = JournalUpkeep(self.segment_files, settings, folder.parent)
        # Empty after a start on a disk that cannot be written, if there were none before.
        self.segments = self.segment_files.segments
        self._comeback = JournalComeback(self, self._sync_thread, self.held)

    # At the start

    def open(self, now: float) -> Recovered:
        """Read the journal, set foreign files aside, begin a new segment; degraded, if that is not possible.

        Args:
            now: monotonic seconds.
        """
        remove_leftovers(self.folder)
        start = read_start(self.folder, self._notes, self._clocks())
        contents = start.contents
        self._now, self.ages = now, Ages(start.age_s(), now)
        self.id, self._serial = contents.journal or secrets.token_hex(8), contents.highest
        self.segment_files.fill(self.folder, contents.segments, start.age_s(), contents.indexes)
        state = self._go_on(start.state())
        if not start.trouble:
            try:
                self.begin(state, now)
            except OSError as error:
                start.trouble, start.why = str(error), start.why or str(error)
                state = self._go_on(start.state())
        if start.trouble:
            self._degrade(start.trouble, now, base=state)
        else:
            self._note_live(sync=True)
        state = replace(state, epoch=self.epoch)
        recovered = Recovered(
            state, contents.read, contents.corrupt, contents.torn, start.why, contents.aside + contents.not_files
        )
        self.recovered = recovered
        damage = {
            "corrupt_bytes": recovered.corrupt_bytes,
            "torn_bytes": recovered.torn_bytes,
            "new_epoch": recovered.why_new_epoch,
        }
        self._log("info", "journal opened", ticks=state.ticks, read=recovered.read, **damage)
        for file in recovered.aside:
            self._log("warning", "journal file not used", file=file.name, why=file.why, moved=file.moved)
        return recovered

    def _go_on(self, state: Snapshot) -> Snapshot:
        self.epoch, self.last = state.epoch, state.ticks
        return state

    # Writing

    def append(self, batch: Batch, now: float) -> bool:
        """Write one iteration's records; false if they are not in the journal: then call `hold` with the journal's epoch.

        Args:
            batch: of one iteration.
            now: monotonic seconds.
        """
        if self.degraded:
            return False
        try:
            self.write(batch)
        except OSError as error:
            self._degrade(str(error), now)
            return False
        return True

    def write(self, batch: Batch) -> None:
        """Write a batch to the newest segment; raises OSError, and then counts none of it as written."""
        segment, data = self.segments[-1], b"".join(batch.records)
        written = os.write(self._fd, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written, the disk is full")
        assert segment.index is not None, "the newest segment has its index"
        segment.index.add(batch.ordinals, batch.records, batch.epoch, batch.time_ns)
        segment.size += len(data)
        self.last = batch.last

    def hold(self, batch: Batch) -> None:
        """Keep a batch in memory that `append` could not write, until it can be written; above a bound it is lost."""
        was_full = self.held.full
        self.lost += self.held.add(batch)
        if self.held.full and not was_full:
            why = f"{self.held.bytes} bytes wait for the disk, no more are kept"
            self._log("error", "ticks lost to the journal", why=why, first=batch.last - len(batch.records) + 1)

    def _degrade(self, why: str, now: float, base: Snapshot | None = None) -> None:
        self.degraded = why
        self.epoch += (
            1  # ticks published from now on are not in the journal: their numbers must not count as those of later ticks
        )
        self._comeback.start(why, now, base)
        with contextlib.suppress(OSError):
            self.cut()
        self._log("error", "journal degraded", why=why, epoch=self.epoch)
        if not self._notes.degraded(self._noted()):
            flags = [str(path) for path in self._notes.flag.paths]
            self._log("error", "degraded journal not recorded: after a kill now, numbers would be used twice", flags=flags)

    def beat(self, now: float, state: Callable[[], Snapshot]) -> bool:
        """Do the work that is due: sync, begin a new segment, delete old ones, recover from being degraded.

        Args:
            now: monotonic seconds.
            state: the bus's present state, for the head of a new segment.
        Returns:
            true if the journal has just recovered.
        """
        self._now = now
        failure = self._sync_thread.failure()
        if failure and not self.degraded:
            self._degrade(failure, now)
        if self.degraded:
            return self._come_back(now, state)
        if now >= self._sync_at:
            self._sync_at = now + self.settings.fsync_s
            noted = self._noted()
            self._sync_thread.sync(self._fd, lambda: self._notes.refresh(noted))
            self.syncs += 1
        newest = self.segments[-1]
        if newest.size - newest.head >= max(self.settings.segment_bytes, HEAD_SHARE * newest.head):
            try:
                self.begin(state(), now)
            except OSError as error:
                self._degrade(str(error), now)
        self.upkeep.beat(self.id, self.ages.now(now), now)
        self.notices += self.upkeep.notices
        self.upkeep.notices.clear()
        return False

    def _come_back(self, now: float, state: Callable[[], Snapshot]) -> bool:
        back = self._comeback.step(now, state)
        self.degraded = "" if back else self._comeback.trouble
        self.lost += self._comeback.given_up
        self._comeback.given_up = 0
        if back:
            self._note_live(sync=False)
            self._sync_thread.failure()  # of the old file: reported already
            self.segment_files.supersede(self._fd)
            self._log("info", "journal resumed", lost=self.lost, ticks=self.last)
        return back

    # Segments

    def begin(self, state: Snapshot, now: float) -> int:
        """Begin a new segment with this state at its head; returns its fd, raises OSError."""
        if self.degraded:  # perhaps since a start that could not read the folder
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._serial = max(self._serial, highest_serial(self.folder))
        serial, clocks, age_s = self._serial + 1, self._clocks(), self.ages.now(now)
        head = state.written(serial, self.id, Aged(age_s, clocks)).encode()
        path = self.folder / name_of(serial, state.ticks)
        fd = new_file(path, head)
        self.leave()
        self._fd, self._serial, self.last = fd, serial, state.ticks
        index = SegmentIndex(state.ticks + 1, self.ordinals, state.sequences(), len(head), state.floor)
        self.segment_files.add(
            Segment(path, serial, state.ticks, clocks.time_ns, len(head), head=len(head), age_s=age_s, index=index)
        )
        if not self.degraded:
            self.segment_files.supersede(self._fd)
        return fd

    def begin_renumbered(self, state: Snapshot, ordinals: TopicOrdinals, now: float) -> bool:
        """Begin a new segment with this state, in which topics have other ordinals; false if the disk cannot be written."""
        if self.degraded:
            return False
        before, self.ordinals = self.ordinals, ordinals
        try:
            self.begin(state, now)
        except OSError as error:
            self.ordinals = before
            self._degrade(str(error), now)
            return False
        return True

    def leave(self) -> None:
        """Sync and close the newest segment, in the sync thread."""
        if self._fd >= 0:
            self._sync_thread.close(self._fd)
            self._fd = -1

    def cut(self) -> None:
        """Truncate the remains of a failed write; raises OSError."""
        if self._fd >= 0:
            os.ftruncate(self._fd, self.segments[-1].size)

    def take_back(self) -> None:
        """Delete the newest segment."""
        self.leave()
        path = self.segments.pop().path
        self._sync_thread.delete(path, index_path(path))

    # The note and the log

    def _note_live(self, *, sync: bool) -> None:
        trouble = self._notes.live(self._noted(), sync=sync)
        if trouble:
            self._log("warning", "journal note not written: the next start begins another epoch", why=trouble)

    def _noted(self) -> Noted:
        clocks = self._clocks()
        return Noted(self.id, self.epoch, self.last, self.ages.now(self._now), self.boot, clocks.boottime_s, clocks.time_ns)

    def _clocks(self) -> Clocks:
        return Clocks(self.boot, self.boottime(), self.clock())

    def _log(self, level: str, event: str, **fields: Any) -> None:
        self.notices.append(Notice(level, event, fields))

    @property
    def space(self) -> tuple[int, int] | None:
        """Return the free and the total bytes of its disk at the last sync; None before the first."""
        return self._sync_thread.space

    def close(self) -> None:
        """Sync and close; the next start continues under this epoch."""
        self.upkeep.close()
        self._sync_thread.end()
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
            if not self.degraded:
                self._notes.note.write(CLOSED, self._noted(), sync=True)
        os.close(self._fd)
        self._fd = -1

"""The recovery of a degraded journal: records are written in order, and no new segment stays on a disk that cannot be written.
-

    the old segment takes the waiting records --all written--> a new one is begun, and synced --the disk is writable--> live again

At a start there is no old segment, nor after one that can never be written again: then the waiting records go into the new
segment, after its head.
"""

import errno
from collections.abc import Callable
from typing import Protocol

from hulak.bus.broker.storage.sync_thread import SyncThread
from hulak.bus.core.journal.held_batches import HeldBatches
from hulak.bus.core.journal.record_format import Batch, Snapshot

RETRY_S = 1.0
DRAIN_BYTES = 16 << 20  # of waiting records, written in one step: no tick waits for more than a few ms
DRAIN_WRITES = 4096  # likewise
GIVE_UP_S = 30.0  # after which a segment that cannot be written, though there is space, is abandoned
NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))  # errors that end when an operator repairs the disk


class SegmentWriter(Protocol):
    """The journal's operations on its newest segment; each raises OSError."""

    def write(self, batch: Batch) -> None:
        """Write a batch to it."""

    def cut(self) -> None:
        """Truncate the remains of a failed write."""

    def begin(self, state: Snapshot, now: float) -> int:
        """Begin another segment; returns its fd."""

    def leave(self) -> None:
        """Close it, so that no segment is open."""

    def take_back(self) -> None:
        """Delete it: it is not needed after a failed begin."""


class JournalComeback:
    """The state of the recovery.

    Args:
        writer: the journal.
        sync_thread: syncs.
        held: the waiting records.
    """

    def __init__(self, writer: SegmentWriter, sync_thread: SyncThread, held: HeldBatches) -> None:
        self.writer = writer
        self.sync_thread = sync_thread
        self.held = held
        self.trouble = ""  # why it is not back yet
        self.given_up = 0  # held ticks that will never be written
        self._base: Snapshot | None = None  # the next segment's state; None: the old segment takes the waiting records
        self._begun = False  # the next segment has begun, and holds only its head
        self._retry_at = 0.0
        self._failing_since = 0.0

    def start(self, why: str, now: float, base: Snapshot | None = None) -> None:
        """Start the recovery.

        Args:
            why: the disk's error.
            now: monotonic seconds.
            base: the state to begin a segment with, if there is no segment that could take the waiting records.
        """
        self.trouble, self._base, self._begun = why, base, False
        self._retry_at, self._failing_since = now + RETRY_S, now

    def step(self, now: float, state: Callable[[], Snapshot]) -> bool:
        """Continue as far as the disk allows; true once all is written and the disk can be written again."""
        if now < self._retry_at:
            return False
        try:
            return self._step(now, state)
        except OSError as error:
            self.trouble = str(error)
            self._retry_at = now + RETRY_S
            self._fail(error, now, state)
            return False

    def _step(self, now: float, state: Callable[[], Snapshot]) -> bool:
        if self._base is None:
            self.writer.cut()
            if not self._drain():
                return False
            self.writer.leave()
            self._base = state()
        if not self._begun:
            # An old file may repeat an old error: a new one shows whether the disk can be written.
            self.sync_thread.probe(self.writer.begin(self._base, now))
            self._begun = True
            return False
        probed = self.sync_thread.probed()
        if probed:
            raise OSError(errno.EIO, probed)
        return probed is not None and self._drain()

    def _drain(self) -> bool:
        """Write waiting records, bounded; true if none is left."""
        enough = self.held.bytes - DRAIN_BYTES
        for _ in range(DRAIN_WRITES):
            batch = self.held.first()
            if batch is None or self.held.bytes <= enough:
                break
            self.writer.write(batch)
            self._base, self._begun = None, False  # the newest segment holds some of the waiting records: it takes the rest too
            self.held.done()
        return self.held.first() is None

    def _fail(self, error: OSError, now: float, state: Callable[[], Snapshot]) -> None:
        if self._begun:
            self.writer.take_back()
            self._begun = False
        if self._base is not None or error.errno in NO_SPACE:
            self._failing_since = now
        elif now - self._failing_since >= GIVE_UP_S:
            self.given_up += self.held.give_up()
            self.writer.leave()
            self._base = state()

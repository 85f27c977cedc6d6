"""What waits in memory while the journal cannot be written: in order, without holes, bounded. Pure."""

from collections import deque

from hulak.bus.core.journal.record_format import Batch

HELD_BYTES = 64 << 20


class HeldBatches:
    """What was published and is not in the journal yet.

    Args:
        limit: bytes of records. What comes when they are reached is lost, and so is everything behind it, until all that is
            held has been taken: what is written later has one end, and the holes in the numbers are few.
    """

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.limit = limit
        self.ticks = 0
        self.bytes = 0
        self.full = False
        self._batches: deque[Batch] = deque()

    def add(self, batch: Batch) -> int:
        """Keep a batch; returns how many of its ticks are lost: none, or all."""
        size = sum(map(len, batch.records))
        self.full = self.full or self.bytes + size > self.limit
        if self.full:
            return len(batch.records)
        self._batches.append(batch)
        self.ticks += len(batch.records)
        self.bytes += size
        return 0

    def count(self, ordinal: int) -> int:
        """Count the ticks of one topic that are kept."""
        return sum(batch.ordinals.count(ordinal) for batch in self._batches)

    def first(self) -> Batch | None:
        """Return the oldest batch, if there is one; `done` takes it out."""
        return self._batches[0] if self._batches else None

    def done(self) -> None:
        """Take the oldest batch out."""
        batch = self._batches.popleft()
        self.ticks -= len(batch.records)
        self.bytes -= sum(map(len, batch.records))
        self.full = self.full and bool(self._batches)

    def give_up(self) -> int:
        """Drop everything; returns how many ticks that were."""
        count = self.ticks
        self._batches.clear()
        self.ticks, self.bytes, self.full = 0, 0, False
        return count

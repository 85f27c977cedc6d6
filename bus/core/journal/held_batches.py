"""The batches held in memory while the journal cannot be written: in order, without gaps, bounded. Pure."""

from collections import deque

from hulak.bus.core.journal.record_format import Batch

HELD_BYTES = 64 << 20


class HeldBatches:
    """The batches that were published and are not in the journal yet.

    Args:
        limit: bytes of records. A batch beyond it is lost, and so is every later one, until all held batches are written: so
            there are few gaps in the numbers.
    """

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.limit = limit
        self.ticks = 0
        self.bytes = 0
        self.full = False
        self._batches: deque[Batch] = deque()

    def add(self, batch: Batch) -> int:
        """Add a batch; return how many of its ticks are lost: none, or all."""
        size = sum(map(len, batch.records))
        self.full = self.full or self.bytes + size > self.limit
        if self.full:
            return len(batch.records)
        self._batches.append(batch)
        self.ticks += len(batch.records)
        self.bytes += size
        return 0

    def count(self, ordinal: int) -> int:
        """Return the number of held ticks of one topic."""
        return sum(batch.ordinals.count(ordinal) for batch in self._batches)

    def first(self) -> Batch | None:
        """Return the oldest batch, if there is one; `done` removes it."""
        return self._batches[0] if self._batches else None

    def done(self) -> None:
        """Remove the oldest batch."""
        batch = self._batches.popleft()
        self.ticks -= len(batch.records)
        self.bytes -= sum(map(len, batch.records))
        self.full = self.full and bool(self._batches)

    def give_up(self) -> int:
        """Drop all batches; return the number of their ticks."""
        count = self.ticks
        self._batches.clear()
        self.ticks, self.bytes, self.full = 0, 0, False
        return count

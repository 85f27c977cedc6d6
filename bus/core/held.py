"""Records that wait in memory while the journal cannot be written: in order, without holes, bounded. Pure."""

from collections import deque
from collections.abc import Sequence

HELD_BYTES = 64 << 20


class Held:
    """What was published and is not in the journal yet.

    Args:
        limit: bytes of records. What comes when they are reached is lost, and so is everything behind it, until all that is
            held has been taken: what is written later has one end, and the holes in the numbers are few.
    """

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.limit = limit
        self.bytes = 0
        self.full = False
        self._last = 0
        self._records: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Sequence[bytes], last: int) -> int:
        """Keep the records of one turn; returns how many are lost.

        Args:
            records: in order.
            last: number of the last one.
        """
        size = sum(map(len, records))
        self.full = self.full or self.bytes + size > self.limit
        if self.full:
            return len(records)
        self._records.extend(records)
        self.bytes += size
        self._last = last
        return 0

    def next(self, size: int) -> tuple[list[bytes], int]:
        """Return the oldest records, about `size` bytes of them, and the number of their last one; `done` takes them out."""
        records: list[bytes] = []
        for record in self._records:
            if size <= 0:
                break
            records.append(record)
            size -= len(record)
        return records, self._last - len(self._records) + len(records)

    def done(self, records: Sequence[bytes]) -> None:
        """Take out what `next` returned."""
        for _ in records:
            self.bytes -= len(self._records.popleft())
        self.full = self.full and bool(self._records)

    def give_up(self) -> int:
        """Drop everything; returns how many records that were."""
        count = len(self._records)
        self._records.clear()
        self.bytes, self.full = 0, False
        return count

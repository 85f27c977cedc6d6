"""Numbers in shared memory that publisher, consumers and the measuring process exchange.

Reading the slowest consumer's progress costs the system under test nothing, and is the same for all. Each slot has one writer.
"""

import mmap
from pathlib import Path

IDLE, PACED, BLAST, QUIT = range(4)  # kinds of phase

# Slots of the measuring process, except SENT, BEHIND and SENDER_READY, which are the publisher's.
PHASE, KIND, RATE, WINDOW, STOP, CONSUMERS, KEEP, SENT, BEHIND, SENDER_READY = range(10)
MAX_CONSUMERS = 400  # maximum of consumers
PROGRESS, READY, LOST = 64, 64 + MAX_CONSUMERS, 64 + 2 * MAX_CONSUMERS  # first slots of the consumers, one for each
SLOTS = 64 + 3 * MAX_CONSUMERS


class Board:
    """Signed 64-bit numbers, by slot.

    Args:
        path: of the mapped file; on tmpfs if there is one.
        create: create the file, with all slots 0.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(8 * SLOTS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8 * SLOTS)
        self.slots = memoryview(self._map).cast("q")

    def progress(self) -> list[int]:
        """Return the number of the last tick of each consumer, 0 before the first."""
        return self.slots[PROGRESS : PROGRESS + self.slots[CONSUMERS]].tolist()

    def slowest(self) -> int:
        """Return the number that all consumers have reached."""
        return min(self.slots[PROGRESS : PROGRESS + self.slots[CONSUMERS]])

    def lost(self) -> int:
        """Return the number of missing ticks, summed over consumers."""
        return sum(self.slots[LOST : LOST + self.slots[CONSUMERS]])

    def all_ready(self) -> bool:
        """Return whether publisher and consumers are connected."""
        consumers = self.slots[READY : READY + self.slots[CONSUMERS]]
        return bool(self.slots[SENDER_READY]) and all(consumers)

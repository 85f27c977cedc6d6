"""What publisher, consumers and the one who measures tell each other: numbers in shared memory.

Asking how far the slowest consumer is costs the system under test nothing, and is the same for all. Each slot has one writer.
"""

import mmap
from pathlib import Path

IDLE, PACED, BLAST, QUIT = range(4)  # kinds of phase

# Slots of the one who measures, but for SENT, BEHIND and SENDER_READY, which are the publisher's.
PHASE, KIND, RATE, WINDOW, STOP, CONSUMERS, KEEP, SENT, BEHIND, SENDER_READY = range(10)
MOST = 400  # consumers
PROGRESS, READY, LOST = 64, 64 + MOST, 64 + 2 * MOST  # first slots of the consumers' own, one each
SLOTS = 64 + 3 * MOST


class Board:
    """Signed 64-bit numbers, by slot.

    Args:
        path: of the file behind it; on tmpfs where there is one.
        create: make it, with all slots 0.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(8 * SLOTS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8 * SLOTS)
        self.slots = memoryview(self._map).cast("q")

    def progress(self) -> list[int]:
        """List the number of the last tick that each consumer has, 0 before the first."""
        return self.slots[PROGRESS : PROGRESS + self.slots[CONSUMERS]].tolist()

    def slowest(self) -> int:
        """Return the number that all consumers have reached."""
        return min(self.slots[PROGRESS : PROGRESS + self.slots[CONSUMERS]])

    def lost(self) -> int:
        """Count the ticks missing, summed over consumers."""
        return sum(self.slots[LOST : LOST + self.slots[CONSUMERS]])

    def all_ready(self) -> bool:
        """Tell whether publisher and consumers are connected."""
        consumers = self.slots[READY : READY + self.slots[CONSUMERS]]
        return bool(self.slots[SENDER_READY]) and all(consumers)

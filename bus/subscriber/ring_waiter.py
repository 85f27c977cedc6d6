"""Sleeping until a record arrives in a ring. PROTOCOL.md section 13.

The broker wakes a few sleepers, and each of them wakes `WOKEN` further ones before it reads. A sleeper names the turn that it
has seen by one of 32 bits, so that those that have read the newest record and sleep again are not woken. If one of the chain
is killed or stopped in between, the sleepers behind it wake with the next record, or after `LONGEST_S`.
"""

import mmap

from hulak.bus.process.futex import ANY, Futex
from hulak.bus.wire.ring_format import HEADER_BYTES, TURN, TURN_AT

WOKEN = 2  # further sleepers that each woken one wakes
LONGEST_S = 0.05  # of one sleep


class RingWaiter:
    """One sleeper; for one thread.

    Args:
        memory: the whole file.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._turns = memoryview(memory)[:HEADER_BYTES].cast("I")
        self._futex = Futex(memory, TURN_AT)

    @property
    def turn(self) -> int:
        """Return the number of records written, modulo 2^32; read it before the head: the head is then at least as new."""
        return self._turns[TURN]

    def sleep(self, turn: int, seconds: float) -> None:
        """Sleep until a record is written after this turn; at most this long, and not longer than until a signal."""
        if self._futex.wait(turn, 1 << (turn & 31), seconds):
            self._futex.wake(WOKEN, ANY ^ 1 << (self._turns[TURN] & 31))

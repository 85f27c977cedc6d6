"""The broker's ring: published ticks and heartbeats, for readers on this machine. PROTOCOL.md section 13.

The broker keeps no state of a reader: a slow, frozen or killed one costs it nothing. It wakes `WOKEN` readers, each of which
wakes further ones, so that a record costs the same however many there are.
"""

import mmap
import os
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.process import futex, ring_file
from hulak.bus.process.futex import Futex
from hulak.bus.process.log_type import Log
from hulak.bus.process.ring_file import OwnRing
from hulak.bus.wire import ring_format
from hulak.bus.wire.ring_format import CLAIM, HEAD, HEADER_BYTES, LARGEST_PART, PADDING, TURN, TURN_AT, RingTerms, TickRows

WOKEN = 2  # readers that the broker itself wakes


class RingWriter:
    """Writes records into memory, in an order in which a reader never takes an incomplete one for whole.

    Args:
        memory: header and records, zero but for the header's first fields.
        capacity: bytes of records.
    """

    def __init__(self, memory: mmap.mmap, capacity: int) -> None:
        self.capacity = capacity
        self.head = 0  # bytes ever written
        self.records = 0
        self.too_large = 0  # records that were left out
        self._memory = memory
        header = memoryview(memory)[:HEADER_BYTES]
        self._words, self._turns = header.cast("Q"), header.cast("I")
        self._largest = capacity // LARGEST_PART

    def write(self, record: bytes) -> bool:
        """Write a record; false if it is too large, which readers repair like any other gap."""
        size, capacity, head, memory = len(record), self.capacity, self.head, self._memory
        if size > self._largest:
            self.too_large += 1
            return False
        at = head % capacity
        unused = capacity - at if size > capacity - at else 0
        # The claim first: a reader whose copy it covers discards that copy. For the order of stores see `futex.missing`.
        self._words[CLAIM] = end = head + unused + size
        if unused:
            memory[HEADER_BYTES + at : HEADER_BYTES + at + 4] = PADDING.to_bytes(4, "little")
            at = 0
        at += HEADER_BYTES
        memory[at : at + size] = record
        self._words[HEAD] = self.head = end
        self.records += 1
        self._turns[TURN] = self.records & 0xFFFFFFFF
        return True


class TickRing:
    """The ring of a running broker.

    Args:
        own: its file.
    """

    def __init__(self, own: OwnRing) -> None:
        self._own = own
        self._writer = RingWriter(own.memory, own.terms.capacity)
        self._futex = Futex(own.memory, TURN_AT)

    @classmethod
    def make(cls, wanted: int, epoch: int, home: Path, log: Log) -> "TickRing | None":
        """Make the ring, after removing those of killed brokers; None where there can be none, then all readers use sockets.

        Args:
            wanted: its size, setting `broker.ring_bytes`; 0: none.
            epoch: of the ticks.
            home: the broker's folder.
            log: of this process.
        """
        folders = [folder for folder in (ring_file.SHARED_MEMORY, home.absolute() / "run") if _is_text(folder)]
        for path in ring_file.remove_leftovers(folders):
            log.info("ring of a killed broker removed", path=str(path))
        why = futex.missing()
        if not wanted or why is not None:
            if wanted:
                log.info("no ring", why=why)
            return None
        terms = RingTerms(ring_file.capacity_of(wanted), int.from_bytes(os.urandom(8), "little"), epoch)
        try:
            return cls(ring_file.make(folders, terms))
        except ConfigError as error:
            log.warning("no ring: all subscribers use sockets", why=str(error))
            return None

    def write_ticks(self, rows: TickRows) -> None:
        """Write one turn's ticks."""
        self._publish(ring_format.pack_rows(rows))

    def write(self, frame: bytes) -> None:
        """Write a message that is no tick."""
        self._publish(ring_format.pack_record(frame))

    def _publish(self, record: bytes) -> None:
        if self._writer.write(record):
            self._futex.wake(WOKEN)

    def place(self) -> dict[str, Any]:
        """Return what a subscriber needs to begin: everything published until now is before `head`."""
        terms = self._own.terms
        return {"path": str(self._own.path), "id": terms.id, "bytes": terms.capacity, "head": self._writer.head}

    def stats(self) -> dict[str, Any]:
        """Return the values for the statistics."""
        writer = self._writer
        return {
            "path": str(self._own.path),
            "bytes": writer.capacity,
            "written": writer.head,
            "records": writer.records,
            "too_large": writer.too_large,
        }

    def close(self) -> None:
        """Remove the file."""
        self._own.remove()


def _is_text(path: Path) -> bool:
    """Return whether the path can be sent in a message."""
    return os.fsencode(path).decode(errors="replace") == str(path)

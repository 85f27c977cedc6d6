"""A clock that a trial moves, and that other processes read: seconds since 1970 UTC in a file."""

import mmap
import struct
from pathlib import Path

SECONDS = struct.Struct("=d")


class SharedClock:
    """The clock in a file.

    Args:
        path: of the file.
        begins_s: the first time; None reads a clock that another process moves.
    """

    def __init__(self, path, begins_s=None):
        path = Path(path)
        if begins_s is not None:
            path.write_bytes(SECONDS.pack(begins_s))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SECONDS.size)

    def read(self):
        """Return the time."""
        return SECONDS.unpack(self._map)[0]

    def move(self, to_s):
        """Set the time."""
        self._map[:] = SECONDS.pack(to_s)

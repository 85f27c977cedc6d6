"""Frames that a feed has sent and the broker has not confirmed: kept in order, bounded, ready to be sent again.

Running numbers start at 1 and grow by 1 with each frame (PROTOCOL.md section 3.4). The broker confirms by number how far it has
journalled; later frames are sent again after a reconnect. When the bound is reached, the oldest frame is dropped and counted.
"""

from collections import deque
from itertools import islice

from hulak.bus.errors import ConfigError, ProtocolError


class Unconfirmed:
    """The unconfirmed frames of one feed instance.

    Args:
        limit: maximum number of frames, at least 1.
        last: running number of the last frame before them.
    Raises:
        ConfigError: the limit is below 1.
    """

    def __init__(self, limit: int, last: int = 0) -> None:
        if limit < 1:
            raise ConfigError(f"the limit is {limit} frames, must be at least 1")
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self.last = last  # running number of the newest frame, 0 before the first; the next one gets `last + 1`
        self.dropped = 0  # unconfirmed frames dropped because the bound was reached

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def oldest(self) -> int:
        """The running number of the oldest frame that is kept; `last + 1` if there is none."""
        return self.last - len(self._frames) + 1

    def add(self, frame: bytes) -> int:
        """Keep a frame until it is confirmed, and return its running number."""
        if len(self._frames) == self._limit:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self.last += 1
        return self.last

    def confirm(self, number: int) -> None:
        """Drop every frame up to and including this number; an old number changes nothing.

        Raises:
            ProtocolError: code `BAD_NUMBER`, the number was never sent.
        """
        if number > self.last:
            raise ProtocolError("BAD_NUMBER", f"confirmed number is {number}, the last one sent is {self.last}")
        for _ in range(number - self.oldest + 1):
            self._frames.popleft()

    def since(self, number: int, limit: int | None = None) -> list[bytes]:
        """Return the kept frames after this number, oldest first.

        If `number + 1` is below `oldest`, the frames between were dropped or are confirmed.

        Args:
            number: the last running number the broker has.
            limit: maximum number of frames; None for all.
        """
        skip = max(0, number + 1 - self.oldest)
        return list(islice(self._frames, skip, None if limit is None else skip + limit))

"""The results that a worker has sent lately: a broker that is killed may lose those that it had not stored. Pure.

A worker sends them again to the next broker, see PROTOCOL.md section 5.2. When two HEARTBEATs of a broker have come after a
result, it has read the result and, on a healthy disk, stored it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hulak.workers.runtime.session import Send

MOST = 1024  # results in each of the two lists, about; they exceed it by the last ones that were added
MOST_BYTES = 1 << 20  # of the frames in each list, in the same way


class SentResults:
    """Results that the broker may not have stored yet: the newest, within bounds."""

    def __init__(self) -> None:
        self._older: list[Send] = []
        self._newer: list[Send] = []
        self._size = 0  # bytes of the newer ones

    def add(self, sent: Sequence["Send"]) -> None:
        """Keep results that have just been sent, the newest at the end."""
        self._newer += sent
        self._size += sum([len(send.frame) for send in sent])
        if self._size > MOST_BYTES or len(self._newer) > MOST:
            self.beat()

    def beat(self) -> None:
        """Handle a HEARTBEAT of the broker that got them: drop those sent before its last one."""
        self._older, self._newer, self._size = self._newer, [], 0

    def take(self) -> list["Send"]:
        """Return all, the oldest first, and keep none."""
        every = self._older + self._newer
        self._older, self._newer, self._size = [], [], 0
        return every

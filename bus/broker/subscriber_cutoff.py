"""Subscribers that take nothing: found by looking at their connections, and ended, so that what waits for them is freed."""

import contextlib
import ctypes
import select
from collections.abc import Callable, Collection

from hulak.bus.broker.socket_monitor import PeerConnection
from hulak.bus.core.ticks.blocked_subscribers import BlockedSubscribers

AFTER_S = 1.0  # libzmq has freed the messages of a connection that is gone
_libc = ctypes.CDLL(None)


class SlowSubscribers:
    """Those of one publisher.

    Args:
        most_bytes: that are published while a connection takes nothing; then it is ended.
    """

    def __init__(self, most_bytes: int) -> None:
        self._blocked: BlockedSubscribers[PeerConnection] = BlockedSubscribers(most_bytes)
        self._had_queue = False  # a connection with a long queue is gone, whose memory is not given back yet
        self._trim_at: float | None = None

    def gone(self, one: PeerConnection) -> None:
        """Note that a connection has ended by itself."""
        self._had_queue |= one in self._blocked

    def look(
        self, there: Collection[PeerConnection], published: int, now: float, end: Callable[[PeerConnection], str | None]
    ) -> list[str]:
        """End the connections that have taken nothing for too long.

        Args:
            there: all connections.
            published: bytes, since the start.
            now: monotonic seconds.
            end: ends one, and returns its peer's address; None if it has ended by itself.
        Returns:
            the addresses of those that were ended.
        """
        ended = [peer for one in self._blocked.look(_full(there), published) if (peer := end(one)) is not None]
        if ended or self._had_queue:
            self._trim_at, self._had_queue = now + AFTER_S, False
        elif self._trim_at is not None and now >= self._trim_at:
            self._trim_at = None
            give_back_memory()
        return ended


def _full(there: Collection[PeerConnection]) -> list[PeerConnection]:
    """Give those that take no byte now: the kernel's buffer is full, and the rest waits in libzmq."""
    poll = select.poll()
    for one in there:
        poll.register(one.descriptor, select.POLLOUT)
    ready = {descriptor for descriptor, _ in poll.poll(0)}
    return [one for one in there if one.descriptor not in ready]


def give_back_memory() -> None:
    """Have the C library return to the kernel what was freed; else it keeps what a long queue took. Milliseconds."""
    with contextlib.suppress(AttributeError):  # another library than glibc
        _libc.malloc_trim(0)

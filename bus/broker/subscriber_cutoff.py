"""Subscribers that do not read: detected by their connections, and closed, so that their queues are freed."""

import contextlib
import ctypes
import select
from collections.abc import Callable, Collection

from hulak.bus.broker.socket_monitor import PeerConnection, peer_of
from hulak.bus.core.ticks.blocked_subscribers import BlockedSubscribers
from hulak.bus.core.ticks.subscriber_roster import SubscriberRoster
from hulak.bus.wire.subscriber_names import UNNAMED, SubscriberNote

AFTER_S = 1.0  # by then libzmq has freed the messages of a closed connection
_libc = ctypes.CDLL(None)


class SlowSubscribers:
    """The slow subscribers of one publisher.

    Args:
        most_bytes: bytes published while a connection accepts nothing, after which it is closed.
        roster: records the subscribers that are blocked or were cut off.
    """

    def __init__(self, most_bytes: int, roster: SubscriberRoster[PeerConnection]) -> None:
        self._roster = roster
        self._blocked: BlockedSubscribers[PeerConnection] = BlockedSubscribers(most_bytes)
        self._had_queue = False  # a connection with a long queue has ended, and its memory is not yet returned
        self._trim_at: float | None = None

    def gone(self, peer: PeerConnection) -> None:
        """Record that a connection has ended by itself."""
        self._had_queue |= peer in self._blocked
        self._roster.gone(peer)

    def poll(
        self, there: Collection[PeerConnection], published: int, now: float, end: Callable[[PeerConnection], str | None]
    ) -> list[tuple[SubscriberNote, str]]:
        """End the connections that have accepted nothing for too long.

        Args:
            there: all connections.
            published: bytes, since the start.
            now: monotonic seconds.
            end: ends a connection, and returns its peer's address; None if it has already ended.
        Returns:
            the ended ones, each with its address.
        """
        full, roster = _full(there), self._roster
        roster.keep(there)
        peers = {peer: roster.blocked_peer(peer) or self._identify(peer) for peer in full}
        roster.blocked(peers, published, now)
        ended = []
        for peer in self._blocked.poll(full, published):
            if end(peer) is not None:
                ended.append(peers[peer])
                roster.cut_off(peer, *peers[peer], now)
        if ended or self._had_queue:
            self._trim_at, self._had_queue = now + AFTER_S, False
        elif self._trim_at is not None and now >= self._trim_at:
            self._trim_at = None
            give_back_memory()
        return ended

    def _identify(self, peer: PeerConnection) -> tuple[SubscriberNote, str]:
        pid, address = peer_of(peer)
        return self._roster.note(peer) or SubscriberNote(UNNAMED, max(0, pid)), address


def _full(there: Collection[PeerConnection]) -> list[PeerConnection]:
    """List the connections that accept no byte now: the kernel's buffer is full, and further messages wait in libzmq."""
    poll = select.poll()
    for peer in there:
        poll.register(peer.descriptor, select.POLLOUT)
    ready = {descriptor for descriptor, _ in poll.poll(0)}
    return [peer for peer in there if peer.descriptor not in ready]


def give_back_memory() -> None:
    """Return freed memory from the C library to the kernel; else it keeps the memory of a long queue. Takes milliseconds."""
    with contextlib.suppress(AttributeError):  # a C library other than glibc
        _libc.malloc_trim(0)

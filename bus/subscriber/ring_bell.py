"""A descriptor that becomes readable when records arrive in a ring, for programs that poll: a futex cannot be polled.

A thread of this process sleeps on the ring's futex and writes to the descriptors. There is one for each ring, however many
subscribers read it, and none in a process that only waits in `Subscriber.poll`.
"""

import contextlib
import mmap
import os
import threading
import weakref

from hulak.bus.subscriber.ring_waiter import LONGEST_S, RingWaiter


class Bell:
    """One descriptor, an eventfd; closed with this object."""

    fd = -1

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.armed = False  # its reader has read everything: the next record makes it readable
        self._changing = threading.Lock()  # else an `arm` within a `strike` leaves it readable, which then no read ends

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def arm(self) -> None:
        """Make it unreadable until `strike`; the caller then checks whether a record has come in between."""
        with self._changing:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.fd)
            self.armed = True

    def strike(self) -> None:
        """Make it readable."""
        with self._changing:
            self.armed = False
            os.eventfd_write(self.fd, 1)


class _Ringer:
    """The thread of one ring; it ends when no bell is left.

    Args:
        memory: the whole file.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self.bells: weakref.WeakSet[Bell] = weakref.WeakSet()
        self._waiter = RingWaiter(memory)

    def run(self, ring: int) -> None:
        """Strike the bells after each record, until there are none."""
        waiter = self._waiter
        turn = waiter.turn
        while self._is_needed(ring):
            if turn != waiter.turn:
                turn = waiter.turn
                self._strike()
            waiter.sleep(turn, LONGEST_S)

    def _is_needed(self, ring: int) -> bool:
        with _LOCK:
            if not self.bells:
                _RINGERS.pop(ring, None)
                return False
        return True

    def _strike(self) -> None:
        with _LOCK:
            bells = list(self.bells)
        for bell in bells:
            if bell.armed:
                bell.strike()


_LOCK = threading.Lock()
_RINGERS: dict[int, _Ringer] = {}  # by the id of the ring


def _forget() -> None:
    """In the child of a fork, which has no thread of its parent."""
    global _LOCK  # noqa: PLW0603 - a thread of the parent may hold it
    _LOCK = threading.Lock()
    _RINGERS.clear()


os.register_at_fork(after_in_child=_forget)


def attach(bell: Bell, memory: mmap.mmap, ring: int) -> None:
    """Let records in this ring strike a bell, once it is armed, until `detach` or as long as the bell exists."""
    with _LOCK:
        ringer = _RINGERS.get(ring)
        if ringer is not None:
            ringer.bells.add(bell)
            return
        ringer = _RINGERS[ring] = _Ringer(memory)
        ringer.bells.add(bell)
    threading.Thread(target=ringer.run, args=(ring,), name=f"hulak-ring-{ring:016x}", daemon=True).start()


def detach(bell: Bell, ring: int) -> None:
    """Let a ring that is no longer read go: its thread ends with its last bell, and its memory with the thread."""
    with _LOCK:
        ringer = _RINGERS.get(ring)
        if ringer is not None:
            ringer.bells.discard(bell)

"""Requests that wait for an event or their time limit: bounded, and without those of clients that are gone."""

import math
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

import msgspec

from hulak.bus.broker.socket_monitor import PeerConnection
from hulak.bus.core.effects import Asker
from hulak.bus.errors import ProtocolError

AwaitedKey = TypeVar("AwaitedKey", bound=Hashable)


class Wait(msgspec.Struct, frozen=True, gc=False):
    """One request that waits."""

    asker: Asker
    until: float  # monotonic seconds

    @property
    def is_gone(self) -> bool:
        """Return whether the client's connection has ended; false if it is unknown."""
        connection: PeerConnection | None = self.asker.connection
        return connection is not None and not connection.is_there()


class Waiters(Generic[AwaitedKey]):
    """All requests that wait for events of one kind.

    Args:
        most: requests that may wait.
        what: the events, for the error's text.
    """

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._waits: dict[AwaitedKey, dict[tuple[bytes, bytes], Wait]] = {}  # by client and request
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        """Return whether a request waits for `key`."""
        return key in self._waits

    def __iter__(self) -> Iterator[AwaitedKey]:
        return iter(list(self._waits))

    def next_over(self) -> float:
        """Return when the first request expires, in monotonic seconds; infinite if none waits."""
        return min((wait.until for waits in self._waits.values() for wait in waits.values()), default=math.inf)

    def add(self, key: AwaitedKey, asker: Asker, until: float) -> None:
        """Add a request that waits for `key`; a repeated one waits once.

        Raises:
            ProtocolError: `BUSY`.
        """
        waits = self._waits.get(key, {})
        at = asker.client, asker.request
        if at not in waits:
            if self._count >= self._most:
                raise ProtocolError("BUSY", f"{self._most} requests wait for {self._what}, no more are taken")
            self._count += 1
        waits[at] = Wait(asker, until)
        self._waits[key] = waits

    def pop(self, key: AwaitedKey) -> list[Asker]:
        """Remove and return the requests that wait for `key`."""
        waits = self._waits.pop(key, {})
        self._count -= len(waits)
        return [wait.asker for wait in waits.values()]

    def pop_over(self, now: float) -> list[tuple[AwaitedKey, Asker]]:
        """Remove and return the requests that expired by `now`, monotonic seconds; of clients that are gone, remove them only."""
        over: list[tuple[AwaitedKey, Asker]] = []
        for key, waits in list(self._waits.items()):
            for at, wait in list(waits.items()):
                is_gone = wait.is_gone
                if is_gone or wait.until <= now:
                    del waits[at]
                    self._count -= 1
                    over += [] if is_gone else [(key, wait.asker)]
            if not waits:
                del self._waits[key]
        return over

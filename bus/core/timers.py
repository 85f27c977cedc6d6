"""What is due when. Pure; time is a number that is passed in."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Timers(Generic[Key]):
    """One due time per key; setting a key again moves it. Memory stays within twice the living keys, plus 64."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = 0  # makes entries of equal time comparable, and first set first due

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, due: float) -> None:
        """Make `key` due at `due` (monotonic seconds), instead of any time before."""
        self._count += 1
        self._due[key] = (due, self._count)
        heapq.heappush(self._heap, (due, self._count, key))
        self._trim()

    def cancel(self, key: Key) -> None:
        """Forget `key`; one that is not set is ignored."""
        self._due.pop(key, None)
        self._trim()

    def _trim(self) -> None:
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, count, key) for key, (due, count) in self._due.items()]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """Return the earliest due time, None if nothing is set."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[Key]:
        """Yield and forget each key that is due, the earliest first; keys may be set and cancelled meanwhile."""
        while (first := self.next()) is not None and first <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            yield key

"""What is due when. Pure; time is a number that is passed in."""

import heapq
import math
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


class Lanes(Generic[Key]):
    """Due times of keys nearly all of which are cancelled before: setting and cancelling sort nothing.

    A key is due a certain time after it was set. All keys of one such time stand in one lane, in the order of their setting, and
    so of their being due. Times beyond the first `MOST` are sorted as `Timers` does.
    """

    MOST = 64

    def __init__(self) -> None:
        self._lanes: dict[float, dict[Key, float]] = {}
        self._others: Timers[Key] = Timers()
        self.soonest = math.inf  # nothing is due before this; what was may have been cancelled

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values())) + len(self._others)

    def set(self, key: Key, now: float, after_s: float) -> None:
        """Make `key`, which is not set, due `after_s` seconds after `now`, which never goes back."""
        due = now + after_s
        lane = self._lanes.get(after_s)
        if lane is None:
            lane = self._open(after_s)
        if lane is None:
            self._others.set(key, due)
        else:
            lane[key] = due
        self.soonest = min(self.soonest, due)

    def _open(self, after_s: float) -> dict[Key, float] | None:
        if len(self._lanes) >= self.MOST:
            self._lanes = {length: lane for length, lane in self._lanes.items() if lane}
            if len(self._lanes) >= self.MOST:
                return None
        return self._lanes.setdefault(after_s, {})

    def cancel(self, key: Key, after_s: float) -> None:
        """Forget `key`, which was set with this time; one that is not set is ignored."""
        lane = self._lanes.get(after_s)
        if lane is None or lane.pop(key, None) is None:
            self._others.cancel(key)

    def due(self, now: float) -> list[Key]:
        """Return and forget the keys that are due, the earliest first."""
        if now < self.soonest:
            return []
        found: list[tuple[float, Key]] = []
        for lane in self._lanes.values():
            over = []
            for key, due in lane.items():
                if due > now:
                    break
                over.append((due, key))
            for _, key in over:
                del lane[key]
            found += over
        found.sort(key=lambda one: one[0])
        keys = [key for _, key in found] + list(self._others.due(now))
        heads = [next(iter(lane.values())) for lane in self._lanes.values() if lane]
        self.soonest = min(heads + [due for due in (self._others.next(),) if due is not None], default=math.inf)
        return keys

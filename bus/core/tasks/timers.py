"""What is due when. Pure; time is a number that is passed in."""

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class TimerBuckets(Generic[Key]):
    """Due times of keys nearly all of which are cancelled before: setting and cancelling sort nothing.

    A key is due a certain time after it was set. All keys of one such time stand in one lane, in the order of their setting, and
    so of their being due.
    """

    MOST = 64  # lanes

    def __init__(self) -> None:
        self.by_length: dict[float, dict[Key, float]] = {}
        self.soonest = math.inf  # nothing is due before this; what was may have been cancelled

    def __len__(self) -> int:
        return sum(map(len, self.by_length.values()))

    def open(self, after_s: float) -> dict[Key, float] | None:
        """Make a lane for a time that has none; None if there are too many of them already."""
        if len(self.by_length) >= self.MOST:
            self.by_length = {length: keys for length, keys in self.by_length.items() if keys}
            if len(self.by_length) >= self.MOST:
                return None
        return self.by_length.setdefault(after_s, {})

    def over(self, now: float) -> list[tuple[float, Key, float]]:
        """List what is due, the earliest first: when it was, its key, and after what time; `take` forgets it."""
        if now < self.soonest:
            return []
        found: list[tuple[float, Key, float]] = []
        self.soonest = math.inf
        for after_s, lane in self.by_length.items():
            for key, due in lane.items():
                if due > now:
                    self.soonest = min(self.soonest, due)
                    break
                found.append((due, key, after_s))
        return sorted(found, key=lambda one: one[0])

    def take(self, due: float, key: Key, after_s: float) -> bool:
        """Forget what `over` listed; false if it was cancelled, or set anew, since."""
        lane = self.by_length.get(after_s, {})
        if lane.get(key) != due:
            return False
        del lane[key]
        return True


class Timers(Generic[Key]):
    """One due time per key; setting a key again moves it. Memory stays within twice the living keys, plus 64."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._lanes: TimerBuckets[Key] = TimerBuckets()
        self._count = 0  # makes entries of equal time comparable, and first set first due

    def __len__(self) -> int:
        return len(self._due) + len(self._lanes)

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

    def set_after(self, key: Key, now: float, after_s: float) -> None:
        """Make `key`, which is not set, due `after_s` seconds after `now`; cheap, for what will nearly always be cancelled."""
        lane = self.lane(now, after_s)
        if lane is None:
            self.set(key, now + after_s)
        else:
            lane[key] = now + after_s

    def lane(self, now: float, after_s: float) -> dict[Key, float] | None:
        """Find where keys stand that are due `after_s` seconds after `now`, for who sets many: each with when it is due.

        Returns:
            None if there are too many such times already; then `set_after` each.
        """
        lanes = self._lanes
        lane = lanes.by_length.get(after_s)
        if lane is None:
            lane = lanes.open(after_s)
        if lane is not None and now + after_s < lanes.soonest:
            lanes.soonest = now + after_s
        return lane

    def lane_of(self, after_s: float) -> dict[Key, float]:
        """Find where keys stand that were set with this time, for who cancels many; empty if there are none there."""
        return self._lanes.by_length.get(after_s, {})

    def cancel_after(self, key: Key, after_s: float) -> None:
        """Forget a `key` of `set_after`, which was set with this time."""
        lane = self._lanes.by_length.get(after_s)
        if lane is None or lane.pop(key, None) is None:
            self.cancel(key)

    def next(self) -> float | None:
        """Return when something may be due: the earliest time, None if nothing is set."""
        first, soonest = self._first(), self._lanes.soonest
        if first is None:
            return None if soonest == math.inf else soonest
        return min(first, soonest)

    def _first(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[Key]:
        """Yield and forget each key that is due, the earliest first; keys may be set and cancelled meanwhile."""
        for due, key, after_s in self._lanes.over(now):
            yield from self._until(due)
            if self._lanes.take(due, key, after_s):
                yield key
        yield from self._until(now)

    def _until(self, now: float) -> Iterator[Key]:
        while (first := self._first()) is not None and first <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            yield key

"""Timers. Pure; time is a number that is passed in."""

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class TimerBuckets(Generic[Key]):
    """Due times of keys of which nearly all are cancelled before: setting and cancelling need no sorting.

    A key is due a certain time after it was set. All keys with the same time are in one lane, in the order in which they were
    set, which is the order in which they are due.
    """

    MOST = 64  # lanes

    def __init__(self) -> None:
        self.by_length: dict[float, dict[Key, float]] = {}
        self.soonest = math.inf  # no key is due before this; the earliest key may have been cancelled

    def __len__(self) -> int:
        return sum(map(len, self.by_length.values()))

    def open(self, after_s: float) -> dict[Key, float] | None:
        """Add a lane for a time that has none; None if there are too many lanes."""
        if len(self.by_length) >= self.MOST:
            self.by_length = {length: keys for length, keys in self.by_length.items() if keys}
            if len(self.by_length) >= self.MOST:
                return None
        return self.by_length.setdefault(after_s, {})

    def over(self, now: float) -> list[tuple[float, Key, float]]:
        """Return the due keys, the earliest first: due time, key, and the key's time; `take` removes one."""
        if now < self.soonest:
            return []
        entries: list[tuple[float, Key, float]] = []
        self.soonest = math.inf
        for after_s, lane in self.by_length.items():
            for key, due in lane.items():
                if due > now:
                    self.soonest = min(self.soonest, due)
                    break
                entries.append((due, key, after_s))
        return sorted(entries, key=lambda entry: entry[0])

    def take(self, due: float, key: Key, after_s: float) -> bool:
        """Remove a key that `over` returned; return false if it was cancelled or set again since."""
        lane = self.by_length.get(after_s, {})
        if lane.get(key) != due:
            return False
        del lane[key]
        return True


class Timers(Generic[Key]):
    """One due time per key; setting a key again moves it. Memory stays within twice the active keys, plus 64."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._lanes: TimerBuckets[Key] = TimerBuckets()
        self._count = 0  # makes entries of equal time comparable, and first set first due

    def __len__(self) -> int:
        return len(self._due) + len(self._lanes)

    def set(self, key: Key, due: float) -> None:
        """Make `key` due at `due` (monotonic seconds), instead of any previous time."""
        self._count += 1
        self._due[key] = (due, self._count)
        heapq.heappush(self._heap, (due, self._count, key))
        self._trim()

    def cancel(self, key: Key) -> None:
        """Cancel `key`; a key that is not set is ignored."""
        self._due.pop(key, None)
        self._trim()

    def _trim(self) -> None:
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, count, key) for key, (due, count) in self._due.items()]
            heapq.heapify(self._heap)

    def set_after(self, key: Key, now: float, after_s: float) -> None:
        """Make `key`, which is not set, due `after_s` seconds after `now`; cheap, for keys that are nearly always cancelled."""
        lane = self.lane(now, after_s)
        if lane is None:
            self.set(key, now + after_s)
        else:
            lane[key] = now + after_s

    def lane(self, now: float, after_s: float) -> dict[Key, float] | None:
        """Return the lane of keys due `after_s` seconds after `now`, to set many keys; its values are due times.

        Returns:
            None if there are too many lanes; then call `set_after` for each.
        """
        lanes = self._lanes
        lane = lanes.by_length.get(after_s)
        if lane is None:
            lane = lanes.open(after_s)
        if lane is not None and now + after_s < lanes.soonest:
            lanes.soonest = now + after_s
        return lane

    def lane_of(self, after_s: float) -> dict[Key, float]:
        """Return the lane of keys that were set with this time, to cancel many keys; empty if there is none."""
        return self._lanes.by_length.get(after_s, {})

    def cancel_after(self, key: Key, after_s: float) -> None:
        """Cancel a key that `set_after` set with this time."""
        lane = self._lanes.by_length.get(after_s)
        if lane is None or lane.pop(key, None) is None:
            self.cancel(key)

    def next(self) -> float | None:
        """Return the earliest time at which a key may be due; None if no key is set."""
        first, soonest = self._first(), self._lanes.soonest
        if first is None:
            return None if soonest == math.inf else soonest
        return min(first, soonest)

    def _first(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[Key]:
        """Yield and remove each key that is due, the earliest first; keys may be set and cancelled meanwhile."""
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

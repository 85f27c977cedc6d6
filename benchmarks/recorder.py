"""What one consumer saw: which numbers were missing, which came twice, and how long each tick took."""

import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tick
from benchmarks.board import KEEP, LOST, PROGRESS, READY, Board

MISSING = -1  # stands for the latency of a tick that did not come
MOST_KEPT = 20_000_000  # latencies; a consumer that keeps more would be measured for its memory


class Recorder:
    """Counts one consumer's ticks.

    Args:
        at: which consumer, from 0.
        board: where its progress is shown.
    """

    def __init__(self, at: int, board: Board) -> None:
        self.at = at
        self.slots = board.slots
        self.first = 0  # number of the first tick seen
        self.expected = 0  # number of the tick to come next; 0: any
        self.lost = 0
        self.twice = 0
        self.kept_from = 0
        self.latencies = array.array("q")  # ns, one for each number from `kept_from`

    def ready(self) -> None:
        """Tell that this consumer is connected and has subscribed."""
        self.slots[READY + self.at] = 1

    def one(self, found: Mapping[str, Any]) -> None:
        """Take a decoded tick."""
        number = found["bid"]
        if number != self.expected and not self._odd(int(number)):
            return
        self.expected += 1
        if self.slots[KEEP]:
            self._keep(int(number), tick.age_ns(found["timestamp"]))

    def many(self, ticks: Iterable[Mapping[str, Any]]) -> None:
        """Take decoded ticks that came together."""
        if self.slots[KEEP]:
            for found in ticks:
                self.one(found)
            return
        expected = self.expected
        for found in ticks:
            if found["bid"] != expected:
                self.expected = expected
                if not self._odd(int(found["bid"])):
                    continue
                expected = self.expected
            expected += 1
        self.expected = expected

    def records(self, ticks: Iterable[Any]) -> None:
        """Take decoded ticks that came together, as objects with attributes."""
        if self.slots[KEEP]:
            for found in ticks:
                self.one({"bid": found.bid, "timestamp": found.timestamp})
            return
        expected = self.expected
        for found in ticks:
            if found.bid != expected:
                self.expected = expected
                if not self._odd(int(found.bid)):
                    continue
                expected = self.expected
            expected += 1
        self.expected = expected

    def packed(self, data: bytes | memoryview, at: int, count: int, length: int) -> None:
        """Take ticks that nobody decoded: only the first and the last are looked at, unless latencies are kept.

        Args:
            data: messages of one length.
            at: offset of the first tick.
            count: how many, at least 1.
            length: from one tick to the next.
        """
        if self.slots[KEEP]:
            for offset in range(at, at + count * length, length):
                number = int(tick.number_at(data, offset + tick.NUMBER_AT)[0])
                self.one({"bid": number, "timestamp": tick.time_at(data, offset + tick.TIME_AT)[0]})
            return
        first = int(tick.number_at(data, at + tick.NUMBER_AT)[0])
        last = int(tick.number_at(data, at + (count - 1) * length + tick.NUMBER_AT)[0])
        if first != self.expected and not self._odd(first):
            return
        self._miss(max(0, last - first + 1 - count))
        self.expected = last + 1

    def progress(self) -> None:
        """Show how far this consumer is."""
        if self.expected:
            self.slots[PROGRESS + self.at] = self.expected - 1

    def _odd(self, number: int) -> bool:
        """Look at a tick that is not the next one; false if it came before."""
        if not self.expected:
            self.first = self.expected = number
            return True
        if number < self.expected:
            self.twice += 1
            return False
        self._miss(number - self.expected)
        self.expected = number
        return True

    def _miss(self, count: int) -> None:
        self.lost += count
        self.slots[LOST + self.at] = self.lost

    def _keep(self, number: int, latency_ns: int) -> None:
        if not self.latencies:
            self.kept_from = number
        missing = number - self.kept_from - len(self.latencies)
        if len(self.latencies) + missing < MOST_KEPT:
            self.latencies.extend([MISSING] * missing)
            self.latencies.append(latency_ns)

    def save(self, path: Path) -> dict[str, int]:
        """Write the latencies to a file, as native 64-bit integers; return the rest."""
        with path.open("wb") as file:
            self.latencies.tofile(file)
        return {
            "at": self.at,
            "first": self.first,
            "last": self.expected - 1,
            "lost": self.lost,
            "twice": self.twice,
            "kept_from": self.kept_from,
        }

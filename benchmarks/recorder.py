"""The record of one consumer: missing numbers, repeated ones, and the latency of each tick."""

import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tick
from benchmarks.board import KEEP, LOST, PROGRESS, READY, Board

MISSING = -1  # the latency of a lost tick
MAX_KEPT = 20_000_000  # latencies; bounds the memory of a consumer


class Recorder:
    """Counts one consumer's ticks.

    Args:
        at: index of the consumer, from 0.
        board: for its progress.
    """

    def __init__(self, at: int, board: Board) -> None:
        self.at = at
        self.slots = board.slots
        self.first = 0  # number of the first tick seen
        self.expected = 0  # number of the next tick; 0: any
        self.lost = 0
        self.twice = 0
        self.kept_from = 0
        self.latencies = array.array("q")  # ns, one for each number from `kept_from`

    def ready(self) -> None:
        """Report that this consumer is connected and subscribed."""
        self.slots[READY + self.at] = 1

    def record(self, decoded: Mapping[str, Any]) -> None:
        """Record a decoded tick."""
        number = decoded["bid"]
        if number != self.expected and not self._out_of_order(int(number)):
            return
        self.expected += 1
        if self.slots[KEEP]:
            self._keep(int(number), tick.age_ns(decoded["timestamp"]))

    def record_all(self, ticks: Iterable[Mapping[str, Any]]) -> None:
        """Record decoded ticks of one message."""
        if self.slots[KEEP]:
            for decoded in ticks:
                self.record(decoded)
            return
        expected = self.expected
        for decoded in ticks:
            if decoded["bid"] != expected:
                self.expected = expected
                if not self._out_of_order(int(decoded["bid"])):
                    continue
                expected = self.expected
            expected += 1
        self.expected = expected

    def record_objects(self, ticks: Iterable[Any]) -> None:
        """Record decoded ticks of one message, as objects with attributes."""
        if self.slots[KEEP]:
            for decoded in ticks:
                self.record({"bid": decoded.bid, "timestamp": decoded.timestamp})
            return
        expected = self.expected
        for decoded in ticks:
            if decoded.bid != expected:
                self.expected = expected
                if not self._out_of_order(int(decoded.bid)):
                    continue
                expected = self.expected
            expected += 1
        self.expected = expected

    def record_packed(self, data: bytes | memoryview, at: int, count: int, length: int) -> None:
        """Record encoded ticks: only the first and the last are read, unless latencies are recorded.

        Args:
            data: messages of one length.
            at: offset of the first tick.
            count: number of ticks, at least 1.
            length: distance between ticks.
        """
        if self.slots[KEEP]:
            for offset in range(at, at + count * length, length):
                number = int(tick.number_at(data, offset + tick.NUMBER_AT)[0])
                self.record({"bid": number, "timestamp": tick.time_at(data, offset + tick.TIME_AT)[0]})
            return
        first = int(tick.number_at(data, at + tick.NUMBER_AT)[0])
        last = int(tick.number_at(data, at + (count - 1) * length + tick.NUMBER_AT)[0])
        if first != self.expected and not self._out_of_order(first):
            return
        self._count_lost(max(0, last - first + 1 - count))
        self.expected = last + 1

    def progress(self) -> None:
        """Report the progress of this consumer."""
        if self.expected:
            self.slots[PROGRESS + self.at] = self.expected - 1

    def _out_of_order(self, number: int) -> bool:
        """Handle a tick that is not the next one; returns false if it is an earlier one."""
        if not self.expected:
            self.first = self.expected = number
            return True
        if number < self.expected:
            self.twice += number >= self.first  # older ones were sent before this consumer was ready
            return False
        self._count_lost(number - self.expected)
        self.expected = number
        return True

    def _count_lost(self, count: int) -> None:
        self.lost += count
        self.slots[LOST + self.at] = self.lost

    def _keep(self, number: int, latency_ns: int) -> None:
        if not self.latencies:
            self.kept_from = number
        missing = number - self.kept_from - len(self.latencies)
        if len(self.latencies) + missing < MAX_KEPT:
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

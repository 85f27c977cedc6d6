"""The volatility score, its intensity, and ticks per second. Pure.

The score follows the mean move of the last 50 ticks (in pipettes) and the number of ticks in the last 10 seconds:
`raw = min(mean / 2, 3) * 0.6 + min(per second / 5, 3) * 0.4`, and `new = old * smoothing + raw * (1 - smoothing)`, at least 0.05.
With fewer than two ticks in the window it decays by 5 percent per tick instead. At the default smoothing of 0.8 the result equals
the original's to the bit. Differences:

* The smoothing can be set; in the original only its README said so.
* Only a tick changes the score. The original ran the filter for every config message too, so that config alone changed it.
* The first tick has no move, since there is no tick before it; the original used an invented start price.
* The ticks of the window are counted per millisecond, so that the memory is bounded at any rate.
"""

from collections import deque
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

WINDOW_MS = 10_000  # a tick of exactly this age still counts
MOVES = 50
DECAY = 0.95
START, START_INTENSITY = 0.5 * DECAY, 0.25  # before any tick, as in the original's first state
FLOOR, FULL = 0.05, 3.5
SMOOTHING = 0.8


def gain(smoothing: float) -> float:
    """Return 1 - smoothing in decimal arithmetic: 0.2 for 0.8, where binary subtraction gives 0.19999999999999996."""
    return float(1 - Decimal(repr(smoothing)))


class Volatility:
    """The score of one symbol's day; a new day is a new object."""

    __slots__ = ("_in_window", "_moves", "_times", "intensity", "value")

    def __init__(self) -> None:
        self.value = START
        self.intensity = START_INTENSITY
        self._moves: deque[float] = deque(maxlen=MOVES)  # pipettes
        self._times: deque[list[int]] = deque()  # [ms, ticks in that ms], at most WINDOW_MS + 1 of them
        self._in_window = 0

    @property
    def ticks_per_s(self) -> float:
        """The rate over the window that ends with the newest tick."""
        return self._in_window / (WINDOW_MS / 1000)

    def fold(self, move: float | None, now_ms: int, keep: float, take: float) -> None:
        """Add a tick.

        Args:
            move: the absolute move of the price in pipettes; None without a previous price.
            now_ms: clock of the window, whole ms, never going backwards.
            keep, take: the smoothing, and its `gain`.
        """
        times = self._times
        if times and times[-1][0] == now_ms:
            times[-1][1] += 1
        else:
            times.append([now_ms, 1])
        self._in_window += 1
        if move is not None:
            self._moves.append(move)
        self.step(now_ms, keep, take)

    def step(self, now_ms: int, keep: float, take: float) -> None:
        """Run the filter once, as `fold` does for every tick."""
        times, oldest = self._times, now_ms - WINDOW_MS
        while times and times[0][0] < oldest:
            self._in_window -= times.popleft()[1]
        count, moves = self._in_window, self._moves
        if count < 2 or not moves:
            self.value *= DECAY
            return
        mean = reduce(add, moves) / len(moves)  # in order, not sum(), whose last bits differ from Python 3.12 on
        raw = min(mean / 2, 3.0) * 0.6 + min(count / 10 / 5, 3.0) * 0.4
        self.value = max(FLOOR, self.value * keep + raw * take)
        self.intensity = min(1.0, self.value / FULL)

    def dump(self) -> list[Any]:
        """Return the state as plain values; the times as ms, ticks, ms, ticks, ..."""
        return [self.value, self.intensity, list(self._moves), [number for entry in self._times for number in entry]]

    def restore(self, state: list[Any]) -> None:
        """Restore the state of a `dump`."""
        self.value, self.intensity, moves, times = state
        self._moves.extend(moves)
        self._times.extend([ms, ticks] for ms, ticks in zip(times[::2], times[1::2], strict=True))
        self._in_window = sum(times[1::2])

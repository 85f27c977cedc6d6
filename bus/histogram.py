"""Histograms of latencies and sizes, of a bounded size. Pure.

A histogram has 32 buckets per doubling, each 2.2 % wide, and a quantile is the middle of its bucket: so it is wrong by 1.1 % at
most. It keeps two windows; quantiles cover both, that is the last one to two window lengths.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

PER_DOUBLING = 32
EXPONENTS = range(5, 25)
BOUNDS = tuple(2.0**exponent for exponent in EXPONENTS)  # of `totals`: 32 µs to 17 s, where values are microseconds
TASK_EXPONENTS = range(7, 32)
TASK_BOUNDS = tuple(2.0**exponent for exponent in TASK_EXPONENTS)  # of the times of tasks, in microseconds: 128 µs to 36 minutes


class Histogram:
    """The distribution of values above 0, over the last one to two windows.

    Args:
        window_s: length of a window in seconds.
        now: monotonic seconds.
    """

    def __init__(self, window_s: float, now: float) -> None:
        self.window_s = window_s
        self._since = now
        self._now: Counter[int] = Counter()
        self._before: Counter[int] = Counter()
        self._largest = [0.0, 0.0]
        self._sum = 0.0
        self._over: Counter[int] = Counter()  # of all past windows

    def add(self, value: float, now: float) -> None:
        """Count one value, in any unit; a value of 0 or below counts in the smallest bucket."""
        if now - self._since >= self.window_s:
            self._turn(now)
        self._now[math.ceil(math.log2(value) * PER_DOUBLING) if value > 1 else 0] += 1
        self._largest[0] = max(self._largest[0], value)
        self._sum += value

    def _turn(self, now: float) -> None:
        stale = now - self._since >= 2 * self.window_s
        self._over.update(self._now)
        self._before = Counter() if stale else self._now
        self._now = Counter()
        self._largest = [0.0, 0.0 if stale else self._largest[0]]
        self._since = now

    def quantiles(self, now: float, wanted: Iterable[float] = (0.5, 0.99)) -> dict[str, float] | None:
        """Return `{"p50": .., "p99": .., "max": .., "count": ..}` in the values' unit; None if no value was added."""
        if now - self._since >= self.window_s:
            self._turn(now)
        both = self._now + self._before
        count = both.total()
        if not count:
            return None
        largest = max(self._largest)
        answer = {f"p{share * 100:g}": min(_at(both, share * count), largest or 1.0) for share in wanted}
        return {**answer, "max": largest, "count": float(count)}

    def totals(self) -> dict[str, Any]:
        """Count all values since the start, as a histogram that can be summed over processes and time.

        Returns:
            `count`; `sum_us`, in the values' unit; `le`, the number of values at most each of `BOUNDS`.
        """
        both = self._over + self._now
        last = EXPONENTS.stop - EXPONENTS.start
        within = [0] * (last + 1)  # values of each bucket of `BOUNDS`, and of those above all
        for bucket, count in both.items():
            within[min(last, max(0, -(-bucket // PER_DOUBLING) - EXPONENTS.start))] += count
        return {"count": both.total(), "sum_us": round(self._sum, 3), "le": list(accumulate(within[:last]))}


def quantile(totals: Any, bounds: Sequence[float], share: float) -> float | None:
    """Estimate a quantile of a histogram's totals, between the bounds of its bucket; above the last bound, that one.

    Args:
        totals: `count` and `le`, as `Histogram.totals` returns them.
        bounds: of the buckets, ascending.
        share: of the values that are below the quantile, from 0 to 1.
    Returns:
        the quantile in the values' unit; None for no value, or for malformed totals.
    """
    try:
        counts, total = list(totals["le"]), totals["count"]
        if total <= 0 or len(counts) != len(bounds):
            return None
        rank, below = share * total, 0
        for at, count in enumerate(counts):
            if count >= rank:
                low = bounds[at - 1] if at else 0.0
                return float(low + (bounds[at] - low) * (rank - below) / max(1, count - below))
            below = count
    except (TypeError, KeyError, ValueError):
        return None
    return bounds[-1]


def _at(buckets: Counter[int], rank: float) -> float:
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            break
    return float(2.0 ** ((bucket - 0.5) / PER_DOUBLING)) if bucket > 0 else 1.0

"""Histograms of latencies in microseconds, of a bounded size. Pure.

A histogram has 32 buckets per doubling, each 2.2 % wide, and a quantile is the middle of its bucket: so it is wrong by 1.1 % at
most. It keeps two windows; quantiles cover both, that is the last one to two window lengths.

The bounds of these buckets are the powers of 2 ** (1/32) in seconds: those of schema 5 of Prometheus's native histograms. The
bounds of the totals, whole powers of 2 in microseconds, lie within such buckets. A value's place is the number of bounds of
either kind that lie below it and are at least 1 µs, so one count serves both: 33 places per doubling.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

PER_DOUBLING = 32
PLACES = PER_DOUBLING + 1  # per doubling
FIRST = math.ceil(PER_DOUBLING * math.log2(1e-6))  # index in schema 5 of the bucket with 1 µs, and with all that is below
SHIFT = PER_DOUBLING * math.log2(1e-6) - FIRST  # from 1 µs to the bound of that bucket, in buckets
LAST = FIRST + 64 * PER_DOUBLING  # of reported buckets: half a million years
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
        """Count one value in microseconds; one of 1 or below counts in the smallest bucket."""
        if now - self._since >= self.window_s:
            self._turn(now)
        self._now[place(value)] += 1
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
        answer = {f"p{share * 100:g}": min(_middle(_bucket(_ranked(both, share * count))), largest or 1.0) for share in wanted}
        return {**answer, "max": largest, "count": float(count)}

    def totals(self) -> dict[str, Any]:
        """Count all values since the start, as a histogram that can be summed over processes and time.

        Returns:
            see `totals_of`, with the bounds `BOUNDS`.
        """
        return totals_of(self._over + self._now, self._sum, EXPONENTS)


def place(value_us: float) -> int:
    """Return the place of a value in microseconds."""
    if value_us <= 1:
        return 0
    doublings = math.log2(value_us)
    return math.ceil(doublings * PER_DOUBLING + SHIFT) + math.ceil(doublings)


def totals_of(places: Mapping[int, int], sum_us: float, exponents: range) -> dict[str, Any]:
    """Return the totals of a histogram (PROTOCOL.md section 7.2).

    Args:
        places: the number of values at each place.
        sum_us: of all values.
        exponents: of 2, which give the bounds of `le`.
    Returns:
        `count`; `sum_us`; `le`, the number of values at most each bound; `native`, see `native_counts`.
    """
    last = exponents.stop - exponents.start
    within = [0] * (last + 1)  # values of each bucket of `le`, and of those above all
    buckets: Counter[int] = Counter()
    for at, count in places.items():
        within[min(last, max(0, -(-at // PLACES) - exponents.start))] += count
        buckets[_bucket(at) + FIRST] += count
    native, before = [], 0
    for index in sorted(buckets):
        native += [index - before, buckets[index]]
        before = index
    return {"count": sum(places.values()), "sum_us": round(sum_us, 3), "le": list(accumulate(within[:last])), "native": native}


def native_counts(totals: Any) -> dict[int, int] | None:
    """Return the counts of a histogram's totals by bucket of schema 5 of Prometheus, in seconds, in ascending order.

    Bucket i has the values above 2 ** ((i - 1) / 32) s and at most 2 ** (i / 32) s; the first, `FIRST`, also all below.

    Returns:
        None if an earlier process has sent none, or malformed ones.
    """
    native = totals.get("native") if isinstance(totals, Mapping) else None
    if not isinstance(native, list | tuple) or len(native) % 2 or not all(type(value) is int for value in native):
        return None
    steps, counts = native[::2], native[1::2]
    indexes = list(accumulate(steps))
    in_order = all(step > 0 for step in steps[1:]) and all(count > 0 for count in counts)
    is_whole = sum(counts) == totals.get("count")
    if not in_order or not is_whole or (indexes and not FIRST <= indexes[0] <= indexes[-1] <= LAST):
        return None
    return dict(zip(indexes, counts, strict=True))


def quantile(totals: Any, bounds: Sequence[float], share: float) -> float | None:
    """Estimate a quantile of a histogram's totals, within 1.1 %.

    The totals of an earlier process give an estimate between the bounds of `le`; above the last bound, that one.

    Args:
        totals: `count` and `le`, as `Histogram.totals` returns them.
        bounds: of the buckets, ascending.
        share: of the values that are below the quantile, from 0 to 1.
    Returns:
        the quantile in the values' unit; None for no value, or for malformed totals.
    """
    if fine := native_counts(totals):
        return _middle(_ranked(fine, share * totals["count"]) - FIRST)
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


def _ranked(counts: Mapping[int, int], rank: float) -> int:
    seen = 0
    for at in sorted(counts):
        seen += counts[at]
        if seen >= rank:
            break
    return at


def _bucket(at: int) -> int:
    return at - -(-at // PLACES)


def _middle(bucket: int) -> float:
    return float(2.0 ** ((bucket - SHIFT - 0.5) / PER_DOUBLING)) if bucket > 0 else 1.0

"""The price with the most volume (point of control), and the range around it that holds most of the volume. Pure.

From the point of control (the lowest of several with equal volume) the range grows by the neighbour with more volume, the
upper one of two with equal volume, until it holds the required share of all volume.

Step by step, that is the most expensive part of a snapshot of many levels, and from one snapshot to the next the result hardly
changes. So `ValueArea` starts at its last result if the growth above passes through it, else at the point of control. It passes
through it if the smallest volume taken above is not less than the smallest of those taken below and the next one there, and the
smallest taken below is more than the smallest of those taken above and the next one there. The result is unique, wherever the
search starts, so it does not depend on earlier calls.
"""

from bisect import bisect_left
from collections.abc import Sequence

NOTHING_TAKEN = 1 << 62
RETREATS = 8  # steps back after which a new start is cheaper


def point_of_control(volumes: Sequence[int]) -> int | None:
    """Return the position of the largest volume, the first of several; None if there is none."""
    return volumes.index(max(volumes)) if volumes else None


def value_area(volumes: Sequence[int], total: int, share: float) -> tuple[int, int] | None:
    """Return the value area.

    Args:
        volumes: per level, by ascending price.
        total: their sum.
        share: of the volume to hold, 0 to 1.
    Returns:
        positions of the lowest and the highest level in it; None if there are no levels.
    """
    start = point_of_control(volumes)
    return None if start is None else _grow(volumes, start, start, volumes[start], share * total)


class ValueArea:
    """The value area of one profile, computed repeatedly."""

    __slots__ = ("_high", "_low")

    def __init__(self) -> None:
        self._low = self._high = 0  # indexes of the last result

    def find(self, indexes: Sequence[int], volumes: Sequence[int], start: int, target: float) -> tuple[int, int]:
        """Return the value area around the point of control.

        Args:
            indexes: of the levels, ascending.
            volumes: of the same levels.
            start: position of the point of control.
            target: volume to hold.
        Returns:
            positions of the lowest and the highest level in it.
        """
        last = len(volumes) - 1
        low, high = min(bisect_left(indexes, self._low), last), min(bisect_left(indexes, self._high), last)
        area = _resume(volumes, start, low, high, target) if low <= start <= high else None
        if area is None:
            area = _grow(volumes, start, start, volumes[start], target)
        self._low, self._high = indexes[area[0]], indexes[area[1]]
        return area


def _grow(volumes: Sequence[int], low: int, high: int, volume: int, target: float) -> tuple[int, int]:
    last = len(volumes) - 1
    above = volumes[high + 1] if high < last else -1  # -1: no neighbour there
    below = volumes[low - 1] if low else -1
    while volume < target and (above >= 0 or below >= 0):
        if above >= below:
            high += 1
            volume += above
            above = volumes[high + 1] if high < last else -1
        else:
            low -= 1
            volume += below
            below = volumes[low - 1] if low else -1
    return low, high


def _resume(volumes: Sequence[int], start: int, low: int, high: int, target: float) -> tuple[int, int] | None:
    """Continue from a range around the start, backwards first if needed; None if that would take long."""
    last, volume = len(volumes) - 1, sum(volumes[low : high + 1])
    least_up, least_down = (
        min(volumes[start + 1 : high + 1], default=NOTHING_TAKEN),
        min(volumes[low:start], default=NOTHING_TAKEN),
    )
    for _ in range(RETREATS):
        above = volumes[high + 1] if high < last else -1
        below = volumes[low - 1] if low else -1
        too_far_up, too_far_down = least_up < min(least_down, below), least_down <= min(least_up, above)
        if not too_far_up and not too_far_down:
            if volume < target:
                return _grow(volumes, low, high, volume, target)
            too_far_up = least_up < least_down  # added last: the side with less volume, the lower one of equals
            if low == high or volume - volumes[high if too_far_up else low] < target:
                return low, high
        if too_far_up:
            volume -= volumes[high]
            high -= 1
            least_up = min(volumes[start + 1 : high + 1], default=NOTHING_TAKEN)
        else:
            volume -= volumes[low]
            low += 1
            least_down = min(volumes[low:start], default=NOTHING_TAKEN)
    return None

"""The price with the most volume (point of control), and the stretch around it that holds most of the volume. Pure.

From the point of control (the lowest, where several have equal volume) the stretch grows by the neighbour with more volume, the
upper one where both have the same, until it holds the wanted share of all volume.

Step by step, that is the dearest part of a snapshot of many levels, and from one snapshot to the next the answer hardly moves. So
`ValueArea` begins at its last answer, if the growth above passes through it, and else at the point of control. It does pass
through it if the smallest volume taken above is not less than the smallest of those taken below and the next one there, and the
smallest taken below is more than the smallest of those taken above and the next one there. There is one answer only, whatever the
beginning, so what was asked before does not show.
"""

from bisect import bisect_left
from collections.abc import Sequence

NOTHING_TAKEN = 1 << 62
RETREATS = 8  # steps back after which beginning anew is cheaper


def point_of_control(volumes: Sequence[int]) -> int | None:
    """Return the position of the largest volume, the first of several; None if there is none."""
    return volumes.index(max(volumes)) if volumes else None


def value_area(volumes: Sequence[int], total: int, share: float) -> tuple[int, int] | None:
    """Find the value area.

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
    """The value area of one profile, found again and again."""

    __slots__ = ("_high", "_low")

    def __init__(self) -> None:
        self._low = self._high = 0  # indexes of the last answer

    def find(self, indexes: Sequence[int], volumes: Sequence[int], start: int, wanted: float) -> tuple[int, int]:
        """Find the value area around the point of control.

        Args:
            indexes: of the levels, ascending.
            volumes: of the same levels.
            start: position of the point of control.
            wanted: volume to hold.
        Returns:
            positions of the lowest and the highest level in it.
        """
        last = len(volumes) - 1
        low, high = min(bisect_left(indexes, self._low), last), min(bisect_left(indexes, self._high), last)
        found = _from_there(volumes, start, low, high, wanted) if low <= start <= high else None
        if found is None:
            found = _grow(volumes, start, start, volumes[start], wanted)
        self._low, self._high = indexes[found[0]], indexes[found[1]]
        return found


def _grow(volumes: Sequence[int], low: int, high: int, held: int, wanted: float) -> tuple[int, int]:
    last = len(volumes) - 1
    above = volumes[high + 1] if high < last else -1  # -1: no neighbour there
    below = volumes[low - 1] if low else -1
    while held < wanted and (above >= 0 or below >= 0):
        if above >= below:
            high += 1
            held += above
            above = volumes[high + 1] if high < last else -1
        else:
            low -= 1
            held += below
            below = volumes[low - 1] if low else -1
    return low, high


def _from_there(volumes: Sequence[int], start: int, low: int, high: int, wanted: float) -> tuple[int, int] | None:
    """Go on from a stretch around the start, backwards first if need be; None if that would take long."""
    last, held = len(volumes) - 1, sum(volumes[low : high + 1])
    least_up, least_down = (
        min(volumes[start + 1 : high + 1], default=NOTHING_TAKEN),
        min(volumes[low:start], default=NOTHING_TAKEN),
    )
    for _ in range(RETREATS):
        above = volumes[high + 1] if high < last else -1
        below = volumes[low - 1] if low else -1
        up_is_too_far, down_is_too_far = least_up < min(least_down, below), least_down <= min(least_up, above)
        if not up_is_too_far and not down_is_too_far:
            if held < wanted:
                return _grow(volumes, low, high, held, wanted)
            up_is_too_far = least_up < least_down  # taken last: of both sides the one with less, the lower one of equals
            if low == high or held - volumes[high if up_is_too_far else low] < wanted:
                return low, high
        if up_is_too_far:
            held -= volumes[high]
            high -= 1
            least_up = min(volumes[start + 1 : high + 1], default=NOTHING_TAKEN)
        else:
            held -= volumes[low]
            low += 1
            least_down = min(volumes[low:start], default=NOTHING_TAKEN)
    return None

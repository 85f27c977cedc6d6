"""The price with the most volume (point of control), and the stretch around it that holds most of the volume. Pure.

From the point of control (the lowest, where several have equal volume) the stretch grows by the neighbour with more volume, the
upper one where both have the same, until it holds the wanted share of all volume.
"""

from collections.abc import Sequence


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
    if start is None:
        return None
    wanted, last = share * total, len(volumes) - 1
    low = high = start
    held = volumes[start]
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

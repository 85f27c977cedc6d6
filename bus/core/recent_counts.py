"""How much counters grew of late: for who asks once in a while, and remembers nothing. Pure, and of a bounded size."""

from collections import deque
from collections.abc import Mapping

WINDOW_S = 600.0
POINT_S = 10.0  # between two points that are remembered


class RecentCounts:
    """Counters that only grow, as they were up to ten minutes ago.

    Args:
        now: monotonic seconds.
        counts: as they are now, by name; those named later begin at 0.
    """

    def __init__(self, now: float, counts: Mapping[str, int]) -> None:
        self._points: deque[tuple[float, dict[str, int]]] = deque([(now, dict(counts))])

    def look(self, now: float, counts: Mapping[str, int]) -> None:
        """Remember how they are at `now`, if the last point is old enough."""
        points = self._points
        if now - points[-1][0] >= POINT_S:
            points.append((now, dict(counts)))
        while len(points) > 1 and now - points[1][0] >= WINDOW_S:
            points.popleft()

    def grown(self, now: float, counts: Mapping[str, int]) -> dict[str, float]:
        """Say by how much each has grown in the window; `window_s` is its length, shorter at first."""
        since, before = self._points[0]
        return {"window_s": round(now - since, 1), **{name: count - before.get(name, 0) for name, count in counts.items()}}

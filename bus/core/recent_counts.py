"""Recent growth of counters, for readers that keep no state. Pure, and of a bounded size."""

from collections import deque
from collections.abc import Mapping

WINDOW_S = 600.0
POINT_S = 10.0  # between two points that are remembered


class RecentCounts:
    """Monotonic counters, and their values up to ten minutes ago.

    Args:
        now: monotonic seconds.
        counts: present values by name; counters named later begin at 0.
    """

    def __init__(self, now: float, counts: Mapping[str, int]) -> None:
        self._points: deque[tuple[float, dict[str, int]]] = deque([(now, dict(counts))])

    def update(self, now: float, counts: Mapping[str, int]) -> None:
        """Record their values at `now`, if the last point is old enough."""
        points = self._points
        if now - points[-1][0] >= POINT_S:
            points.append((now, dict(counts)))
        while len(points) > 1 and now - points[1][0] >= WINDOW_S:
            points.popleft()

    def grown(self, now: float, counts: Mapping[str, int]) -> dict[str, float]:
        """Return the growth of each in the window; `window_s` is the window's length, shorter at first."""
        since, before = self._points[0]
        return {"window_s": round(now - since, 1), **{name: count - before.get(name, 0) for name, count in counts.items()}}

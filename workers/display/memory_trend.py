"""The trend of a number, from samples over a window of time. Pure."""

from collections import deque
from typing import Any

EVERY_S = 5.0
WINDOW_S = 300.0


class MemoryTrend:
    """Samples of one number over the last `window_s` seconds.

    Args:
        now: monotonic seconds.
        every_s: minimum seconds between two kept samples.
        window_s: seconds covered by the samples.
    """

    def __init__(self, now: float, every_s: float = EVERY_S, window_s: float = WINDOW_S) -> None:
        self.every_s = every_s
        self._samples: deque[tuple[float, float]] = deque(maxlen=round(window_s / every_s) + 1)
        self._due = now

    def add(self, now: float, value: float) -> None:
        """Add a sample, if one is due."""
        if now >= self._due:
            self._due = max(self._due + self.every_s, now)
            self._samples.append((now, value))

    def as_dict(self) -> dict[str, Any] | None:
        """Return how the number changed.

        Returns:
            window_s; change, from the oldest sample to the newest; per_minute, the slope of the least-squares line through the
            samples; direction, `increasing`, `decreasing` or `stable` (the line changes by less than 1 % of the newest sample).
            None before there are two samples.
        """
        samples = self._samples
        if len(samples) < 2:
            return None
        window_s, change = samples[-1][0] - samples[0][0], samples[-1][1] - samples[0][1]
        middle_s = sum(at for at, _ in samples) / len(samples)
        middle = sum(value for _, value in samples) / len(samples)
        spread = sum((at - middle_s) ** 2 for at, _ in samples)
        slope = sum((at - middle_s) * (value - middle) for at, value in samples) / spread
        still = abs(slope * window_s) < 0.01 * abs(samples[-1][1])
        direction = "stable" if still else "increasing" if slope > 0 else "decreasing"
        return {"window_s": round(window_s, 1), "change": change, "per_minute": round(slope * 60, 1), "direction": direction}

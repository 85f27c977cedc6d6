"""When a recorded tick is due; measured from the first one, so that a replay of any length does not drift."""

import math

from bus.errors import ConfigError


class ReplayPacing:
    """The timetable of one replay.

    Args:
        speed: 1.0 replays as fast as it happened, 10.0 ten times as fast, None without waiting.
    Raises:
        ConfigError: the speed is not above 0 or not finite.
    """

    def __init__(self, speed: float | None) -> None:
        if speed is not None and not 0 < speed < math.inf:
            raise ConfigError(f"speed is {speed}, must be above 0 and finite, or none for as fast as possible")
        self._speed = speed
        self._start: tuple[int, float] | None = None

    def wait_s(self, timestamp_ms: int, now: float) -> float:
        """Return how long to wait before this tick may go out, in seconds; 0.0 when it is due or late.

        The first call starts the timetable. A tick older than the first one is due at once.

        Args:
            timestamp_ms: when the tick happened, ms since 1970 UTC.
            now: monotonic seconds.
        """
        if self._speed is None:
            return 0.0
        if self._start is None:
            self._start = (timestamp_ms, now)
        first_ms, begun = self._start
        due = begun + (timestamp_ms - first_ms) / 1000 / self._speed
        return max(0.0, due - now)

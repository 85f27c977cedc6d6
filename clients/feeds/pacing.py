"""When a recorded tick is due, measured from the first one, so that a replay does not drift, however long it is."""

import math

from hulak.bus.errors import ConfigError


class ReplayPacing:
    """The schedule of one replay.

    Args:
        speed: 1.0 replays at the recorded speed, 10.0 at ten times that, None without waiting.
    Raises:
        ConfigError: the speed is not above 0 or not finite.
    """

    def __init__(self, speed: float | None) -> None:
        if speed is not None and not 0 < speed < math.inf:
            raise ConfigError(f"speed is {speed}, must be above 0 and finite, or None for as fast as possible")
        self._speed = speed
        self._start: tuple[int, float] | None = None

    def wait_s(self, timestamp_ms: int, now: float) -> float:
        """Return how long to wait before this tick may be sent, in seconds; 0.0 when it is due or late.

        The first call starts the schedule. A tick older than the first one is due at once.

        Args:
            timestamp_ms: when the tick happened, ms since 1970 UTC.
            now: monotonic seconds.
        """
        if self._speed is None:
            return 0.0
        if self._start is None:
            self._start = (timestamp_ms, now)
        first_ms, started = self._start
        due = started + (timestamp_ms - first_ms) / 1000 / self._speed
        return max(0.0, due - now)

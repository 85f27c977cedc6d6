"""How often something may be done: a token bucket that holds no clock, no lock and no running sum.

It keeps one number, the time at which the bucket would be full again (the "virtual scheduling" form of the generic
cell rate algorithm, ITU-T I.371). Nothing is added up over the days, so nothing drifts.
"""

import math

SLACK_S = 1e-6  # a sleeper that waits exactly `wait_s` must not be refused for the last bit of a float


class TokenBucket:
    """Let `rate` things happen per second, `burst` of them at once after a rest.

    Args:
        rate: tokens that grow per second, above 0.
        burst: tokens that a full bucket holds, at least 1.
        now: monotonic seconds; the bucket is full at this time.
    Raises:
        ValueError: a rate or burst that would never let anything through.
    """

    __slots__ = ("_full_at", "_interval_s", "_room_s")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        if not (rate > 0 and math.isfinite(rate)):
            raise ValueError(f"rate is {rate}, must be a finite number above 0")
        if not (burst >= 1 and math.isfinite(burst)):
            raise ValueError(f"burst is {burst}, must be a finite number of at least 1")
        self._interval_s = 1.0 / rate
        self._room_s = (burst - 1.0) * self._interval_s
        self._full_at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one.

        Args:
            now: monotonic seconds.
        Returns:
            True if the thing may be done now; False costs nothing.
        """
        if self.wait_s(now) > 0:
            return False
        self._full_at = max(self._full_at, now) + self._interval_s
        return True

    def wait_s(self, now: float) -> float:
        """Say how long until `take` says True.

        Args:
            now: monotonic seconds.
        Returns:
            seconds, 0.0 if a token is there now.
        """
        missing_s = self._full_at - now - self._room_s
        return missing_s if missing_s > SLACK_S else 0.0

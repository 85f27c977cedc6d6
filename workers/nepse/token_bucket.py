"""A token bucket without clock, lock or running sum.

It keeps one number, the time at which the bucket will be full again (the "virtual scheduling" form of the generic
cell rate algorithm, ITU-T I.371). Nothing is summed up, so nothing drifts.
"""

import math

SLACK_S = 1e-6  # a caller that sleeps exactly `wait_s` must not be refused because of rounding


class TokenBucket:
    """Allows `rate` operations per second, `burst` of them at once after a pause.

    Args:
        rate: tokens added per second, above 0.
        burst: tokens in a full bucket, at least 1.
        now: monotonic seconds; the bucket is full at this time.
    Raises:
        ValueError: the rate or burst would never allow an operation.
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
        """Take a token if there is one.

        Args:
            now: monotonic seconds.
        Returns:
            True if the operation is allowed now; False takes no token.
        """
        if self.wait_s(now) > 0:
            return False
        self._full_at = max(self._full_at, now) + self._interval_s
        return True

    def wait_s(self, now: float) -> float:
        """Return the time until `take` returns True.

        Args:
            now: monotonic seconds.
        Returns:
            seconds, 0.0 if there is a token now.
        """
        missing_s = self._full_at - now - self._room_s
        return missing_s if missing_s > SLACK_S else 0.0

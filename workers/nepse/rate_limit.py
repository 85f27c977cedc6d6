"""How often one worker asks the exchange: never more than the rate in any window, as the exchange sees it. Pure."""

from collections import deque

from workers.nepse.token_bucket import TokenBucket


class RateLimit:
    """When the next request may be sent.

    A token bucket of burst 1 spaces the sending. That alone would not do: a request that was slow on its way and a quick one
    behind it arrive closer together than they were sent. So the k-th request before must also have *ended* a whole window ago,
    and therefore have arrived earlier still: with 2/s, k is 2 and the window 1 s.

    Args:
        rate: requests per second, above 0; below 1 it is one in so many seconds.
        now: monotonic seconds.
    Raises:
        ValueError: a rate that would never let anything through.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._ends: deque[float] = deque()  # of the newest requests, oldest first
        self._set(rate, now)

    def _set(self, rate: float, now: float) -> None:
        self._rate = rate
        self._bucket = TokenBucket(rate=rate, burst=1, now=now)
        self._count = max(1, int(rate))
        self._window_s = self._count / rate

    def wait_s(self, rate: float, now: float) -> float:
        """Say how long until `begin` may be called; 0.0: now.

        Args:
            rate: that holds now; it may be another one each time.
            now: monotonic seconds.
        """
        if rate != self._rate:
            self._set(rate, now + 1.0 / rate)  # as if one had just been sent: no change of the rate lets two through at once
        while len(self._ends) > self._count:
            self._ends.popleft()
        full_s = self._ends[0] + self._window_s - now if len(self._ends) == self._count else 0.0
        return max(self._bucket.wait_s(now), full_s)

    def begin(self, now: float) -> None:
        """Note that a request is sent now; only after `wait_s` gave 0.0."""
        self._bucket.take(now)

    def ended(self, now: float) -> None:
        """Note that its answer has come, or will not."""
        self._ends.append(now)

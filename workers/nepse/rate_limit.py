"""The rate limit of one worker: in any window, the exchange receives no more requests than the rate allows. Pure."""

from collections import deque

from hulak.workers.nepse.token_bucket import TokenBucket


class RateLimit:
    """Decides when the next request may be sent.

    A token bucket of burst 1 spaces the requests. That alone is not enough: a slow request and a fast one behind it arrive closer
    together than they were sent. So the k-th last request must also have *ended* a whole window ago, and therefore have arrived
    before that: with 2/s, k is 2 and the window 1 s.

    Args:
        rate: requests per second, above 0; below 1 it is one request in 1 / rate seconds.
        now: monotonic seconds.
    Raises:
        ValueError: the rate would never allow a request.
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
        """Return the time until `begin` may be called, seconds; 0.0: now.

        Args:
            rate: the current rate; it may change between calls.
            now: monotonic seconds.
        """
        if rate != self._rate:
            self._set(rate, now + 1.0 / rate)  # as if a request had just been sent: a change of the rate never allows two at once
        while len(self._ends) > self._count:
            self._ends.popleft()
        full_s = self._ends[0] + self._window_s - now if len(self._ends) == self._count else 0.0
        return max(self._bucket.wait_s(now), full_s)

    def begin(self, now: float) -> None:
        """Record that a request is sent now; only after `wait_s` returned 0.0."""
        self._bucket.take(now)

    def ended(self, now: float) -> None:
        """Record that a response was received, or that the request failed."""
        self._ends.append(now)

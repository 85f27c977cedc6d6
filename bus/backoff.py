"""Delays between attempts: exponential with full jitter.

The rule is "full jitter" of the AWS architecture blog, "Exponential Backoff And Jitter": a delay drawn uniformly from zero
up to a ceiling that doubles, so that clients that failed together do not retry together. Feeds reconnect with base
0.5 s and cap 15 s, without limit; tasks are retried with base 0.5 s and cap 60 s.
"""

import math
from collections.abc import Callable

from msgspec import Struct

from hulak.bus.errors import ConfigError

_MOST_DOUBLINGS = 1023  # 2.0 ** 1024 does not fit a float; a base times 2 ** 1023 is a float or infinity, never an error


class Backoff(Struct, frozen=True):
    """A backoff rule.

    Args:
        base_s: ceiling of the first delay, seconds, above 0.
        cap_s: highest ceiling, seconds, not below `base_s`.
        random: returns a float in [0, 1) on each call, e.g. `random.random`.
    Raises:
        ConfigError: a bound is not finite, not above 0, or the cap lies below the base.
    """

    base_s: float
    cap_s: float
    random: Callable[[], float]

    def __post_init__(self) -> None:
        if not 0 < self.base_s < math.inf:
            raise ConfigError(f"base_s is {self.base_s}, must be above 0 and finite")
        if not self.base_s <= self.cap_s < math.inf:
            raise ConfigError(f"cap_s is {self.cap_s}, must be finite and not below base_s, which is {self.base_s}")

    def ceiling_s(self, attempt: int) -> float:
        """Return the longest possible delay before an attempt, in seconds.

        Args:
            attempt: from 1, how many attempts have failed so far.
        Raises:
            ValueError: the attempt is below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempt is {attempt}, must be at least 1")
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))

    def delay_s(self, attempt: int) -> float:
        """Draw the delay before the next attempt, in seconds, from [0, `ceiling_s(attempt)`).

        Args:
            attempt: from 1, how many attempts have failed so far.
        Raises:
            ValueError: the attempt is below 1.
        """
        return self.ceiling_s(attempt) * self.random()

"""Silence of other processes, measured fairly: while this process did not run itself, no other one counts as silent. Pure.

watch = Watch(now)
while serving:
    watch.check(now)  # in each iteration, before silence is judged
    silent_s = watch.silence_s(received_at, now)
"""

import math

GAP_S = 0.75  # between two checks, after which this process was stopped or starved: it checks at least four times a second


class Watch:
    """Knows since when this process has been able to receive messages.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.checked = now
        self.since = -math.inf  # the end of the last gap

    def check(self, now: float) -> None:
        """Record that this process runs; after a gap, the silence of all others begins again."""
        if now - self.checked > GAP_S:
            self.since = now
        self.checked = now

    def silence_s(self, received: float, now: float) -> float:
        """Return for how many seconds a message could have been received and was not.

        Args:
            received: when the last one was, monotonic seconds.
            now: the same clock.
        """
        return max(0.0, now - max(received, self.since))

"""Whether a wait is worth staying awake for. Pure.

To fall asleep and be woken costs more than a short wait lasts, above all where the processor falls asleep too. So a client whose
answers come within a fraction of a millisecond waits for them awake, giving way to whoever else wants the processor. One whose
answers take longer sleeps at once.
"""

from dataclasses import dataclass

AWAKE_S = 0.00025  # awake for so long at most, then asleep
SOON_S = 0.0004  # the mean of waits, waking included, below which that is worth it
WEIGHT = 0.1  # of the newest wait in the mean
LONG_S = 0.004  # longer waits count as this: a single one ends the staying awake, a few short ones do not begin it again


@dataclass(slots=True)
class AdaptiveWait:
    """What one client's waits have been like."""

    mean_s: float = LONG_S

    def awake_s(self) -> float:
        """How long to wait awake before falling asleep, in seconds."""
        return AWAKE_S if self.mean_s < SOON_S else 0.0

    def waited(self, lasted_s: float) -> None:
        """Take note of a wait, however it was spent."""
        self.mean_s += WEIGHT * (min(lasted_s, LONG_S) - self.mean_s)

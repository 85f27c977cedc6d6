"""How long to busy-poll before blocking. Pure.

To block and be scheduled again costs more time than a short wait, most of all if the processor enters an idle state. So a client
whose replies arrive within a fraction of a millisecond polls for them, yielding the processor to other threads between polls. A
client with slower replies blocks at once.
"""

from dataclasses import dataclass

SPIN_S = 0.00025  # maximum time of polling before blocking
SOON_S = 0.0004  # mean wait, scheduling included, below which polling pays
WEIGHT = 0.1  # of the newest wait in the mean
LONG_S = 0.004  # longer waits count as this: a single one ends the polling, a few short ones do not start it again


@dataclass(slots=True)
class AdaptiveWait:
    """The mean wait of one client."""

    mean_s: float = LONG_S

    def spin_s(self) -> float:
        """Return how long to poll before blocking, in seconds."""
        return SPIN_S if self.mean_s < SOON_S else 0.0

    def waited(self, lasted_s: float) -> None:
        """Record the duration of a wait."""
        self.mean_s += WEIGHT * (min(lasted_s, LONG_S) - self.mean_s)

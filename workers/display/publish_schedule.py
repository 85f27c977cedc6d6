"""Which states are published, and when: conflated to a rate, the first one at once, and only after a change. Pure."""

import math
from collections import Counter
from typing import Any

from hulak.bus.histogram import Histogram
from hulak.workers.display.managed_display import ManagedDisplay, Phase

CATCHING_UP_S = 0.5  # between two states of a display in a backfill, and before the first one
LATENCY_WINDOW_S = 5.0


class PublishSchedule:
    """The displays whose state has changed since it was published, and when each is due.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.changed: dict[str, ManagedDisplay] = {}
        self.counters: Counter[str] = Counter()  # states; dropped: states that could not be sent; newer ones were sent later
        self.age_sum_us = 0.0  # sum over `latencies` states
        self.latencies = 0
        self.latency_us = Histogram(LATENCY_WINDOW_S, now)  # from the feed's receipt to the publication

    def touch(self, held: ManagedDisplay, now: float) -> None:
        """Schedule a state for publication soon, even if its display has just published."""
        held.due = min(held.due, now + CATCHING_UP_S)
        self.changed[held.id] = held

    def forget(self, held: ManagedDisplay) -> None:
        """Remove a display that has no state any more."""
        self.changed.pop(held.id, None)

    def due(self, now: float) -> list[ManagedDisplay]:
        """List the displays whose state is due."""
        return [held for held in self.changed.values() if held.due <= now]

    def sent(self, held: ManagedDisplay, now: float, now_ns: int) -> None:
        """Record that a state was sent at `now_ns` (ns since 1970 UTC), and the age of its newest tick."""
        held.running += 1
        self.changed.pop(held.id, None)
        self.counters["states"] += 1
        pause_s = 1 / held.config.states_per_s
        held.due = now + (pause_s if held.phase is Phase.LIVE else max(pause_s, CATCHING_UP_S))
        if held.phase is Phase.LIVE and held.received_ns:
            age_us = max(0, now_ns - held.received_ns) / 1000
            self.latency_us.add(age_us, now)
            self.age_sum_us += age_us
            self.latencies += 1

    def unsent(self, held: ManagedDisplay, now: float) -> None:
        """Record that a state could not be sent: its display stays due, and sends its newest state later."""
        self.counters["dropped"] += 1
        self.changed[held.id] = held
        held.due = now + 1 / held.config.states_per_s

    def next_due(self) -> float:
        """Return when a state is due, in monotonic seconds; infinity if none is."""
        return min((held.due for held in self.changed.values()), default=math.inf)

    def report(self, now: float) -> dict[str, Any]:
        """Return the counts of sent and dropped states, and the latencies: `latency_us` of the last seconds, `latency` of all."""
        mean_us = round(self.age_sum_us / self.latencies, 1) if self.latencies else None
        return {
            "states": self.counters["states"],
            "dropped": self.counters["dropped"],
            "latency_us": self.latency_us.quantiles(now),
            "latency_totals": self.latency_us.totals(),
            "latency": {"mean_us": mean_us, "count": self.latencies} if self.latencies else None,
        }

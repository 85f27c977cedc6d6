"""Which states go out, and when: conflated to so many a second, the first one at once, only what changed. Pure."""

import math
from collections import Counter
from typing import Any

from hulak.bus.histogram import Histogram
from hulak.workers.display.managed_display import ManagedDisplay, Phase

CATCHING_UP_S = 0.5  # between two states of a display that is being built up, and before the first one
LATENCY_WINDOW_S = 5.0


class PublishSchedule:
    """The displays whose state was not published since it changed; says which are due, and is told what became of them.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.changed: dict[str, ManagedDisplay] = {}
        self.counters: Counter[str] = Counter()  # states; dropped: those that could not be sent, and came later as newer ones
        self.age_sum_us = 0.0  # of `latencies` states
        self.latencies = 0
        self.latency_us = Histogram(LATENCY_WINDOW_S, now)  # from the feed's receipt to the publication

    def touch(self, held: ManagedDisplay, now: float) -> None:
        """Note that a state is to go out soon, whether or not its display has just published."""
        held.due = min(held.due, now + CATCHING_UP_S)
        self.changed[held.id] = held

    def forget(self, held: ManagedDisplay) -> None:
        """Publish nothing of a display that has no state any more."""
        self.changed.pop(held.id, None)

    def due(self, now: float) -> list[ManagedDisplay]:
        """List the displays whose state is due."""
        return [one for one in self.changed.values() if one.due <= now]

    def sent(self, held: ManagedDisplay, now: float, now_ns: int) -> None:
        """Note that a state went out, at that time (ns since 1970 UTC), and how old its newest tick was."""
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
        """Note that a state could not be sent: it stays due, and goes out as what it has become by then."""
        self.counters["dropped"] += 1
        self.changed[held.id] = held
        held.due = now + 1 / held.config.states_per_s

    def next_due(self) -> float:
        """When a state is due, in monotonic seconds; infinity if none is."""
        return min((one.due for one in self.changed.values()), default=math.inf)

    def report(self, now: float) -> dict[str, Any]:
        """Tell how many went out and how old they were: `latency_us` of the last seconds, `latency` since the start."""
        mean_us = round(self.age_sum_us / self.latencies, 1) if self.latencies else None
        return {
            "states": self.counters["states"],
            "dropped": self.counters["dropped"],
            "latency_us": self.latency_us.quantiles(now),
            "latency_totals": self.latency_us.totals(),
            "latency": {"mean_us": mean_us, "count": self.latencies} if self.latencies else None,
        }

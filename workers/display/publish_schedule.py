"""Which states go out, and when: conflated to so many a second, the first one at once, only what changed. Pure."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from bus.histogram import Histogram
from workers.display.managed_display import ManagedDisplay, Phase

CATCHING_UP_S = 0.5  # between two states of a display that is being built up, and before the first one
LATENCY_WINDOW_S = 5.0


class PublishSchedule:
    """The displays whose state was not published since it changed.

    Args:
        emit: publishes a display's state; false if it could not be sent now.
        broken: told of a display whose state could not be made.
        now: monotonic seconds.
    """

    def __init__(
        self, emit: Callable[[ManagedDisplay], bool], broken: Callable[[ManagedDisplay, Exception, float], None], now: float
    ) -> None:
        self.emit = emit
        self.broken = broken
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

    def publish(self, now: float) -> None:
        """Publish every state that is due."""
        for held in [one for one in self.changed.values() if one.due <= now]:
            self.publish_one(held, now)

    def publish_one(self, held: ManagedDisplay, now: float) -> None:
        """Publish a state now; one that cannot be sent stays due, and goes out as what it has become by then."""
        held.running += 1
        pause_s = 1 / held.config.states_per_s
        try:
            sent = self.emit(held)
        except Exception as error:  # noqa: BLE001 - whatever a state raises costs this display only
            self.broken(held, error, now)
            return
        if not sent:
            held.running -= 1
            self.counters["dropped"] += 1
            self.changed[held.id] = held
            held.due = now + pause_s
            return
        self.changed.pop(held.id, None)
        self.counters["states"] += 1
        held.due = now + (pause_s if held.phase is Phase.LIVE else max(pause_s, CATCHING_UP_S))

    def sent(self, held: ManagedDisplay, now: float, now_ns: int) -> None:
        """Note how old the newest tick was of a state that went out."""
        if held.phase is Phase.LIVE and held.received_ns:
            age_us = max(0, now_ns - held.received_ns) / 1000
            self.latency_us.add(age_us, now)
            self.age_sum_us += age_us
            self.latencies += 1

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

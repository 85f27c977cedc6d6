"""Topics that several feeds post to at the same time: their subscribers receive a mixture of two markets. Pure.

A restarted feed has a new instance, and the old one does not post again. So a topic is shared when an instance posts to it, then
another one, then the first one again.
"""

from collections.abc import Iterator

from hulak.bus.core.ticks.topic_logs import TopicLog

REMEMBERED_S = 3600.0  # the longest pause of an instance that counts as posting again
REPORTED_S = 60.0  # how long after that a topic is reported as shared
MOST_INSTANCES = 8  # remembered per topic
MOST_TOPICS = 10_000


class SharedTopics:
    """The instances that post alternately to topics."""

    def __init__(self) -> None:
        self._seen: dict[bytes, dict[int, float]] = {}  # topic and NUL -> instance -> when it last began or stopped posting
        self._shared: dict[bytes, float] = {}  # topic and NUL -> when an instance last posted again, monotonic seconds

    def turn(self, log: TopicLog, instance: int, now: float) -> None:
        """Record that another instance than before posts to a topic.

        Args:
            log: of the topic; its `instance` is the previous one, and is updated.
            instance: 0 for all unnumbered feeds together.
            now: monotonic seconds.
        """
        before, log.instance = log.instance, instance
        if before is None:
            return
        seen = self._seen.get(log.key)
        if seen is None:
            seen = self._begin(log.key)
        if now - seen.pop(instance, -REMEMBERED_S - 1) <= REMEMBERED_S:
            self._shared[log.key] = now
        seen.pop(before, None)
        seen[before] = seen[instance] = now
        if len(seen) > MOST_INSTANCES:
            del seen[next(iter(seen))]

    def _begin(self, key: bytes) -> dict[int, float]:
        if len(self._seen) >= MOST_TOPICS:
            oldest = next(iter(self._seen))
            del self._seen[oldest]
            self._shared.pop(oldest, None)
        seen = self._seen[key] = {}
        return seen

    def topics(self, now: float) -> Iterator[tuple[str, list[int]]]:
        """Yield each topic that is shared now, and the instances that posted alternately within `REPORTED_S`."""
        for key in [key for key, at in self._shared.items() if now - at > REPORTED_S]:
            del self._shared[key]
        for key in self._shared:
            yield key[:-1].decode(), [instance for instance, at in self._seen[key].items() if now - at <= REPORTED_S]

"""Who wants which topics: all subscriptions of all subscribers, as a multiset of prefixes. PROTOCOL.md section 3.6. Pure.

However many there are, a topic is looked up once for each length that a prefix has, which are few: nearly all subscriptions name
a whole topic and its NUL, and those need one look.
"""

from collections import Counter

from hulak.bus.wire.codec import MAX_TOPIC, NUL


class Subscriptions:
    """The prefixes, each with how often it is subscribed to."""

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[bytes, int] = {}
        self._lengths: Counter[int] = Counter()  # of the prefixes that can cover more than one topic

    def covers(self, key: bytes) -> bool:
        """Tell whether any of them covers this topic; `key` ends with NUL."""
        counts = self._counts
        return key in counts or any(key[:length] in counts for length in self._lengths)

    def add(self, prefix: bytes) -> bool:
        """Count one more; true if it is the first of this prefix."""
        self.count += 1
        before = self._counts.get(prefix, 0)
        self._counts[prefix] = before + 1
        if not before and not is_exact(prefix):
            self._lengths[len(prefix)] += 1
        return not before

    def remove(self, prefix: bytes) -> bool:
        """Count one less; true if it was the last of this prefix. One that was never counted is ignored."""
        left = self._counts.get(prefix, 0) - 1
        if left < 0:
            return False
        self.count -= 1
        if left:
            self._counts[prefix] = left
            return False
        del self._counts[prefix]
        if not is_exact(prefix):
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]
        return True

    def clear(self) -> None:
        """Forget all."""
        self.count = 0
        self._counts.clear()
        self._lengths.clear()


def is_exact(prefix: bytes) -> bool:
    """Tell whether it can cover one topic at most: it has the NUL that ends a topic, or is longer than a topic may be."""
    return prefix.endswith(NUL) or len(prefix) > MAX_TOPIC

"""The subscriptions of all subscribers, as a multiset of prefixes. PROTOCOL.md section 3.6. Pure.

For any number of subscriptions, a topic needs one lookup per length of a prefix, and there are few lengths: nearly all
subscriptions name a whole topic and its NUL, which needs one lookup.
"""

from collections import Counter

from hulak.bus.wire.codec import MAX_TOPIC, NUL


class Subscriptions:
    """The prefixes, each with its number of subscriptions."""

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[bytes, int] = {}
        self._lengths: Counter[int] = Counter()  # of the prefixes that can cover more than one topic

    def covers(self, key: bytes) -> bool:
        """Return whether a subscription covers this topic; `key` ends with NUL."""
        counts = self._counts
        return key in counts or any(key[:length] in counts for length in self._lengths)

    def add(self, prefix: bytes) -> bool:
        """Add a subscription; return whether it is the first of this prefix."""
        self.count += 1
        before = self._counts.get(prefix, 0)
        self._counts[prefix] = before + 1
        if not before and not is_exact(prefix):
            self._lengths[len(prefix)] += 1
        return not before

    def remove(self, prefix: bytes) -> bool:
        """Remove a subscription; return whether it was the last of this prefix. An unknown one is ignored."""
        remaining = self._counts.get(prefix, 0) - 1
        if remaining < 0:
            return False
        self.count -= 1
        if remaining:
            self._counts[prefix] = remaining
            return False
        del self._counts[prefix]
        if not is_exact(prefix):
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]
        return True

    def clear(self) -> None:
        """Remove all subscriptions."""
        self.count = 0
        self._counts.clear()
        self._lengths.clear()


def is_exact(prefix: bytes) -> bool:
    """Return whether it can cover one topic at most: it ends with a topic's NUL, or is longer than a topic may be."""
    return prefix.endswith(NUL) or len(prefix) > MAX_TOPIC

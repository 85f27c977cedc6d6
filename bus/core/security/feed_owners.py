"""Which key opened which instance of a feed: no other key may post under it, or move its numbers. Pure."""

from collections.abc import Container

MOST = 4096  # beyond it, instances that the intake has forgotten are forgotten here too


class FeedOwners:
    """The keys that opened instances.

    Args:
        known: the instances that the intake knows.
    """

    def __init__(self, known: Container[int]) -> None:
        self._known = known
        self._names: dict[int, str] = {}  # the name of the key; empty: the owner of the broker

    def has(self, instance: int, name: str) -> bool:
        """Return whether a key opened this instance, or no key did since the broker was started."""
        return self._names.get(instance, name) == name

    def open(self, instance: int, name: str) -> None:
        """Record the key that opened an instance; the first one stays."""
        if len(self._names) >= MOST:
            self._names = {known: owner for known, owner in self._names.items() if known in self._known}
        self._names.setdefault(instance, name)

"""Which key opened which instance of a feed: no other key may post under it, or move its numbers. Pure.

The intake remembers a bounded number of instances, so that each key has a share of them.
"""

from collections import Counter
from collections.abc import Iterable

from hulak.bus.core.ticks.intake import Intake
from hulak.bus.errors import ProtocolError

MOST = 4096  # beyond it, instances that the intake has forgotten are forgotten here too
SHARE = 8  # a key may have one in eight of the instances that the intake remembers
IDLE_S = 60.0  # an instance that sent nothing within this time gives way to another one of its key


class FeedOwners:
    """The keys that opened instances. Those of the owner of the broker, which has no key, are not bounded here.

    After a restart of the broker the instances that the journal names belong to no key until they are opened again.

    Args:
        intake: remembers the instances.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._names: dict[int, str] = {}  # the name of the key; empty: the owner of the broker

    def has(self, instance: int, name: str) -> bool:
        """Return whether a key opened this instance, or no key did since the broker was started."""
        return self._names.get(instance, name) == name

    def open(self, instance: int, name: str, now: float) -> None:
        """Record the key that opens an instance; the first one stays.

        Args:
            instance: from 1.
            name: of the key; empty: the owner of the broker.
            now: monotonic seconds.
        Raises:
            ProtocolError: `BUSY`, its share is used up by instances that are not idle.
        """
        if instance not in self._names:
            self._make_room(instance, name, now)
            self._names[instance] = name
            if len(self._names) > MOST:
                self._names = {known: owner for known, owner in self._names.items() if self._is_known(known) or known == instance}

    def _is_known(self, instance: int) -> bool:
        return instance in self._intake.sources

    def _make_room(self, instance: int, name: str, now: float) -> None:
        """Forget an idle instance of this key, if its share is used up; of the key with most, if the intake remembers no more."""
        intake = self._intake
        share = max(1, intake.max_sources // SHARE)
        owners = {known: self._names[known] for known in intake.sources if self._names.get(known)}
        if name and not self._is_known(instance):
            own = [known for known, owner in owners.items() if owner == name]
            if len(own) >= share and not self._forget_idle(own, now):
                seen = f"key {name!r} has {len(own)} instances of feeds that sent something within {IDLE_S:.0f} s"
                raise ProtocolError("BUSY", f"{seen}, at most {share} of one key are remembered; wait until one is idle")
        if len(intake.sources) >= intake.max_sources and not self._is_known(instance):
            for most, _ in Counter(owners.values()).most_common():
                if self._forget_idle((known for known, owner in owners.items() if owner == most), now):
                    return

    def _forget_idle(self, instances: Iterable[int], now: float) -> bool:
        """Forget the one of these instances that is idle for longest, if it is idle."""
        sources = self._intake.sources
        longest = min(instances, key=lambda known: sources[known].sent, default=None)
        if longest is None or now - sources[longest].sent < IDLE_S:
            return False
        del sources[longest], self._names[longest]
        return True

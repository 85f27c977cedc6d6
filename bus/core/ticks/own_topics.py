"""Which instance owns which name of own topics, `app.<name>`, and whether they are journalled. PROTOCOL.md section 3.11. Pure.

A name belongs to the instance that claims it first, as long as that one repeats its claim. The topics of a name are journalled
all, or none is: that is a property of the topics, and outlives their owners.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.own_names import owned_name, topic_of

SILENT_S = 5.0  # without a request of its owner a name is free
MOST_NAMES = 1024  # owned at the same time, as many as instances of feeds


@dataclass(slots=True)
class Claim:
    """A name, and its owner."""

    instance: int
    journalled: bool
    asked: float  # when its owner last claimed it, monotonic seconds


class OwnTopics:
    """The names that programs own.

    Args:
        topics: of the broker.
        called: returns what to call an instance in a sentence.
    """

    def __init__(self, topics: TopicLogs, called: Callable[[int], str] = "instance {:x}".format) -> None:
        self.topics = topics
        self.called = called
        self.claims: dict[str, Claim] = {}  # name -> its owner, the one that claimed first in front
        self._names: dict[int, str] = {}  # instance -> the name that it owns
        self.taken = 0  # messages accepted, since the start
        self.refused = 0  # claims, since the start

    def claim(self, name: str, instance: int, journalled: bool | None, now: float) -> bool:
        """Claim a name for an instance, or repeat the claim; return whether its topics are journalled.

        Args:
            name: as in `app.<name>`.
            instance: from 1.
            journalled: as wanted; None: as they are, and not if there are none yet.
            now: monotonic seconds.
        Raises:
            ProtocolError: `NOT_YOURS`, another instance owns it; `BAD_ARGUMENT`, its topics are of the other kind, or the
                instance owns another name; `BUSY`, too many names are owned.
        """
        known = self.claims.get(name)
        try:
            self._check(name, instance, known, now)
            are = self.topics.are_journalled(topic_of(name).encode())
            if are is not None and journalled not in (None, are):
                seen = "are journalled" if are else "are not journalled"
                raise ProtocolError("BAD_ARGUMENT", f"topics of {topic_of(name)!r} {seen}; to change that, remove them first")
        except ProtocolError:
            self.refused += 1
            raise
        if are is None:
            are = bool(journalled if journalled is not None or known is None else known.journalled)
        if known is not None and known.instance != instance:
            self.release(known.instance)
        self.claims[name], self._names[instance] = Claim(instance, are, now), name
        return are

    def _check(self, name: str, instance: int, known: Claim | None, now: float) -> None:
        other = self._names.get(instance, name)
        if other != name:
            raise ProtocolError("BAD_ARGUMENT", f"instance {instance:x} owns {topic_of(other)!r}, must be one name for each")
        if known is None:
            self._make_room(now)
        elif known.instance != instance and now - known.asked < SILENT_S:
            silent_s = max(0.0, now - known.asked)
            seen = f"{topic_of(name)!r} is owned by {self.called(known.instance)}, which claimed it {silent_s:.1f} s ago"
            error = ProtocolError(
                "NOT_YOURS", f"{seen}; it is free when that program ends, or {SILENT_S:.0f} s after its last claim"
            )
            error.details["silent_ms"] = round(silent_s * 1000)
            raise error

    def _make_room(self, now: float) -> None:
        if len(self.claims) >= MOST_NAMES:
            for claim in [claim for claim in self.claims.values() if now - claim.asked >= SILENT_S]:
                self.release(claim.instance)
        if len(self.claims) >= MOST_NAMES:
            raise ProtocolError("BUSY", f"{MOST_NAMES} names of own topics are owned, no more are; try again later")

    def release(self, instance: int) -> None:
        """End the claim of an instance, if it has one."""
        name = self._names.pop(instance, None)
        if name is not None:
            del self.claims[name]

    def owner(self, topic: bytes) -> tuple[str, Claim | None]:
        """Return the name that a topic belongs to, and its claim. Raises as `owned_name`."""
        name = owned_name(topic)
        return name, self.claims.get(name)

    def rows(self, now: float) -> list[dict[str, Any]]:
        """Return what is known of each name that is owned or has topics."""
        names = {log.own: not log.transient for log in self.topics.own.values()}
        names |= {name: claim.journalled for name, claim in self.claims.items()}
        counts: dict[str, list[int]] = {name: [0, 0] for name in names}
        for log in self.topics.own.values():
            counts[log.own][0] += 1
            counts[log.own][1] += len(log.frame)
        return [
            {
                "name": name,
                "journalled": journalled,
                "owner": self.called(claim.instance) if (claim := self.claims.get(name)) is not None else "",
                "silent_s": None if claim is None else round(now - claim.asked, 3),
                "topics": counts[name][0],
                "bytes": counts[name][1],
            }
            for name, journalled in sorted(names.items())
        ]

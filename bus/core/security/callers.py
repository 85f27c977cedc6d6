"""The peers that have spoken on a connection with a key, and what they were refused. PROTOCOL.md section 14. Pure."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from hulak.bus.core.security.key_table import FORBIDDEN
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.roles import Rights

LOG_AGAIN_S = 300.0  # between two log lines about the same key and reason
MOST_LOGGED = 1000  # pairs of key and reason whose log line was written; beyond it all are forgotten, and logged again
MOST_UNKNOWN = 20  # keys that are not authorised, logged within `LOG_AGAIN_S`; all are counted
MOST_EVENTS, EVENTS_PER_S = 200, 2.0  # notes and refused subscriptions of one connection: at once, and in the long run
MOST_NOTES = 8  # of one connection that it has not taken back
MOST_SUBSCRIBED = 100_000  # subscriptions of one connection
MOST_TOPICS = 10_000  # whose permission a caller remembers


class Refusals:
    """Refusals of each key: counted by reason, logged once, and then at a bounded rate.

    Args:
        log: called with the name of the key, the reason, a sentence, and the number of refusals since the last line.
        now: returns monotonic seconds.
    """

    def __init__(self, log: Callable[[str, str, str, int], object], now: Callable[[], float]) -> None:
        self.counts: dict[str, Counter[str]] = {}  # by name of the key; empty for keys that are not authorised
        self.total = 0
        self._log = log
        self._now = now
        self._logged: dict[tuple[str, str], list[float]] = {}  # key and reason -> when it was logged, refused since
        self._unknown: list[float] = []  # when keys that are not authorised were logged

    def count(self, name: str, reason: str, text: str, peer: str = "") -> None:
        """Count a refusal.

        Args:
            name: of the key; empty if it is not authorised.
            reason: one word.
            text: a sentence, for the log.
            peer: its public key, where that is not authorised: each is logged.
        """
        self.total += 1
        self.counts.setdefault(name, Counter())[reason] += 1
        now, at = self._now(), (name or peer, reason)
        logged = self._logged.get(at)
        if logged is None and not name and not self._has_room(now):
            return
        if logged is None:
            if len(self._logged) >= MOST_LOGGED:
                self._logged.clear()
            self._logged[at] = [now, 0]
            self._log(name, reason, text, 1)
            return
        logged[1] += 1
        if now - logged[0] >= LOG_AGAIN_S:
            self._log(name, reason, text, int(logged[1]))
            logged[:] = now, 0

    def _has_room(self, now: float) -> bool:
        """Return whether one more unknown key may be logged: a peer can make as many keys as it wants."""
        self._unknown = [at for at in self._unknown if now - at < LOG_AGAIN_S]
        if len(self._unknown) >= MOST_UNKNOWN:
            return False
        self._unknown.append(now)
        return True

    def forget(self, names: set[str]) -> None:
        """Forget the counts of keys that no longer exist; `names` are those that do."""
        for name in [name for name in self.counts if name and name not in names]:
            del self.counts[name]


class Caller:
    """The peer at the other end of one connection with a key.

    Args:
        user_id: of the connection.
        name: of its key.
        rights: of its key.
        refusals: counts what it is refused.
        socket: the name of the broker's socket.
        connection: as the shell knows it.
        address: of the peer at a ROUTER, as the broker names its connection; else empty.
    """

    __slots__ = (
        "_charged_at",
        "_room",
        "_topics",
        "address",
        "connection",
        "name",
        "notes",
        "refusals",
        "refused",
        "rights",
        "socket",
        "subscribed",
        "user_id",
    )

    def __init__(
        self, user_id: str, name: str, rights: Rights, refusals: Refusals, socket: str, connection: Any, address: bytes = b""
    ) -> None:
        self.user_id = user_id
        self.name = name
        self.rights = rights
        self.refusals = refusals
        self.socket = socket
        self.connection = connection
        self.address = address
        self.refused: dict[bytes, bytes] = {}  # subscriptions that it has and that were not set -> what was set instead
        self.notes: set[bytes] = set()  # that it has not taken back
        self.subscribed: set[bytes] = set()  # subscriptions that it has
        self._room, self._charged_at = float(MOST_EVENTS), 0.0
        self._topics: dict[bytes, bool] = {}

    def may_post(self, topic: bytes) -> bool:
        """Return whether it may post to a topic; remembered, since nearly all ticks are of few topics."""
        known = self._topics.get(topic)
        if known is None:
            if len(self._topics) >= MOST_TOPICS:
                self._topics.clear()
            known = self._topics[topic] = self.rights.may_feed(topic)
        return known

    def charge(self, now: float) -> bool:
        """Count a note or a refused subscription; return whether there were too many: each costs the broker memory.

        Args:
            now: monotonic seconds.
        """
        self._room = min(float(MOST_EVENTS), self._room + EVENTS_PER_S * (now - self._charged_at))
        self._charged_at = now
        self._room -= 1.0
        return self._room < 0 or len(self.notes) > MOST_NOTES

    def widen(self, rights: Rights) -> None:
        """Put further rights in force."""
        self.rights = rights
        self._topics.clear()

    def forbid(self, what: str, role: str) -> ProtocolError:
        """Count a refusal, and return its error.

        Args:
            what: it tried to do, for the sentence.
            role: that it lacks.
        """
        text = f"key {self.name!r} may not {what}: it lacks the role {role}"
        self.refusals.count(self.name, role.partition(":")[0], text)
        return ProtocolError(FORBIDDEN, text)

    def refuse(self, reason: str, text: str) -> ProtocolError:
        """Count a refusal for another reason than a role, and return its error."""
        self.refusals.count(self.name, reason, text)
        return ProtocolError(FORBIDDEN, text)


class RefusedSubscriptions:
    """The subscriptions that were not set, of all connections: libzmq reports them as gone when their connections end.

    That event does not say whose subscription it was. It is taken for a refused one as long as there is one of that prefix: so a
    topic never counts as unwanted while a subscriber may have it, and counts as wanted for too long at most.
    """

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._counts)

    def add(self, prefix: bytes) -> None:
        """Add one."""
        self._counts[prefix] += 1

    def take(self, prefix: bytes) -> bool:
        """Remove one; return whether there was one."""
        if self._counts[prefix] <= 0:
            del self._counts[prefix]
            return False
        self._counts[prefix] -= 1
        if not self._counts[prefix]:
            del self._counts[prefix]
        return True

    def clear(self) -> None:
        """Remove all."""
        self._counts.clear()

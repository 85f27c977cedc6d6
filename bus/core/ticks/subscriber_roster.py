"""Subscribers by name, and which of them are slow: blocked now, cut off, or with gaps lately. Pure, and of a bounded size.

A subscriber may have sent a note with its name (PROTOCOL.md section 3.10). libzmq repeats the note when it connects again: so the
first note of a connection only shows from where its figures count.
"""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hulak.bus.wire.subscriber_names import MOST_COUNT, UNNAMED, SubscriberNote

Peer = TypeVar("Peer", bound=Hashable)  # its connection
BLOCKED_S = 1.0  # a subscriber may be busy for a moment, and a burst larger than its buffer
KEPT_S = 600.0  # since the last loss of a subscriber
MOST_SLOW = 100  # subscribers remembered; the one whose last loss is the longest ago is forgotten
MOST_ROWS = 20  # of the statistics
MOST_PROGRAMS = 50  # names with separate counters, since they come from subscribers; the others share `OTHER`
OTHER = "other"


@dataclass(slots=True)
class _Losses:
    gaps: int = 0
    missed: int = 0
    lost: int = 0
    cut_off: int = 0

    def add(self, gaps: int, missed: int, lost: int, cut_off: int) -> None:
        self.gaps = min(MOST_COUNT, self.gaps + gaps)
        self.missed = min(MOST_COUNT, self.missed + missed)
        self.lost = min(MOST_COUNT, self.lost + lost)
        self.cut_off = min(MOST_COUNT, self.cut_off + cut_off)

    def as_dict(self) -> dict[str, int]:
        return {"gaps": self.gaps, "missed": self.missed, "lost": self.lost, "cut_off": self.cut_off}


@dataclass(slots=True)
class _Slow:
    note: SubscriberNote
    address: str  # empty if unknown
    at: float  # its last loss, monotonic seconds
    losses: _Losses = field(default_factory=_Losses)


@dataclass(slots=True)
class _Blocked:
    note: SubscriberNote
    address: str
    since: float  # monotonic seconds
    published: int  # bytes published before


class SubscriberRoster(Generic[Peer]):
    """The subscribers of one publisher, by connection."""

    def __init__(self) -> None:
        self._notes: dict[Peer, SubscriberNote] = {}
        self._slow: dict[tuple[str, int, str], _Slow] = {}  # by name, pid and, of an unnamed one, address; last loss last
        self._blocked: dict[Peer, _Blocked] = {}
        self._programs: dict[str, _Losses] = {}

    def record(self, connection: Peer, note: SubscriberNote, now: float) -> None:
        """Record a subscriber's note."""
        before = self._notes.get(connection)
        self._notes[connection] = note
        if before is None or (before.name, before.pid) != (note.name, note.pid):
            return
        grown = [max(0, getattr(note, name) - getattr(before, name)) for name in ("gaps", "missed", "lost")]
        if any(grown):
            self._count(note, "", now, *grown)

    def gone(self, connection: Peer) -> None:
        """Forget a connection that has ended."""
        self._notes.pop(connection, None)
        self._blocked.pop(connection, None)

    def keep(self, connections: Collection[Peer]) -> None:
        """Forget the connections that are not among these: the end of a short one may have come before its note."""
        if len(self._notes) > len(connections):
            known = set(connections)
            self._notes = {connection: note for connection, note in self._notes.items() if connection in known}

    def clear(self) -> None:
        """Forget all connections: the socket was closed."""
        self._notes.clear()
        self._blocked.clear()

    def note(self, connection: Peer) -> SubscriberNote | None:
        """Return the note of a connection; None without one."""
        return self._notes.get(connection)

    def blocked_peer(self, connection: Peer) -> tuple[SubscriberNote, str] | None:
        """Return the note and the address of a connection that was blocked at the last check; None if it was not."""
        blocked = self._blocked.get(connection)
        return None if blocked is None else (blocked.note, blocked.address)

    def blocked(self, peers: Mapping[Peer, tuple[SubscriberNote, str]], published: int, now: float) -> None:
        """Record the connections that accept no byte now.

        Args:
            peers: all of them, each with its note and its peer's address.
            published: bytes, since the start.
            now: monotonic seconds.
        """
        before = self._blocked
        self._blocked = {
            connection: before.get(connection) or _Blocked(*peer, now, published) for connection, peer in peers.items()
        }

    def cut_off(self, connection: Peer, note: SubscriberNote, address: str, now: float) -> None:
        """Record that a connection was closed since it did not read."""
        self.gone(connection)
        self._count(note, address, now, cut_off=1)

    def _count(
        self, note: SubscriberNote, address: str, now: float, gaps: int = 0, missed: int = 0, lost: int = 0, cut_off: int = 0
    ) -> None:
        key = note.name, note.pid, address if note.name == UNNAMED else ""
        slow = self._slow.pop(key, None) or _Slow(note, address, now)
        slow.at, slow.address = now, address or slow.address
        slow.losses.add(gaps, missed, lost, cut_off)
        self._slow[key] = slow
        if len(self._slow) > MOST_SLOW:
            del self._slow[next(iter(self._slow))]
        self._program(note.name).add(gaps, missed, lost, cut_off)

    def _program(self, name: str) -> _Losses:
        name = name if name in self._programs or len(self._programs) < MOST_PROGRAMS else OTHER
        return self._programs.setdefault(name, _Losses())

    def stats(self, published: int, now: float) -> dict[str, Any]:
        """Return the figures of PROTOCOL.md section 7.2.

        Args:
            published: bytes, since the start.
            now: monotonic seconds.
        """
        for key in [key for key, slow in self._slow.items() if now - slow.at > KEPT_S]:
            del self._slow[key]
        rows: dict[tuple[str, int, str], dict[str, Any]] = {}
        stuck = sorted((row for row in self._blocked.values() if now - row.since >= BLOCKED_S), key=lambda row: row.since)
        for blocked in stuck:
            self._program(blocked.note.name)
            key = blocked.note.name, blocked.note.pid, blocked.address if blocked.note.name == UNNAMED else ""
            rows.setdefault(key, _row(blocked.note, blocked.address)).setdefault("blocked_s", round(now - blocked.since, 3))
            rows[key].setdefault("unread_bytes", published - blocked.published)
        for key, slow in reversed(self._slow.items()):
            row = rows.setdefault(key, _row(slow.note, slow.address))
            row.update({**slow.losses.as_dict(), "age_s": round(now - slow.at, 3)})
        return {
            "named": len(self._notes),
            "blocked": len(stuck),
            "slow": list(rows.values())[:MOST_ROWS],
            "programs": {name: losses.as_dict() for name, losses in self._programs.items()},
        }


def _row(note: SubscriberNote, address: str) -> dict[str, Any]:
    return {"name": note.name, "pid": note.pid, **({"address": address} if address else {})}

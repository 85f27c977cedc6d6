"""How many connections the broker takes, which it refuses, and when that is told. Pure.

Each connection is a descriptor, and without one left nothing works: journal, store, statistics. So some are kept back, also for
those connections that are accepted before the loop can end them. Who leaks connections to one socket must not lock out the others
either: the socket that has the most stops at the bound, each other one may have some more.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hulak.bus.core.recent_counts import RecentCounts

RESERVE, RESERVE_PART = 96, 8  # descriptors kept back: so many, or an eighth of all
SURE = 1024  # so many kept back are more than are accepted while the loop is held up
KEPT_PART = 16  # of the bound: places kept for a socket that has fewer connections than another
SOCKETS = 4
LEAST = 16  # connections, however few descriptors there are
NEAR = 0.8  # of the bound
TELL_AGAIN_S = 60.0
SETTING, DESCRIPTORS = "broker.max_connections", "descriptors"


@dataclass(frozen=True, slots=True)
class Bound:
    """How many connections there may be."""

    most: int  # on all sockets
    kept: int  # further ones for each socket that has fewer than another
    by: str = SETTING  # what it follows from
    local: bool = True  # the sockets may be bound to ipc too

    @classmethod
    def of(cls, wanted: int, limit: int, opened: int) -> Self:
        """Find the bound.

        Where too few descriptors are kept back to be sure that one is always left, nothing is bound to ipc: libzmq 4.3.5 aborts
        the process when it cannot accept there for want of a descriptor (libzmq #1306), while by TCP it tries again.

        Args:
            wanted: setting `broker.max_connections`.
            limit: of descriptors that this process may have open.
            opened: of these, those that are no connections.
        """
        reserve = max(RESERVE, limit // RESERVE_PART)
        room = max(LEAST, limit - reserve - opened)
        kept = min(wanted, room) // KEPT_PART
        shared = room - (SOCKETS - 1) * kept
        return cls(min(wanted, shared), kept, SETTING if wanted <= shared else DESCRIPTORS, reserve >= SURE)

    def takes(self, counts: Mapping[str, int], socket: str) -> bool:
        """Say whether there is room for one more connection to a socket, with so many to each now."""
        fuller = sum(count > counts[socket] for count in counts.values())
        return sum(counts.values()) < self.most + self.kept * fuller


class Admission:
    """Who is refused, and what is told of it.

    Args:
        bound: that holds.
        now: monotonic seconds.
    """

    def __init__(self, bound: Bound, now: float) -> None:
        self.bound = bound
        self.refused: Counter[str] = Counter()  # by socket, since the start
        self._untold: Counter[str] = Counter()
        self._told_at = float("-inf")
        self._recent = RecentCounts(now, {"refused": 0})

    def is_near(self, total: int) -> bool:
        """Say whether so many connections are near the bound, or beyond it."""
        return total >= NEAR * self.bound.most

    def excess(self, counts: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
        """Find how many of the connections that are new have no room; sockets that have few are served first.

        Args:
            counts: of all connections, by socket, the new ones included.
            new: of these.
        """
        there = {socket: count - new.get(socket, 0) for socket, count in counts.items()}
        found = {}
        for socket in sorted(counts, key=lambda one: counts[one]):
            left = new.get(socket, 0)
            while left and self.bound.takes(there, socket):
                there[socket] += 1
                left -= 1
            if left:
                found[socket] = left
        return found

    def count(self, socket: str, many: int) -> None:
        """Count connections to a socket that were refused."""
        self.refused[socket] += many
        self._untold[socket] += many

    def due(self, now: float) -> dict[str, int]:
        """Give what is to be told now: connections refused since it was last told, by socket; mostly nothing."""
        self._recent.look(now, {"refused": self.refused.total()})
        if not self._untold or now - self._told_at < TELL_AGAIN_S:
            return {}
        told, self._untold, self._told_at = dict(self._untold), Counter(), now
        return told

    def stats(self, counts: Mapping[str, int], now: float) -> dict[str, Any]:
        """What is told of connections (PROTOCOL.md section 7.2)."""
        refused = self.refused.total()
        return {
            "now": sum(counts.values()),
            "most": self.bound.most,
            "bound_by": self.bound.by,
            "refused": refused,
            "recent": self._recent.grown(now, {"refused": refused}),
            "sockets": dict(counts),
        }

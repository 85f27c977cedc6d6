"""The bound on the broker's connections: which ones it refuses, and when it logs refusals. Pure.

Each connection takes a descriptor, and without a free one journal, store and statistics fail. So some descriptors are reserved,
also for connections that are accepted before the loop can end them. A client that leaks connections to one socket must not lock
out the others: the socket with the most connections stops at the bound, each other one may have some more.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from hulak.bus.core.recent_counts import RecentCounts

RESERVE, RESERVE_PART = 96, 8  # reserved descriptors: at least 96, or an eighth of all
SURE = 1024  # a reserve of this size exceeds the connections accepted while the loop is busy
KEPT_PART = 16  # of the bound: places kept for a socket that has fewer connections than another
SOCKETS = 4
LEAST = 16  # connections, however few descriptors there are
NEAR = 0.8  # of the bound
LOG_AGAIN_S = 60.0  # between two log lines about refused connections
SETTING, DESCRIPTORS = "broker.max_connections", "descriptors"


class Bound(Struct, frozen=True):
    """The largest number of connections."""

    most: int  # on all sockets
    kept: int  # further ones for each socket that has fewer than another
    by: str = SETTING  # the setting or limit that sets it
    local: bool = True  # the sockets may be bound to ipc too

    @classmethod
    def of(cls, wanted: int, limit: int, opened: int) -> Self:
        """Compute the bound.

        If the reserve is too small to guarantee a free descriptor, no socket is bound to ipc: libzmq 4.3.5 aborts the process if
        it cannot accept there for lack of a descriptor (libzmq #1306), while on TCP it retries.

        Args:
            wanted: setting `broker.max_connections`.
            limit: descriptors that this process may have open.
            opened: open descriptors that are not connections.
        """
        reserve = max(RESERVE, limit // RESERVE_PART)
        room = max(LEAST, limit - reserve - opened)
        kept = min(wanted, room) // KEPT_PART
        shared = room - (SOCKETS - 1) * kept
        return cls(min(wanted, shared), kept, SETTING if wanted <= shared else DESCRIPTORS, reserve >= SURE)

    def takes(self, counts: Mapping[str, int], socket: str) -> bool:
        """Return whether there is room for one more connection to a socket, given the connections to each."""
        fuller = sum(count > counts[socket] for count in counts.values())
        return sum(counts.values()) < self.most + self.kept * fuller


class Admission:
    """Admission of connections, and counts of refused ones.

    Args:
        bound: in force.
        now: monotonic seconds.
    """

    def __init__(self, bound: Bound, now: float) -> None:
        self.bound = bound
        self.refused: Counter[str] = Counter()  # by socket, since the start
        self._unlogged: Counter[str] = Counter()
        self._logged_at = float("-inf")
        self._recent = RecentCounts(now, {"refused": 0})

    def is_near(self, total: int) -> bool:
        """Return whether this number of connections is near the bound, or beyond it."""
        return total >= NEAR * self.bound.most

    def excess(self, counts: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
        """Count the new connections that exceed the bound, by socket; sockets with few connections are served first.

        Args:
            counts: of all connections, by socket, the new ones included.
            new: the new ones of these, by socket.
        """
        there = {socket: count - new.get(socket, 0) for socket, count in counts.items()}
        refused = {}
        for socket in sorted(counts, key=lambda name: counts[name]):
            remaining = new.get(socket, 0)
            while remaining and self.bound.takes(there, socket):
                there[socket] += 1
                remaining -= 1
            if remaining:
                refused[socket] = remaining
        return refused

    def count(self, socket: str, many: int) -> None:
        """Count connections to a socket that were refused."""
        self.refused[socket] += many
        self._unlogged[socket] += many

    def due(self, now: float) -> dict[str, int]:
        """Return the connections refused since the last log line, by socket, if a line is due; mostly empty."""
        self._recent.update(now, {"refused": self.refused.total()})
        if not self._unlogged or now - self._logged_at < LOG_AGAIN_S:
            return {}
        refused, self._unlogged, self._logged_at = dict(self._unlogged), Counter(), now
        return refused

    def stats(self, counts: Mapping[str, int], now: float) -> dict[str, Any]:
        """Return the statistics of connections (PROTOCOL.md section 7.2)."""
        refused = self.refused.total()
        return {
            "now": sum(counts.values()),
            "most": self.bound.most,
            "bound_by": self.bound.by,
            "refused": refused,
            "recent": self._recent.grown(now, {"refused": refused}),
            "sockets": dict(counts),
        }

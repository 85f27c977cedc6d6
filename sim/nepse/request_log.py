"""Log of the requests to the simulated exchange, and its optional limit of requests per second and visitor.

A visitor is a session or a connection: requests with the same token, or over the same connection, are from one visitor. An
exchange has no other way to distinguish workers.
"""

import threading
from collections import deque
from dataclasses import dataclass

from hulak.sim.nepse.request_gate import Reply

WINDOW_S = 1.0
MOST = 100_000  # most visits in the log


@dataclass(frozen=True, slots=True)
class Visit:
    """One request."""

    at: float  # monotonic seconds of its arrival
    peer: tuple[str, int]  # the connection
    token: str  # after "Salter"; "" without one
    path: str  # without query


class Visits:
    """The log of all requests; thread-safe.

    Args:
        limit: most requests of a visitor in any second; 0: no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._log: deque[Visit] = deque(maxlen=MOST)
        self._newest: dict[object, deque[float]] = {}
        self._lock = threading.Lock()

    def enter(self, visit: Visit) -> Reply | None:
        """Add a request; return the refusal (429, `Retry-After: 1`) if it exceeds the limit."""
        with self._lock:
            self._log.append(visit)
            if not self._limit:
                return None
            if len(self._newest) > MOST:
                self._newest.clear()
            recent = [self._newest.setdefault(key, deque(maxlen=self._limit)) for key in (visit.peer, visit.token) if key]
            over = any(len(times) == self._limit and visit.at - times[0] < WINDOW_S for times in recent)
            for times in recent:
                times.append(visit.at)
            return Reply(429, b"", headers={"Retry-After": "1"}) if over else None

    @property
    def log(self) -> list[Visit]:
        """All requests, in the order of arrival; a copy."""
        with self._lock:
            return list(self._log)

    def by_visitor(self) -> list[list[float]]:
        """Return the times of the requests of each visitor: requests with a common token or connection are from one visitor."""
        return by_visitor(self.log)


def by_visitor(log: list[Visit]) -> list[list[float]]:
    """Group visits by visitor; the times of each are sorted."""
    visitor: dict[object, list[float]] = {}
    for visit in log:
        keys = [key for key in (visit.peer, visit.token) if key]
        known = [times for key in keys if (times := visitor.get(key)) is not None]
        merged = known[0] if known else []
        for other in known[1:]:
            if other is not merged:  # two visitors turn out to be one
                merged += other
                visitor.update({key: merged for key, times in visitor.items() if times is other})
        merged.append(visit.at)
        visitor.update(dict.fromkeys(keys, merged))
    return [sorted(times) for times in {id(times): times for times in visitor.values()}.values()]


def most_in_a_second(times: list[float]) -> int:
    """Return the largest number of these times within any one second."""
    most, first = 0, 0
    for place, at in enumerate(times):
        while at - times[first] >= WINDOW_S:
            first += 1
        most = max(most, place - first + 1)
    return most

"""Who asked the simulated exchange when; and its limit, if it has one: so many requests per second for each visitor.

A visitor is a session or a connection: requests with the same token come from one, and so do those over the same connection.
That is how an exchange can tell one worker from another, and all that it can tell.
"""

import threading
from collections import deque
from dataclasses import dataclass

from sim.nepse.request_gate import Reply

WINDOW_S = 1.0
MOST = 100_000  # visits that are remembered


@dataclass(frozen=True, slots=True)
class Visit:
    """One request."""

    at: float  # monotonic seconds of its arrival
    peer: tuple[str, int]  # the connection
    token: str  # behind "Salter", "" if there is none
    path: str  # without query


class Visits:
    """The log of all requests; thread-safe.

    Args:
        limit: requests that a visitor may make in any second; 0 for as many as it likes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._log: deque[Visit] = deque(maxlen=MOST)
        self._newest: dict[object, deque[float]] = {}
        self._lock = threading.Lock()

    def enter(self, visit: Visit) -> Reply | None:
        """Note a request; gives the refusal (429, `Retry-After: 1`) if it is one too many."""
        with self._lock:
            self._log.append(visit)
            if not self._limit:
                return None
            if len(self._newest) > MOST:
                self._newest.clear()
            seen = [self._newest.setdefault(key, deque(maxlen=self._limit)) for key in (visit.peer, visit.token) if key]
            over = any(len(times) == self._limit and visit.at - times[0] < WINDOW_S for times in seen)
            for times in seen:
                times.append(visit.at)
            return Reply(429, b"", headers={"Retry-After": "1"}) if over else None

    @property
    def log(self) -> list[Visit]:
        """The requests so far, in the order of their arrival; a copy."""
        with self._lock:
            return list(self._log)

    def by_visitor(self) -> list[list[float]]:
        """Give the times of each visitor's requests: those that share a token or a connection are one visitor's."""
        return by_visitor(self.log)


def by_visitor(log: list[Visit]) -> list[list[float]]:
    """Sort visits by who made them, each one's in the order of time."""
    visitor: dict[object, list[float]] = {}
    for visit in log:
        keys = [key for key in (visit.peer, visit.token) if key]
        known = [times for key in keys if (times := visitor.get(key)) is not None]
        mine = known[0] if known else []
        for other in known[1:]:
            if other is not mine:  # two that were thought to be two
                mine += other
                visitor.update({key: mine for key, times in visitor.items() if times is other})
        mine.append(visit.at)
        visitor.update(dict.fromkeys(keys, mine))
    return [sorted(times) for times in {id(times): times for times in visitor.values()}.values()]


def most_in_a_second(times: list[float]) -> int:
    """Count how many of these times lie in one second at most, wherever it begins."""
    most, first = 0, 0
    for place, at in enumerate(times):
        while at - times[first] >= WINDOW_S:
            first += 1
        most = max(most, place - first + 1)
    return most

"""Who is told what, and when: each client's place, and what becomes of one that does not read. Pure.

A client whose unsent bytes are above the mark is told nothing new until they have gone; it is then told the newest of
everything at once. One that stays above the mark, or has too many bytes waiting, is hopeless, and is disconnected.
"""

from dataclasses import dataclass
from enum import Enum

from clients.gateway.interest import NOTHING, Interest
from clients.gateway.state_cache import StateCache

MARK = 1 / 16  # of client_bytes: unsent bytes above which a client is behind, who wants the newest
BEHIND_S = 10.0  # seconds above the mark after which a client is hopeless
OVER_S = 1.0  # seconds above client_bytes likewise: one large first frame is not yet a fault


class ClientPace(Enum):
    """How a client keeps up."""

    READY = "ready"
    BEHIND = "behind"
    HOPELESS = "hopeless"


@dataclass(slots=True)
class Seat:
    """One client's place. The memory that it costs does not depend on how slowly the client reads."""

    mark: float = MARK
    interest: Interest = NOTHING
    before: Interest = NOTHING  # what it has been told of
    at: int = 0  # up to this revision
    conflated: int = 0  # frames that it was not given because it was behind
    _behind: float | None = None  # monotonic seconds since when
    _over: float | None = None

    def pace(self, unsent: int, client_bytes: int, now: float) -> ClientPace:
        """Judge by the bytes that wait for it, at `now` in monotonic seconds."""
        if unsent <= client_bytes * self.mark:
            self._behind = self._over = None
            return ClientPace.READY
        self._behind = now if self._behind is None else self._behind
        self._over = None if unsent <= client_bytes else now if self._over is None else self._over
        if now - self._behind > BEHIND_S or (self._over is not None and now - self._over > OVER_S):
            return ClientPace.HOPELESS
        return ClientPace.BEHIND


class Fanout:
    """Makes the frames of one turn, each once.

    Args:
        cache: what there is to tell.
    """

    def __init__(self, cache: StateCache) -> None:
        self.cache = cache
        self.made = 0  # frames encoded, since the start
        self._sent_ms = 0.0
        self._frames: dict[tuple[Interest, Interest, int], bytes | None] = {}

    def begin(self, sent_ms: float) -> None:
        """Begin a turn, at a time in ms since 1970 UTC."""
        self._sent_ms = sent_ms
        self._frames.clear()

    def serve(self, seat: Seat) -> bytes | None:
        """Return the frame for a client that keeps up, which is taken to have it from now on; None if it has all."""
        key = (seat.interest, seat.before, seat.at)
        if key in self._frames:
            frame = self._frames[key]
        else:
            frame = self._frames[key] = self.cache.frame(*key, self._sent_ms)
            self.made += frame is not None
        seat.before, seat.at = seat.interest, self.cache.revision
        return frame

    def withhold(self, seat: Seat) -> None:
        """Count a frame that a client behind is not given, if there would have been one."""
        seat.conflated += self.cache.revision > seat.at

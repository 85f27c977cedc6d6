"""Fan-out to the clients: the next messages of each, and the handling of clients that do not read. Pure.

A client whose unsent bytes are above its mark gets nothing new until they are sent; then it gets all newest values at once.
A client that stays above the mark for too long, or has too many unsent bytes, is stalled, and is disconnected.
"""

from dataclasses import dataclass
from enum import Enum

from hulak.clients.gateway.interest import NOTHING, Interest
from hulak.clients.gateway.state_cache import StateCache

MARK = 1 / 16  # of client_bytes: a client with more unsent bytes is behind, and gets the newest values later
BEHIND_S = 10.0  # seconds above the mark after which a client is stalled
OVER_S = 1.0  # seconds above client_bytes after which it is; a large first frame is not yet a fault


class ClientPace(Enum):
    """How a client keeps up."""

    READY = "ready"
    BEHIND = "behind"
    STALLED = "stalled"


@dataclass(slots=True)
class ClientState:
    """The state of one client. Its size does not depend on how slowly the client reads."""

    mark: float = MARK
    interest: Interest = NOTHING
    before: Interest = NOTHING  # the interest of its last frame
    at: int = 0  # the revision of its last frame
    quotes_at: int = 0  # the revision up to which it has all quotes: those come in parts
    conflated: int = 0  # frames that it did not get because it was behind
    _behind: float | None = None  # monotonic seconds since when
    _over: float | None = None

    def pace(self, unsent: int, client_bytes: int, now: float) -> ClientPace:
        """Classify the client by its unsent bytes, at `now` in monotonic seconds."""
        if unsent <= client_bytes * self.mark:
            self._behind = self._over = None
            return ClientPace.READY
        self._behind = now if self._behind is None else self._behind
        self._over = None if unsent <= client_bytes else now if self._over is None else self._over
        if now - self._behind > BEHIND_S or (self._over is not None and now - self._over > OVER_S):
            return ClientPace.STALLED
        return ClientPace.BEHIND


class Fanout:
    """Encodes the frames of a turn, each once.

    Args:
        cache: the newest values.
    """

    def __init__(self, cache: StateCache) -> None:
        self.cache = cache
        self.encoded = 0  # frames encoded since the start
        self._sent_ms = 0.0
        self._frames: dict[tuple[Interest, Interest, int, int], tuple[bytes | None, int]] = {}

    def begin(self, sent_ms: float) -> None:
        """Start a turn, at a time in ms since 1970 UTC."""
        self._sent_ms = sent_ms
        self._frames.clear()

    def serve(self, client: ClientState) -> bytes | None:
        """Return the frame for a client that keeps up, and record it as sent; None if there is nothing new."""
        if not (client.interest.quotes and client.before.quotes):
            client.quotes_at = 0
        key = (client.interest, client.before, client.at, client.quotes_at)
        if key not in self._frames:
            self._frames[key] = self._make(*key)
        frame, client.quotes_at = self._frames[key]
        client.before, client.at = client.interest, self.cache.revision
        return frame

    def _make(self, interest: Interest, before: Interest, at: int, quotes_at: int) -> tuple[bytes | None, int]:
        """Return a frame, and up to which revision its clients then have all quotes."""
        quotes = self.cache.next_quotes(quotes_at) if interest.quotes else []
        frame = self.cache.frame(interest, before, at, self._sent_ms, quotes)
        self.encoded += frame is not None
        return frame, quotes[-1].revision if quotes else quotes_at

    def lacks_quotes(self, client: ClientState) -> bool:
        """Return whether there are quotes that a client does not have yet."""
        return client.interest.quotes and client.quotes_at < self.cache.last_quote

    def withhold(self, client: ClientState) -> None:
        """Count a frame that a client behind does not get, if there is one."""
        client.conflated += self.cache.revision > client.at

"""All clients of the gateway, and what each gets in a turn of the loop."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import CloseCode

from hulak.bus.histogram import Histogram
from hulak.bus.process.log_type import Log
from hulak.bus.wire.messages import Tick
from hulak.clients.gateway import protocol
from hulak.clients.gateway.fanout import ClientPace, Fanout
from hulak.clients.gateway.fx.turn_cache import TurnCache
from hulak.clients.gateway.http_routes import FX, WS
from hulak.clients.gateway.json_session import Session, close_connection, unsent_bytes
from hulak.clients.gateway.state_cache import StateCache

WINDOW_S = 5.0  # window of the reported ages

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Sessions:
    """The connected clients.

    Args:
        cache: the newest values.
        client_bytes: maximum of unsent bytes per client.
        spawn: runs a task beside the loop.
        log: of this process.
    """

    def __init__(self, cache: StateCache, client_bytes: int, spawn: Spawn, log: Log) -> None:
        self.cache = cache
        self.client_bytes = client_bytes
        self.log = log
        self.fanout = Fanout(cache)
        self.turn_cache = TurnCache(cache, now_ms)
        self.clients: dict[Session, str] = {}  # session -> path
        self.sent_revision = cache.revision  # that clients which keep up had when the last turn ended
        self.counts = {"frames": 0, "bytes": 0, "too_slow": 0, "refused": 0, "bad_messages": 0, "conflated": 0}
        self.state_age_us = Histogram(WINDOW_S, time.monotonic())
        self._spawn = spawn

    def leave(self, session: Session) -> None:
        """Remove a client; its counts are kept."""
        if self.clients.pop(session, None) is not None:
            self.counts["conflated"] += session.state.conflated
            self.counts["bad_messages"] += session.bad

    def needs_ticks(self) -> bool:
        """Return whether a client wants ticks."""
        return any(session.needs_ticks() for session in self.clients)

    def needs_quotes(self) -> bool:
        """Return whether a client wants quotes."""
        return any(session.state.interest.quotes for session in self.clients)

    def lack_quotes(self) -> bool:
        """Return whether a client does not have all quotes yet: they come in parts."""
        return any(self.fanout.lacks_quotes(session.state) for session in self.clients)

    def send_updates(self, ticks: list[Tick], now: float, *, broker_up: bool) -> None:
        """Send each client what is new for it.

        Args:
            ticks: received since the last turn, in order; they are in the cache already.
            now: monotonic seconds.
            broker_up: whether the broker is up.
        """
        sent_ms = now_ms()
        self.fanout.begin(sent_ms)
        if any(path == FX for path in self.clients.values()):
            self.turn_cache.begin(ticks, self.sent_revision, sent_ms, broker_up=broker_up)
        frames: dict[bytes, list[ServerConnection]] = {}
        for session in list(self.clients):
            match session.state.pace(unsent_bytes(session.connection), self.client_bytes, now):
                case ClientPace.READY:
                    messages = self._updates(session, sent_ms)
                    if len(messages) == 1:  # most likely, others get the same
                        frames.setdefault(messages[0], []).append(session.connection)
                        continue
                    for frame in messages:
                        self._send([session.connection], frame)
                case ClientPace.BEHIND:
                    self.fanout.withhold(session.state)
                case ClientPace.STALLED:
                    self._disconnect(session)
        for frame, connections in frames.items():
            self._send(connections, frame)
        self._record_age(now, sent_ms)
        self.sent_revision = self.cache.revision
        if self.cache.removed:
            self.cache.forget_removed(min((session.state.at for session in self.clients), default=self.sent_revision))

    def _updates(self, session: Session, sent_ms: float) -> list[bytes]:
        try:
            return session.updates(sent_ms)
        except Exception:  # a bug that affects one client; the others must not miss anything
            self.log.exception("client disconnected", why="cannot encode update")
            self.leave(session)
            self._spawn(close_connection(session.connection, CloseCode.INTERNAL_ERROR, "internal error"))
            return []

    def _disconnect(self, session: Session) -> None:
        self.leave(session)  # at once: it gets nothing more during the closing handshake
        self.counts["too_slow"] += 1
        self.log.info("client disconnected", why="client does not read", unsent=unsent_bytes(session.connection))
        self._spawn(close_connection(session.connection, protocol.TOO_SLOW, "too slow"))

    def _send(self, connections: list[ServerConnection], frame: bytes) -> None:
        broadcast(connections, frame, text=True)
        self.counts["frames"] += len(connections)
        self.counts["bytes"] += len(frame) * len(connections)

    def _record_age(self, now: float, sent_ms: float) -> None:
        """Record the age of the newest state when it was sent."""
        entry = next(reversed(self.cache.displays.values()), None)
        if entry is None or entry.pending is not None or entry.revision <= self.sent_revision:
            return  # none is new, or it was for no client: its state is an older one
        if (published_ms := entry.state.get("published_ms")) is not None:
            self.state_age_us.add((sent_ms - published_ms) * 1000, now)

    def figures(self, now: float) -> dict[str, Any]:
        """Return the figures of all clients, in msgpack values."""
        paths = list(self.clients.values())
        return {
            **self.counts,
            "conflated": self.counts["conflated"] + sum(session.state.conflated for session in list(self.clients)),
            "clients": {path: paths.count(path) for path in (WS, FX)},
            "encoded": self.fanout.encoded,
            "displays": len(self.cache.displays),
            "malformed": self.cache.malformed,
            "state_age_us": self.state_age_us.quantiles(now),
            "state_age_totals": self.state_age_us.totals(),
        }


def now_ms() -> float:
    """Return the time in ms since 1970 UTC."""
    return time.time() * 1000

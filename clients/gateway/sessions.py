"""All clients of the gateway: who is there, and what a turn of the loop gives to whom."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import CloseCode

from bus.histogram import Histogram
from bus.wire.messages import Tick
from clients.gateway import protocol
from clients.gateway.fanout import ClientPace, Fanout
from clients.gateway.fx.turn_cache import TurnCache
from clients.gateway.http_routes import FX, WS
from clients.gateway.json_session import Session, goodbye, unsent
from clients.gateway.state_cache import StateCache

WINDOW_S = 5.0  # of the ages that are reported

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Sessions:
    """Everybody who is connected.

    Args:
        cache: what there is to tell.
        client_bytes: that may wait for one client.
        spawn: does something beside the loop.
        log: of this process.
    """

    def __init__(self, cache: StateCache, client_bytes: int, spawn: Spawn, log: structlog.typing.FilteringBoundLogger) -> None:
        self.cache = cache
        self.client_bytes = client_bytes
        self.log = log
        self.fanout = Fanout(cache)
        self.turn_cache = TurnCache(cache, now_ms)
        self.peers: dict[Session, str] = {}  # -> path
        self.told = cache.revision  # that those who keep up had been told up to when the last turn ended
        self.counts = {"frames": 0, "bytes": 0, "too_slow": 0, "refused": 0, "bad_messages": 0, "conflated": 0}
        self.state_age_us = Histogram(WINDOW_S, time.monotonic())
        self._spawn = spawn

    def leave(self, peer: Session) -> None:
        """Forget a client; what it did stays counted."""
        if self.peers.pop(peer, None) is not None:
            self.counts["conflated"] += peer.seat.conflated
            self.counts["bad_messages"] += peer.bad

    def wants_ticks(self) -> bool:
        """Tell whether anybody wants ticks."""
        return any(peer.wants_ticks() for peer in self.peers)

    def tell(self, ticks: list[Tick], now: float, *, heard: bool) -> None:
        """Give everybody what is new for them.

        Args:
            ticks: that came since the last turn, in order; they are in the cache already.
            now: monotonic seconds.
            heard: whether the broker is.
        """
        moment = now_ms()
        self.fanout.begin(moment)
        if any(path == FX for path in self.peers.values()):
            self.turn_cache.begin(ticks, self.told, moment, heard=heard)
        frames: dict[bytes, list[ServerConnection]] = {}
        for peer in list(self.peers):
            match peer.seat.pace(unsent(peer.connection), self.client_bytes, now):
                case ClientPace.READY:
                    found = self._news(peer, moment)
                    if len(found) == 1:  # very likely, others get the same
                        frames.setdefault(found[0], []).append(peer.connection)
                        continue
                    for frame in found:
                        self._send([peer.connection], frame)
                case ClientPace.BEHIND:
                    self.fanout.withhold(peer.seat)
                case ClientPace.HOPELESS:
                    self._give_up(peer)
        for frame, connections in frames.items():
            self._send(connections, frame)
        self._note_age(now, moment)
        self.told = self.cache.revision
        if self.cache.removed:
            self.cache.forget(min((peer.seat.at for peer in self.peers), default=self.told))

    def _news(self, peer: Session, moment: float) -> list[bytes]:
        try:
            return peer.news(moment)
        except Exception:  # a bug of ours, met by one client; the others must not miss anything
            self.log.exception("client disconnected", why="what it is to be told cannot be made")
            self.leave(peer)
            self._spawn(goodbye(peer.connection, CloseCode.INTERNAL_ERROR, "internal error"))
            return []

    def _give_up(self, peer: Session) -> None:
        self.leave(peer)  # at once: it gets nothing more while the goodbye is under way
        self.counts["too_slow"] += 1
        self.log.info("client disconnected", why="it does not read", unsent=unsent(peer.connection))
        self._spawn(goodbye(peer.connection, protocol.TOO_SLOW, "too slow"))

    def _send(self, connections: list[ServerConnection], frame: bytes) -> None:
        broadcast(connections, frame, text=True)
        self.counts["frames"] += len(connections)
        self.counts["bytes"] += len(frame) * len(connections)

    def _note_age(self, now: float, moment: float) -> None:
        """Note how old the newest state was when it was told."""
        entry = next(reversed(self.cache.displays.values()), None)
        published_ms = entry.state.get("published_ms") if entry is not None and entry.revision > self.told else None
        if published_ms is not None:
            self.state_age_us.add((moment - published_ms) * 1000, now)

    def figures(self, now: float) -> dict[str, Any]:
        """Say what was done and is, in msgpack values."""
        paths = list(self.peers.values())
        return {
            **self.counts,
            "conflated": self.counts["conflated"] + sum(peer.seat.conflated for peer in list(self.peers)),
            "clients": {path: paths.count(path) for path in (WS, FX)},
            "encoded": self.fanout.made,
            "displays": len(self.cache.displays),
            "malformed": self.cache.malformed,
            "state_age_us": self.state_age_us.quantiles(now),
            "state_age_totals": self.state_age_us.totals(),
        }


def now_ms() -> float:
    """Tell the time in ms since 1970 UTC."""
    return time.time() * 1000

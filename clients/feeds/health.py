"""How a feed is: its state, the ages of data and heartbeats, what each symbol lacks. Pure; time is passed in.

No state is dead: each is left by itself in a bounded time, or by the next sign of the venue. Data and heartbeats are told
apart: a venue that only says it is there is DEGRADED, one that says nothing is STALE and is connected to again. What
never came is as old as the connection. The ages that decide are compared with "above", as the original's health sensor
does.
"""

import math
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from bus.backoff import Backoff
from bus.wire.messages import Tick
from clients.feeds.subscriptions import Subscriptions
from clients.feeds.venues.dialect import MOST_SYMBOLS, Event, Heartbeat, Ready, Subscribed, SymbolError

SHOWN = 20  # symbols of a kind that a report names; their number is told as well


class FeedState(Enum):
    """Where a feed is with its venue."""

    DISCONNECTED = "disconnected"  # not begun, or ended
    CONNECTING = "connecting"  # bounded by `connect_s`
    RESTORING = "restoring"  # the connection stands, symbols are being subscribed to
    CONNECTED = "connected"
    DEGRADED = "degraded"  # heartbeats, no data
    STALE = "stale"  # neither: the connection is being dropped
    BACKOFF = "backoff"  # bounded by the delay before the next attempt: a day, if the venue asks for so much


NEXT: dict[FeedState, dict[str, FeedState]] = {
    FeedState.DISCONNECTED: {"connect": FeedState.CONNECTING},
    FeedState.CONNECTING: {"open": FeedState.RESTORING, "lose": FeedState.BACKOFF, "stop": FeedState.DISCONNECTED},
    FeedState.RESTORING: {
        "restore": FeedState.CONNECTED,
        "silence": FeedState.STALE,
        "lose": FeedState.BACKOFF,
        "stop": FeedState.DISCONNECTED,
    },
    FeedState.CONNECTED: {
        "quiet": FeedState.DEGRADED,
        "silence": FeedState.STALE,
        "lose": FeedState.BACKOFF,
        "stop": FeedState.DISCONNECTED,
    },
    FeedState.DEGRADED: {
        "data": FeedState.CONNECTED,
        "silence": FeedState.STALE,
        "lose": FeedState.BACKOFF,
        "stop": FeedState.DISCONNECTED,
    },
    FeedState.STALE: {"lose": FeedState.BACKOFF, "stop": FeedState.DISCONNECTED},
    FeedState.BACKOFF: {"connect": FeedState.CONNECTING, "stop": FeedState.DISCONNECTED},
}


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What is too old, in seconds."""

    data_s: float = 60.0
    heartbeat_s: float = 30.0
    degraded_s: float = 300.0  # heartbeats without data for so long: connect again


def verdict(data_age_s: float, heartbeat_age_s: float, limits: HealthLimits) -> str:
    """Say what two ages come to: "fresh", "quiet" (only the data is stale) or "silence" (both are)."""
    if data_age_s <= limits.data_s:
        return "fresh"
    return "silence" if heartbeat_age_s > limits.heartbeat_s else "quiet"


class FeedHealth:
    """One feed's health.

    Args:
        limits: what is too old.
        backoff: delays between attempts to connect; attempts never end.
        subscriptions: its symbols.
        now: monotonic seconds.
    """

    def __init__(self, limits: HealthLimits, backoff: Backoff, subscriptions: Subscriptions, now: float) -> None:
        self.limits = limits
        self.subscriptions = subscriptions
        self.state = FeedState.DISCONNECTED
        self.since = now  # monotonic seconds, of the state
        self.attempts = 0  # to connect that failed one after the other
        self.connections = 0
        self._wanted = -math.inf  # monotonic seconds, until which the venue wants to be left alone
        self._backoff = backoff
        self._opened = now
        self._data: float | None = None  # monotonic seconds, of the last tick; None before the first
        self._heartbeat: float | None = None
        self._symbols: dict[str, float] = {}  # likewise, of each

    def _move(self, event: str, now: float) -> None:
        self.state, self.since = NEXT[self.state][event], now

    # A connection's life

    def connect(self, now: float) -> None:
        """An attempt to connect begins."""
        self._move("connect", now)

    def open(self, now: float, *, held: bool = False) -> None:
        """The connection stands; see `Subscriptions.opened` for `held`."""
        self._move("open", now)
        self._opened = now
        self.connections += 1
        self.subscriptions.opened(now, held=held)

    def lose(self, now: float, again_s: float = 0.0) -> float:
        """The connection, or the attempt to get one, has failed; returns the delay before the next one, in seconds.

        It is no less than the venue has asked for, `again_s` (0: for nothing): who asks sooner is banned for longer.

        A connection that brought data for longer than the longest delay has proven itself: the delays begin anew. One that is
        lost sooner counts as failed, so that a venue which takes and drops connections is not hammered.
        """
        stood = self.state not in (FeedState.CONNECTING, FeedState.BACKOFF, FeedState.DISCONNECTED)
        proven_s = min(self.limits.data_s, self._backoff.cap_s)
        if stood and self._data is not None and self._data - self._opened > proven_s:
            self.attempts = 0
        self._move("lose", now)
        self.attempts += 1
        self._wanted = now + again_s if again_s else -math.inf
        return max(again_s, self._backoff.delay_s(self.attempts))

    def stop(self, now: float) -> None:
        """The feed ends."""
        if self.state is not FeedState.DISCONNECTED:
            self._move("stop", now)

    # What comes

    def note(self, event: Event, now: float) -> None:
        """Take into account what the venue told."""
        match event:
            case Tick():
                self._note_tick(event.symbol, now)
            case Heartbeat():
                self._heartbeat = now
            case Ready():
                self.subscriptions.ready(now)
            case Subscribed():
                self.subscriptions.take(event)
            case SymbolError():
                self.subscriptions.refuse(event)

    def _note_tick(self, symbol: str, now: float) -> None:
        self._data = now
        if symbol not in self._symbols and len(self._symbols) >= MOST_SYMBOLS:
            del self._symbols[next(iter(self._symbols))]
        self._symbols[symbol] = now
        self.subscriptions.ticked(symbol)
        if self.state is FeedState.DEGRADED:
            self._move("data", now)

    # Judgement

    def judge(self, now: float) -> str:
        """Look at the ages, and move; returns why the connection has to be dropped, "" if it has not."""
        if self.state is FeedState.RESTORING and self.subscriptions.restored:
            self._move("restore", now)
        if self.state not in (FeedState.RESTORING, FeedState.CONNECTED, FeedState.DEGRADED):
            return ""
        seen = verdict(self._age(self._data, now), self._age(self._heartbeat, now), self.limits)
        if seen == "fresh":
            return ""
        if seen == "silence":
            self._move("silence", now)
            return f"no data for {self.limits.data_s:g} s and no heartbeat for {self.limits.heartbeat_s:g} s"
        if self.state is FeedState.CONNECTED:  # while restoring, being without data is tolerated
            self._move("quiet", now)
        if self.state is FeedState.DEGRADED and now - self.since > self.limits.degraded_s:
            return f"heartbeats without data for {self.limits.degraded_s:g} s more"
        return ""

    def _age(self, at: float | None, now: float) -> float:
        return now - (self._opened if at is None else max(at, self._opened))

    def stale_symbols(self, now: float) -> list[str]:
        """List the symbols whose last tick is too old or never came; those asked for, else those ever seen."""
        return [key for key in self.subscriptions.names or self._symbols if self._symbol_age(key, now) > self.limits.data_s]

    def _symbol_age(self, key: str, now: float) -> float:
        return now - self._symbols.get(key, self._opened)

    def report(self, now: float) -> dict[str, Any]:
        """Say all of it in msgpack values, bounded: at most `SHOWN` symbols of a kind are named."""
        stale, errors = self.stale_symbols(now), self.subscriptions.errors
        return {
            "state": self.state.value,
            "since_s": round(now - self.since, 3),
            "attempts": self.attempts,
            "connections": self.connections,
            "asked_to_wait_s": round(max(0.0, self._wanted - now), 1) if self.state is FeedState.BACKOFF else 0.0,
            "data_age_s": _since(self._data, now),
            "heartbeat_age_s": _since(self._heartbeat, now),
            "symbols": len(self.subscriptions.names or self._symbols),
            "stale": len(stale),
            "stale_symbols": stale[:SHOWN],
            "errors": len(errors),
            "symbol_errors": {key: f"{error.code}: {error.text}" for key, error in islice(errors.items(), SHOWN)},
        }


def _since(at: float | None, now: float) -> float | None:
    return None if at is None else round(now - at, 3)

"""The health of a feed: its state, the ages of data and heartbeats, what each symbol lacks. Pure; time is passed in.

No state is final: each ends after a bounded time, or at the venue's next message. Data and heartbeats are distinguished: a venue
that sends heartbeats only is DEGRADED; a silent venue is STALE and is reconnected. Data that never came is as old as the
connection. The ages that decide are compared with "above", as the original's health sensor does.
"""

import math
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from hulak.bus.backoff import Backoff
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.subscriptions import Subscriptions
from hulak.clients.feeds.venues.dialect import MAX_SYMBOLS, Event, Heartbeat, Ready, Subscribed, SymbolError

SHOWN = 20  # symbols of a kind that a report names; it has their number too


class FeedState(Enum):
    """The state of a feed's connection to its venue."""

    DISCONNECTED = "disconnected"  # not started, or stopped
    CONNECTING = "connecting"  # bounded by `connect_s`
    RESTORING = "restoring"  # connected, symbols are being subscribed to
    CONNECTED = "connected"
    DEGRADED = "degraded"  # heartbeats, no data
    STALE = "stale"  # neither: the connection is being closed
    BACKOFF = "backoff"  # bounded by the delay before the next attempt: at most a day, if the venue asks for it


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
    """Ages above which something is stale, seconds."""

    data_s: float = 60.0
    heartbeat_s: float = 30.0
    degraded_s: float = 300.0  # reconnect after heartbeats without data for this long


def verdict(data_age_s: float, heartbeat_age_s: float, limits: HealthLimits) -> str:
    """Classify two ages: "fresh", "quiet" (only the data is stale) or "silence" (both are)."""
    if data_age_s <= limits.data_s:
        return "fresh"
    return "silence" if heartbeat_age_s > limits.heartbeat_s else "quiet"


class FeedHealth:
    """One feed's health.

    Args:
        limits: ages above which something is stale.
        backoff: delays between attempts to connect; there is no last attempt.
        subscriptions: the feed's symbols.
        now: monotonic seconds.
    """

    def __init__(self, limits: HealthLimits, backoff: Backoff, subscriptions: Subscriptions, now: float) -> None:
        self.limits = limits
        self.subscriptions = subscriptions
        self.state = FeedState.DISCONNECTED
        self.since = now  # monotonic seconds, when the state began
        self.attempts = 0  # consecutive failed attempts to connect
        self.connections = 0
        self._not_before = -math.inf  # monotonic seconds, before which the venue wants no attempt
        self._backoff = backoff
        self._opened = now
        self._data: float | None = None  # monotonic seconds, of the last tick; None before the first
        self._heartbeat: float | None = None
        self._symbols: dict[str, float] = {}  # likewise, by symbol

    def _move(self, event: str, now: float) -> None:
        self.state, self.since = NEXT[self.state][event], now

    # Connection lifecycle

    def connect(self, now: float) -> None:
        """Start an attempt to connect."""
        self._move("connect", now)

    def open(self, now: float, *, wait_for_ready: bool = False) -> None:
        """The connection is open; see `Subscriptions.opened` for `wait_for_ready`."""
        self._move("open", now)
        self._opened = now
        self.connections += 1
        self.subscriptions.opened(now, wait_for_ready=wait_for_ready)

    def lose(self, now: float, again_s: float = 0.0, *, by_choice: bool = False) -> float:
        """The connection, or the attempt to connect, has failed; returns the delay before the next attempt, in seconds.

        The delay is no less than `again_s`, which the venue asked for (0: for nothing): a client that asks sooner is banned for
        longer.

        A connection that brought data for longer than the longest delay counts as proven: it resets the delays, and so does one
        that the feed itself ends (`by_choice`). A connection that is lost sooner counts as failed, so that a venue which accepts
        and drops connections is not flooded.
        """
        was_open = self.state not in (FeedState.CONNECTING, FeedState.BACKOFF, FeedState.DISCONNECTED)
        proven_s = min(self.limits.data_s, self._backoff.cap_s)
        if by_choice or (was_open and self._data is not None and self._data - self._opened > proven_s):
            self.attempts = 0
        self._move("lose", now)
        self.attempts += 1
        self._not_before = now + again_s if again_s else -math.inf
        return max(again_s, self._backoff.delay_s(self.attempts))

    def stop(self, now: float) -> None:
        """Stop the feed."""
        if self.state is not FeedState.DISCONNECTED:
            self._move("stop", now)

    # Events of the venue

    def record(self, event: Event, now: float) -> None:
        """Record an event of the venue."""
        match event:
            case Tick():
                self._record_tick(event.symbol, now)
            case Heartbeat():
                self._heartbeat = now
            case Ready():
                self.subscriptions.ready(now)
            case Subscribed():
                self.subscriptions.confirm(event)
            case SymbolError():
                self.subscriptions.refuse(event)

    def _record_tick(self, symbol: str, now: float) -> None:
        self._data = now
        if symbol not in self._symbols and len(self._symbols) >= MAX_SYMBOLS:
            del self._symbols[next(iter(self._symbols))]
        self._symbols[symbol] = now
        self.subscriptions.ticked(symbol)
        if self.state is FeedState.DEGRADED:
            self._move("data", now)

    # Verdicts

    def judge(self, now: float) -> str:
        """Compare the ages, and change the state; returns why the connection has to be closed, "" if it has not."""
        if self.state is FeedState.RESTORING and self.subscriptions.restored:
            self._move("restore", now)
        if self.state not in (FeedState.RESTORING, FeedState.CONNECTED, FeedState.DEGRADED):
            return ""
        ages = verdict(self._age(self._data, now), self._age(self._heartbeat, now), self.limits)
        if ages == "fresh":
            return ""
        if ages == "silence":
            self._move("silence", now)
            return f"no data for {self.limits.data_s:g} s and no heartbeat for {self.limits.heartbeat_s:g} s"
        if self.state is FeedState.CONNECTED:  # while restoring, missing data is tolerated
            self._move("quiet", now)
        if self.state is FeedState.DEGRADED and now - self.since > self.limits.degraded_s:
            return f"degraded for {self.limits.degraded_s:g} s: heartbeats without data"
        return ""

    def _age(self, at: float | None, now: float) -> float:
        return now - (self._opened if at is None else max(at, self._opened))

    def stale_symbols(self, now: float) -> list[str]:
        """List the symbols whose last tick is too old or that had none; those subscribed to, else those ever seen."""
        return [key for key in self.subscriptions.names or self._symbols if self._symbol_age(key, now) > self.limits.data_s]

    def _symbol_age(self, key: str, now: float) -> float:
        return now - max(self._symbols.get(key, self._opened), self.subscriptions.since.get(key, -math.inf))

    def report(self, now: float) -> dict[str, Any]:
        """Return the report as msgpack values, bounded: at most `SHOWN` symbols of a kind are named."""
        stale, errors = self.stale_symbols(now), self.subscriptions.errors
        return {
            "state": self.state.value,
            "since_s": round(now - self.since, 3),
            "attempts": self.attempts,
            "connections": self.connections,
            "asked_to_wait_s": round(max(0.0, self._not_before - now), 1) if self.state is FeedState.BACKOFF else 0.0,
            "data_age_s": _since(self._data, now),
            "heartbeat_age_s": _since(self._heartbeat, now),
            "symbols_named": len(self.subscriptions.names),
            "symbol_names": self.subscriptions.listed(),
            "symbol_changes": self.subscriptions.changes(),
            "symbols": len(self.subscriptions.names or self._symbols),
            "stale": len(stale),
            "stale_symbols": stale[:SHOWN],
            "errors": len(errors),
            "symbol_errors": {key: f"{error.code}: {error.text}" for key, error in islice(errors.items(), SHOWN)},
        }


def _since(at: float | None, now: float) -> float | None:
    return None if at is None else round(now - at, 3)

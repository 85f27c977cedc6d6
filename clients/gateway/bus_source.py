"""The gateway's input: two subscribers to the broker's publisher, read once per turn of the loop.

States, statistics and configuration come through a subscriber that keeps the newest of each topic; all ticks, in order, through
a second one that exists only while a client wants ticks. A missing broker is retried without limit and without blocking.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import zmq

from hulak.bus.errors import BusTimeout, ProtocolError
from hulak.bus.process.settings import Settings
from hulak.bus.wire import codec
from hulak.bus.wire.fair_silence import Watch
from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.state_cache import StateCache
from hulak.clients.subscriber import Subscriber

DISPLAY, DISPLAYS, STATS, CONFIG, MARKET, HEARTBEAT = "display.", "displays", "stats", "config", "market.", "heartbeat"
EVENTS = 2000  # maximum per turn
TURNS = 64  # maximum of tick batches per turn
RETRY_S = 0.1  # between two attempts to find the broker


class BusSource:
    """The gateway's subscriptions at the broker.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
        cache: receives the messages.
        on_stats: called with the broker's statistics.
    """

    def __init__(self, settings: Settings, home: Path, cache: StateCache, on_stats: Callable[[Any], None]) -> None:
        self.cache = cache
        self.ticks_taken = 0
        self._heartbeat_at: float | None = None  # monotonic seconds, of the last heartbeat
        self._watch = Watch(time.monotonic())
        self._settings = settings
        self._home = home
        self._on_stats = on_stats
        self._states: Subscriber | None = None
        self._ticks: Subscriber | None = None
        self._needs_ticks = False
        self._removed: int | None = None  # removed tick topics, from the newest statistics
        self._fewer = False  # some were removed since the last call of `request_ticks`
        self._tried = 0.0

    def request_ticks(self, wanted: bool) -> bool:
        """Start or stop receiving ticks; returns whether they start now with an empty cache, also after topics were removed."""
        starts = wanted and (self._fewer or not self._needs_ticks)
        self._needs_ticks, self._fewer = wanted, False
        if starts:
            self.cache.ticks.clear()  # they are outdated
        if not wanted and self._ticks is not None:
            self._ticks.close()
            self._ticks = None
        return starts

    def close(self) -> None:
        """Close the connections."""
        for subscriber in (self._states, self._ticks):
            if subscriber is not None:
                subscriber.close()
        self._states = self._ticks = None

    @property
    def counters(self) -> dict[str, int]:
        """The subscriber's counters of missed and replayed ticks."""
        return self._ticks.counters() if self._ticks is not None else {}

    def drain(self) -> list[Tick]:
        """Receive what is available, bounded, and put it into the cache; returns the ticks, in order."""
        self._watch.check(time.monotonic())
        self._connect()
        if self._states is not None:
            for _ in range(EVENTS):
                event = self._states.poll(0)
                if event is None:
                    break
                try:
                    self._receive(event.topic, event)
                except (ProtocolError, KeyError, TypeError):
                    self.cache.malformed += 1
        if self._ticks is None:
            return []
        received: list[Tick] = []
        for _ in range(TURNS):
            batch = self._ticks.poll_ticks(0)
            if not batch:
                break
            received += batch
        self.ticks_taken += len(received)
        self.cache.take_ticks(received)
        return received

    def _connect(self) -> None:
        if (self._states is not None and (self._ticks is not None or not self._needs_ticks)) or (
            time.monotonic() - self._tried < RETRY_S
        ):
            return
        self._tried = time.monotonic()
        options: dict[str, Any] = {"settings": self._settings, "home": self._home, "timeout_s": 0.0, "name": "gateway"}
        try:
            if self._states is None:
                self._states = Subscriber(DISPLAY, DISPLAYS, STATS, CONFIG, MARKET, HEARTBEAT, mode="latest", **options)
            if self._ticks is None and self._needs_ticks:
                self._ticks = Subscriber("ticks", **options)
        except BusTimeout:
            return  # tried again in a later turn

    def _receive(self, topic: str, event: Any) -> None:
        if topic.startswith(DISPLAY):
            body = event.packed if event.packed is not None else codec.pack(event.unpacked)
            self.cache.take_state(topic.removeprefix(DISPLAY), body)
        elif topic == DISPLAYS:
            rows = event.body["rows"]
            self.cache.take_displays([row["display"] for row in rows])
            self.cache.take_unassigned([row["display"] for row in rows if row["worker"] is None])
        elif topic == STATS:
            self.cache.take_stats(stats := event.body)
            removed = stats["ticks"].get("removed", 0)
            self._fewer = self._fewer or self._removed not in (None, removed)
            self._removed = removed
            self._on_stats(stats)
        elif topic == CONFIG:
            self.cache.take_config(event.body)
        elif topic == HEARTBEAT:
            self._heartbeat_at = time.monotonic()
        elif topic.startswith(MARKET):
            self.cache.take_market(topic.removeprefix(MARKET), event.body)

    def broker_silence_s(self, now: float) -> float | None:
        """Return for how long the broker has sent no heartbeat, at `now` in monotonic seconds; None before the first one."""
        return None if self._heartbeat_at is None else self._watch.silence_s(self._heartbeat_at, now)

    def sockets(self) -> Iterable["zmq.Socket[bytes] | int"]:
        """Return what becomes readable when a message arrives."""
        for subscriber in (self._states, self._ticks):
            if subscriber is not None:
                yield from subscriber.sockets()

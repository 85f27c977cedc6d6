"""Where the gateway hears of everything: two connections to the broker's publisher, read when the loop has time for it.

States, statistics and configuration come through a subscriber that keeps the newest of each topic; all ticks, in order, through
a second one that exists only while somebody wants ticks. A broker that is away is waited for, for ever, without blocking.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import zmq

from bus.errors import BusTimeout, ProtocolError
from bus.process.settings import Settings
from bus.subscriber.asyncio_wait import readable
from bus.wire import codec
from bus.wire.messages import Tick
from clients.gateway.state_cache import StateCache
from clients.subscriber import Subscriber

DISPLAY, DISPLAYS, STATS, CONFIG = "display.", "displays", "stats", "config"
EVENTS = 2000  # taken in one turn, at most
TURNS = 64  # batches of ticks likewise
LOOK_AGAIN_S = 0.1  # between two looks for a broker that is not there


class BusSource:
    """The broker, as the gateway hears it.

    Args:
        settings: say where the broker is.
        home: its folder.
        cache: what is heard is put there.
        on_stats: told the broker's statistics, too.
    """

    def __init__(self, settings: Settings, home: Path, cache: StateCache, on_stats: Callable[[Any], None]) -> None:
        self.cache = cache
        self.ticks_taken = 0
        self._settings = settings
        self._home = home
        self._on_stats = on_stats
        self._states: Subscriber | None = None
        self._ticks: Subscriber | None = None
        self._wants_ticks = False
        self._removed: int | None = None  # topics of ticks, as the newest statistics count them
        self._fewer = False  # some were removed since `want_ticks` was called
        self._looked = 0.0

    def want_ticks(self, wanted: bool) -> bool:
        """Take ticks from now on, or not any more; true if that begins now, with none known, also since topics were removed."""
        begins = wanted and (self._fewer or not self._wants_ticks)
        self._wants_ticks, self._fewer = wanted, False
        if begins:
            self.cache.ticks.clear()  # they have grown old
        if not wanted and self._ticks is not None:
            self._ticks.close()
            self._ticks = None
        return begins

    def close(self) -> None:
        """Close the connections."""
        for one in (self._states, self._ticks):
            if one is not None:
                one.close()
        self._states = self._ticks = None

    @property
    def counters(self) -> dict[str, int]:
        """What was missed and repaired among the ticks."""
        return self._ticks.counters() if self._ticks is not None else {}

    def drain(self) -> list[Tick]:
        """Take in what is there, bounded, and put it into the cache; returns the ticks, in order."""
        self._connect()
        if self._states is not None:
            for _ in range(EVENTS):
                event = self._states.poll(0)
                if event is None:
                    break
                try:
                    self._take(event.topic, event)
                except (ProtocolError, KeyError, TypeError):
                    self.cache.malformed += 1
        if self._ticks is None:
            return []
        taken: list[Tick] = []
        for _ in range(TURNS):
            found = self._ticks.poll_ticks(0)
            if not found:
                break
            taken += found
        self.ticks_taken += len(taken)
        self.cache.take_ticks(taken)
        return taken

    def _connect(self) -> None:
        if (self._states is not None and (self._ticks is not None or not self._wants_ticks)) or (
            time.monotonic() - self._looked < LOOK_AGAIN_S
        ):
            return
        self._looked = time.monotonic()
        how: dict[str, Any] = {"settings": self._settings, "home": self._home, "timeout_s": 0.0}
        try:
            if self._states is None:
                self._states = Subscriber(DISPLAY, DISPLAYS, STATS, CONFIG, mode="latest", **how)
            if self._ticks is None and self._wants_ticks:
                self._ticks = Subscriber("ticks", **how)
        except BusTimeout:
            return  # looked for again in the next turn

    def _take(self, topic: str, event: Any) -> None:
        if topic.startswith(DISPLAY):
            body = event.packed if event.packed is not None else codec.pack(event.unpacked)
            self.cache.take_state(topic.removeprefix(DISPLAY), body)
        elif topic == DISPLAYS:
            self.cache.take_displays([row["display"] for row in event.body["rows"]])
        elif topic == STATS:
            self.cache.take_stats(told := event.body)
            removed = told["ticks"].get("removed", 0)
            self._fewer = self._fewer or self._removed not in (None, removed)
            self._removed = removed
            self._on_stats(told)
        elif topic == CONFIG:
            self.cache.take_config(event.body)

    async def readable(self, woken: asyncio.Event, limit_s: float) -> None:
        """Sleep until something may be there, `woken` is set, or the time is over."""
        await readable(self._sockets(), woken, limit_s)

    def _sockets(self) -> Iterable["zmq.Socket[bytes]"]:
        for one in (self._states, self._ticks):
            if one is not None:
                yield from one.sockets()

"""The ticks of all symbols for tables of quotes: a subscriber that exists only while a client wants quotes."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import zmq

from hulak.bus.errors import BusTimeout, Forbidden, ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.process.settings import Settings
from hulak.bus.wire.codec import UNREADABLE
from hulak.clients.gateway.quotes import Quotes, WideTick
from hulak.clients.gateway.state_cache import StateCache
from hulak.clients.subscriber import Event, Subscriber

TICK, BAR = "tick.", "bar.1d."
TURN_S = 0.02  # of one turn of the gateway's loop, at most: all clients wait for it
AT_ONCE = 100  # events between two looks at the time
RETRY_S = 0.1  # between two attempts to find the broker
PERIOD_S = 0.05  # between two updates of the cache: a table is read by eye
_read_tick = msgspec.msgpack.Decoder(WideTick).decode


class QuoteSource:
    """Reads every tick, and gives the cache the newest quotes twenty times a second.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
        cache: receives the rows.
        log: of this process.
    """

    def __init__(self, settings: Settings, home: Path, cache: StateCache, log: Log) -> None:
        self.cache = cache
        self.quotes = Quotes()
        self.has_more = False  # events, after the last turn
        self._log = log
        self._settings = settings
        self._home = home
        self._subscriber: Subscriber | None = None
        self._tried = 0.0
        self._given = 0.0

    def request(self, wanted: bool) -> None:
        """Start or stop receiving."""
        if not wanted and self._subscriber is not None:
            self.close()
            self.quotes.clear()  # they would be old when the next client comes
            self.cache.quotes.clear()
        elif wanted and self._subscriber is None:
            self._connect()

    def close(self) -> None:
        """Close the connection."""
        if self._subscriber is not None:
            self._subscriber.close()
            self._subscriber, self.has_more = None, False

    def _connect(self) -> None:
        now = time.monotonic()
        if now - self._tried < RETRY_S:
            return
        self._tried = now
        options: dict[str, Any] = {"settings": self._settings, "home": self._home, "timeout_s": 0.0, "name": "gateway"}
        try:
            self._subscriber = Subscriber(TICK, BAR, **options)
        except BusTimeout:
            return  # tried again in a later turn

    def drain(self, now: float) -> None:
        """Receive what is available, for at most `TURN_S`; update the cache if it is time, at `now` in monotonic seconds."""
        if self._subscriber is None:
            return
        try:
            self.has_more = self._receive(self._subscriber, time.monotonic() + TURN_S)
        except Forbidden as error:  # the other subscription stays
            self._log.warning("quotes lack a part", why=str(error))
        if now - self._given >= PERIOD_S:
            self._given = now
            self.cache.take_quotes(self.quotes.changed())

    def _receive(self, subscriber: Subscriber, until: float) -> bool:
        """Receive events until there are none, or until a time in monotonic seconds; return whether there may be more."""
        while True:
            for _ in range(AT_ONCE):
                event = subscriber.poll(0)
                if event is None:
                    return False
                try:
                    self._take(event)
                except (ProtocolError, LookupError, TypeError, ValueError, *UNREADABLE):
                    self.cache.malformed += 1
            if time.monotonic() >= until:
                return True

    @property
    def pending(self) -> bool:
        """Return whether the cache lacks quotes that have arrived."""
        return self.quotes.pending

    def _take(self, event: Event) -> None:
        if event.topic.startswith(TICK) and event.packed is not None:
            self.quotes.take(_read_tick(event.packed), event.stamp.time_ns)
        elif event.topic.startswith(BAR):
            body = event.body
            self.quotes.take_bar(event.topic.removeprefix(BAR), body["start"], body["mid"] or body["bid"] or body["ask"] or ())

    def sockets(self) -> Iterable["zmq.Socket[bytes] | int"]:
        """Return what becomes readable when ticks arrive."""
        return () if self._subscriber is None else self._subscriber.sockets()

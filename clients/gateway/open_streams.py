"""The streams of `/ws` and of `/api/v1/events` that are open: each costs a bounded memory, also if its client does not read.

A stream is read no faster than its client reads. If there was always more to read for `BEHIND_S`, its subscriber rests: new ticks
wait in the broker's journal, and are read from there when the client has read all others. So no tick is skipped, and those that
the journal no longer has are named by an event `gap`. While all places are taken, a client that has read nothing for `STUCK_S`
loses its place to another one.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hulak.bus.errors import BusError
from hulak.bus.process.settings import Settings
from hulak.clients.subscriber import Event, Subscriber

MOST = 64  # streams of all clients
OF_ONE = 32  # streams of one client: of a token, or of an address without one
BEHIND_S = 0.5  # for which messages may wait in a stream's socket
CHECK_S = 0.25  # between two looks for streams that are behind
STUCK_S = 2.0  # for which a client may read nothing while another one waits for its place
HOLD = 500  # live messages that a stream holds back, at most
WAITING = 256  # of its socket; the broker has more of them for a short time: one copy for all of its subscribers


class Stream:
    """One stream.

    Args:
        subscriber: its own.
        holder: its client: a token or an address, for people.
        on_end: called when its place is given to another client.
    """

    def __init__(self, subscriber: Subscriber, holder: str, on_end: Callable[[], None]) -> None:
        self.holder = holder
        self.read_at = self.empty_at = time.monotonic()  # when it was polled last, and when there was nothing then
        self._subscriber = subscriber
        self._on_end = on_end
        self._ended: BusError | None = None

    @property
    def live(self) -> bool:
        """Return whether the journal has been read; an event with the topic `live` shows where that is."""
        return self._subscriber.live

    @property
    def rests(self) -> bool:
        """Return whether it reads from the journal alone."""
        return self._subscriber.rests

    def sockets(self) -> list[Any]:
        """List what to wait for."""
        return [] if self._ended is not None else self._subscriber.sockets()

    def poll(self) -> Event | None:
        """Return the next event; None if there is none yet. Called as soon as the client has taken what was sent before.

        Raises:
            BusError: it cannot go on, or its place was given to another client.
        """
        if self._ended is not None:
            raise self._ended
        event = self._subscriber.poll(0)
        self.read_at = time.monotonic()
        if event is None:
            self.empty_at = self.read_at
        return event

    def rest(self) -> None:
        """Leave what is published to the journal."""
        self._subscriber.rest()

    def end(self, why: BusError) -> None:
        """End it: the next `poll` raises the reason."""
        self._ended = why
        self.close()
        self._on_end()

    def close(self) -> None:
        """Close its subscriber."""
        self._subscriber.close()


class OpenStreams:
    """The streams of all clients.

    Args:
        settings: have the broker's addresses.
        home: the broker's folder.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = replace(settings, broker=replace(settings.broker, subscriber_hwm=WAITING))
        self._home = home
        self._streams: set[Stream] = set()
        self._checks = False  # a check is due
        self._late = False  # the last one came late, and was left out

    def open(self, holder: str, *topics: str, on_end: Callable[[], None] = lambda: None, **begin: Any) -> Stream:
        """Begin a stream.

        Args:
            holder: its client.
            topics: see `Subscriber`.
            on_end: see `Stream`.
            begin: options of `Subscriber`: where to begin, or the mode.
        Raises:
            BusError: `BUSY`; `TIMEOUT`, there is no broker.
            ConfigError, ProtocolError: a topic or the beginning is not allowed.
        """
        own = [stream for stream in self._streams if stream.holder == holder]
        if len(own) >= OF_ONE:
            self._make_room(own, f"{len(own)} streams of {holder} are open, the maximum of one client", "end one first")
        if len(self._streams) >= MOST:
            taken = f"{len(self._streams)} streams of all clients are open at the gateway, the maximum"
            self._make_room(self._streams, taken, "try again later")
        options: dict[str, Any] = {"timeout_s": 0.0, "hold": HOLD, "transport": "socket", "gap_events": True, **begin}
        stream = Stream(Subscriber(*topics, settings=self._settings, home=self._home, **options), holder, on_end)
        self._streams.add(stream)
        if not self._checks:
            self._check_later()
        return stream

    def close(self, stream: Stream) -> None:
        """End a stream; nothing if it has ended."""
        if stream in self._streams:
            self._streams.remove(stream)
            stream.close()

    def _make_room(self, streams: Collection[Stream], taken: str, hint: str) -> None:
        """End the stream whose client has read nothing for the longest time. Raises `BUSY` if all of them read."""
        slowest = min(streams, key=lambda stream: stream.read_at)
        stuck_s = time.monotonic() - slowest.read_at
        if stuck_s < STUCK_S or not slowest.rests:
            raise BusError("BUSY", f"{taken}, and all are read; {hint}")
        self._streams.remove(slowest)
        text = f"its client had read nothing for {stuck_s:.1f} s when another stream was begun, and {taken}; begin it again"
        slowest.end(BusError("BUSY", f"this stream was ended: {text}"))

    def _check_later(self) -> None:
        self._checks = bool(self._streams)
        if self._checks:
            asyncio.get_running_loop().call_later(CHECK_S, self._check, time.monotonic() + CHECK_S)

    def _check(self, due: float) -> None:
        """Let the streams rest that are behind; once they may be so since this process was stopped."""
        now = time.monotonic()
        self._late = not self._late and now - due >= BEHIND_S - CHECK_S
        if not self._late:
            for stream in self._streams:
                if now - stream.empty_at >= BEHIND_S and not stream.rests:
                    stream.rest()
        self._check_later()

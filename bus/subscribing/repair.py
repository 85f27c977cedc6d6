"""The subscriber's way to the journal: asks the frontend for what was missed. PROTOCOL.md section 7.3."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from bus import frames, sockets
from bus.errors import ProtocolError
from bus.messages import ID_BYTES, Error, Part, Reply, Request
from bus.settings import Settings
from bus.subscribing.replica import Ask

AGAIN_S = 2.0  # without a word of an answer; then it is asked for again
CONNECT_S = 0.02  # between two tries to send before the connection stands: on this machine it takes less than that
BUSY_S = (0.05, 0.5)  # between these, after the broker had too many replays under way
LOOK_AGAIN_S = 0.25  # between two looks for a broker that is not there


@dataclass(slots=True)
class Pending:
    """One replay that was asked for."""

    topic: str
    ask: Ask
    due: float  # monotonic seconds; when it is asked again


@dataclass(frozen=True, slots=True)
class Rows:
    """Some of what was asked for: [number in the global order, frame]."""

    topic: str
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """The replay ended; the broker wants to be asked again from `further`, or had no more."""

    topic: str
    further: int | None


@dataclass(frozen=True, slots=True)
class TooOld:
    """The broker has nothing before `oldest`."""

    topic: str
    oldest: int


Answer = Rows | Ended | TooOld


class Repairs:
    """Replays under way, one per topic.

    Args:
        context: of the subscriber.
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", settings: Settings, home: Path) -> None:
        self._context = context
        self._settings = settings
        self._home = home
        self.socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._connected = False  # once at least
        self._pending: dict[bytes, Pending] = {}

    @property
    def busy(self) -> bool:
        """True while an answer is awaited."""
        return bool(self._pending)

    def ask(self, topic: str, ask: Ask) -> None:
        """Ask for numbers of a topic; instead of what was asked for it before."""
        self._forget(topic)
        if self.socket is None:
            where = sockets.endpoint(self._settings.broker, self._home, "frontend")
            if where is not None:
                options = {"immediate": 1, "sndhwm": 10_000, "rcvhwm": 10_000, "ipv6": int("[" in where)}
                self.socket = sockets.make(self._context, zmq.DEALER, **options)
                self._monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
                self.socket.connect(where)
        request_id = os.urandom(ID_BYTES)
        args = {"topic": topic, "from": ask.first, "to": ask.last}
        wait_s = self._send(Request(request_id, "hulak.replay", "", args))
        self._pending[request_id] = Pending(topic, ask, time.monotonic() + wait_s)

    def _send(self, request: Request) -> float:
        """Send it if there is a connection; returns after how many seconds it is to be asked again."""
        if self.socket is None:
            return LOOK_AGAIN_S
        try:
            self.socket.send(frames.encode(request), zmq.NOBLOCK)
        except zmq.Again:
            return CONNECT_S
        return AGAIN_S

    def _forget(self, topic: str) -> None:
        self._pending = {key: one for key, one in self._pending.items() if one.topic != topic}

    def ask_again(self) -> None:
        """Repeat what has had no answer for too long, and everything to a broker that was restarted."""
        now, again = time.monotonic(), self._connected_again()
        for pending in [one for one in self._pending.values() if again or one.due <= now]:
            self.ask(pending.topic, pending.ask)

    def _connected_again(self) -> bool:
        """Tell whether the broker was restarted: it knows nothing of what was asked of the one before."""
        again = False
        while self._monitor is not None and self._monitor.poll(0):
            self._monitor.recv_multipart()
            again, self._connected = again or self._connected, True
        return again

    def next_due(self) -> float | None:
        """When `ask_again` has something to do, in monotonic seconds."""
        return min((one.due for one in self._pending.values()), default=None)

    def answers(self) -> Iterator[Answer]:
        """Read the answers that have come."""
        while self.socket is not None and self.socket.poll(0):
            try:
                message = frames.decode_to_client(self.socket.recv_multipart()[-1])
            except ProtocolError:
                continue
            pending = self._pending.get(message.id or b"")
            if pending is None:
                continue
            answer = self._read(message, pending)
            if answer is not None:
                yield answer

    def _read(self, message: Part | Reply | Error, pending: Pending) -> Answer | None:
        assert message.id is not None
        pending.due = time.monotonic() + AGAIN_S
        if isinstance(message, Part):
            return Rows(pending.topic, message.value)
        if isinstance(message, Error) and message.code == "BUSY":
            pending.due = time.monotonic() + random.uniform(*BUSY_S)  # noqa: S311 - so that not all come back at once
            return None
        del self._pending[message.id]
        if isinstance(message, Reply):
            return Ended(pending.topic, message.value["next"])
        if message.code == "TOO_OLD":
            return TooOld(pending.topic, message.details["oldest"])
        return Ended(pending.topic, None)

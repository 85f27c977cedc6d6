"""The subscriber's way to the journal: asks the frontend for what was missed. PROTOCOL.md section 7.3.

The broker carries out the replays of one connection a few at a time, and tells every half second that it is at it. So it is the
connection's silence that counts, not that of one request: nothing is asked for again while anything arrives.
"""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from bus.errors import ProtocolError
from bus.process import sockets
from bus.process.settings import Settings
from bus.subscriber.sequence_tracker import Ask
from bus.wire import codec
from bus.wire.messages import ID_BYTES, Error, Part, Reply, Request

AGAIN_S = 5.0  # without a word on the connection; then everything is asked for again
CONNECT_S = 0.02  # between two tries to send before the connection stands: on this machine it takes less than that
BUSY_S = (0.05, 0.5)  # between these, after the broker could not take a request
LOOK_AGAIN_S = 0.25  # between two looks for a broker that is not there
LATER = ("BUSY", "INTERNAL", "REPLACED")  # errors after which the same may be asked for again


@dataclass(slots=True)
class PendingReplay:
    """One replay that was asked for."""

    topic: str
    ask: Ask
    epoch: int  # that the number before the first one wanted must have; 0: whichever


@dataclass(frozen=True, slots=True)
class ReplayRows:
    """Some of what was asked for: [number in the global order, frame]."""

    topic: str
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """The replay ended; the broker wants to be asked again from `further`, or had no more."""

    topic: str
    further: int | None


@dataclass(frozen=True, slots=True)
class TooOld:
    """The broker has nothing before `oldest`."""

    topic: str
    oldest: int
    begins: bool = False  # what was before is of a topic of this name that was removed


@dataclass(frozen=True, slots=True)
class OtherEpoch:
    """The number before the first one wanted was given under another epoch: what is known up to it does not hold."""

    topic: str


ReplayAnswer = ReplayRows | ReplayEnded | TooOld | OtherEpoch


class ReplayRequests:
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
        self._pending: dict[bytes, PendingReplay] = {}
        self._requests: dict[str, bytes] = {}  # topic -> its request under way
        self._later: dict[str, float] = {}  # topic -> when it is asked for again, monotonic seconds
        self._heard = 0.0  # when the broker said something, or was asked something, monotonic seconds

    @property
    def busy(self) -> bool:
        """True while an answer is awaited."""
        return bool(self._pending)

    def ask(self, topic: str, ask: Ask, epoch: int = 0) -> None:
        """Ask for numbers of a topic; instead of what was asked for it before.

        Args:
            topic: or a prefix that ends with `.` or `*`.
            ask: both ends inclusive.
            epoch: that the number before the first one wanted must have; 0: whichever.
        """
        self.forget(topic)
        self._connect()
        request_id = os.urandom(ID_BYTES)
        args: dict[str, Any] = {"topic": topic, "from": ask.first, "to": ask.last}
        if epoch:
            args["epoch"] = epoch
        wait_s = self._send(Request(request_id, "hulak.replay", "", args))
        if not self._pending:
            self._heard = time.monotonic()
        if wait_s:
            self._later[topic] = time.monotonic() + wait_s
        self._pending[request_id] = PendingReplay(topic, ask, epoch)
        self._requests[topic] = request_id

    def _connect(self) -> None:
        if self.socket is not None:
            return
        where = sockets.endpoint(self._settings.broker, self._home, "frontend")
        if where is not None:
            options = {"immediate": 1, "sndhwm": 0, "rcvhwm": 10_000, "ipv6": int("[" in where)}
            self.socket = sockets.make(self._context, zmq.DEALER, **options)
            self._monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
            self.socket.connect(where)

    def _send(self, request: Request) -> float:
        """Send it if there is a connection; returns after how many seconds it is to be tried again, 0 if it was sent."""
        if self.socket is None:
            return LOOK_AGAIN_S
        try:
            self.socket.send(codec.encode(request), zmq.NOBLOCK)
        except zmq.Again:
            return CONNECT_S
        return 0.0

    def forget(self, topic: str) -> None:
        """Expect nothing more of a topic."""
        self._pending.pop(self._requests.pop(topic, b""), None)
        self._later.pop(topic, None)

    def ask_again(self) -> None:
        """Repeat what the broker could not take, and everything to one that was restarted or says nothing any more."""
        now = time.monotonic()
        if self._connected_again() or (self._pending and now - self._heard > AGAIN_S):
            self._heard = now
            due = [one.topic for one in self._pending.values()]
        else:
            due = [topic for topic, at in self._later.items() if at <= now]
        for topic in due:
            pending = self._pending[self._requests[topic]]
            self.ask(topic, pending.ask, pending.epoch)

    def _connected_again(self) -> bool:
        """Tell whether the broker was restarted: it knows nothing of what was asked of the one before."""
        again = False
        while self._monitor is not None and self._monitor.poll(0):
            self._monitor.recv_multipart()
            again, self._connected = again or self._connected, True
        return again

    def next_due(self) -> float | None:
        """When `ask_again` has something to do, in monotonic seconds."""
        if not self._pending:
            return None
        return min((self._heard + AGAIN_S, *self._later.values()))

    def answers(self) -> Iterator[ReplayAnswer]:
        """Read the answers that have come."""
        while self.socket is not None and self.socket.poll(0):
            try:
                message = codec.decode_to_client(self.socket.recv_multipart()[-1])
            except ProtocolError:
                continue
            self._heard = time.monotonic()
            pending = self._pending.get(message.id or b"")
            if pending is None:
                continue
            answer = self._read(message, pending)
            if answer is not None:
                yield answer

    def _read(self, message: Part | Reply | Error, pending: PendingReplay) -> ReplayAnswer | None:
        topic = pending.topic
        if isinstance(message, Part):
            return ReplayRows(topic, message.value) if message.value else None
        if isinstance(message, Error) and message.code in LATER:
            self._later[topic] = time.monotonic() + random.uniform(*BUSY_S)  # noqa: S311 - so that not all come back at once
            return None
        self.forget(topic)
        if isinstance(message, Reply):
            return ReplayEnded(topic, message.value["next"])
        if message.code == "TOO_OLD":
            return TooOld(topic, message.details["oldest"], message.details.get("begins", False))
        return OtherEpoch(topic) if message.code == "OTHER_EPOCH" else ReplayEnded(topic, None)

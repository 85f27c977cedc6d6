"""`Subscriber`: what the broker publishes, in order, as it comes. PROTOCOL.md section 3.

A subscription to a whole topic gets its last value at once and then every message; one to a prefix gets a snapshot first. A
message is decoded when its body is looked at. Not thread-safe: one subscriber per thread.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from bus import frames, sockets
from bus.config import Settings
from bus.errors import BusTimeout, ProtocolError
from bus.messages import Publication, Stamp

HELLO = "hulak.hello"
TICKS = "ticks"
LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Event:
    """One message, or one row of a snapshot or of `ticks`."""

    topic: str
    stamp: Stamp
    packed: bytes | None  # the body as it came; None where it came inside another message
    unpacked: Any = None

    @property
    def body(self) -> Any:
        """The body, decoded now.

        Raises:
            ProtocolError: it is not one msgpack value.
        """
        return self.unpacked if self.packed is None else frames.unpack(self.packed)


def subscription(prefix: str) -> bytes:
    """Make the bytes to subscribe with.

    Args:
        prefix: a whole topic, `tick.EURUSD`; or a prefix: empty, or ending with `.` (`tick.`) or `*` (`tick.EUR*`).
    Raises:
        ProtocolError: `BAD_TOPIC`, it is neither.
    """
    plain = prefix.removesuffix("*")
    if plain:
        frames.check_topic(plain.removesuffix(".").encode("ascii", "replace"))
    return plain.encode() + (b"" if prefix == "" or prefix.endswith((".", "*")) else frames.NUL)


def expand(message: Publication) -> Iterator[Event]:
    """Take a snapshot, or a message of `ticks`, apart into its rows; any other message is its own only row. Pure.

    Raises:
        ProtocolError: a snapshot or a message of `ticks` is malformed.
    """
    if message.topic == TICKS:
        stamp = message.stamp
        for at, tick in enumerate(_array(message)):
            yield Event(TICKS, Stamp(stamp.epoch, stamp.sequence + at, stamp.time_ns), None, tick)
    elif message.topic == "" or message.topic.endswith("."):
        for row in _array(message):
            match row:
                case [str() as topic, bytes() as packed, body] if len(packed) == frames.STAMP.size:
                    yield Event(topic, Stamp(*frames.STAMP.unpack(packed)), None, body)
                case _:
                    raise ProtocolError("BAD_BODY", "a snapshot's row must be [topic, stamp, body]")
    else:
        yield Event(message.topic, message.stamp, message.body)


def _array(message: Publication) -> list[Any]:
    rows = frames.unpack(message.body)
    if not isinstance(rows, list):
        raise ProtocolError("BAD_BODY", f"the body of {message.topic!r} must be an array")
    return rows


class Subscriber:
    """A connection to the broker's publisher.

    Args:
        settings: say where the broker is.
        home: its folder; local processes reach it through the sockets there.
        prefixes: see `subscription`.
        timeout_s: how long to wait for a broker, in seconds; None for ever.
    Raises:
        BusTimeout: no broker in time.
        ProtocolError: `BAD_TOPIC`.
    """

    def __init__(self, settings: Settings, home: Path, prefixes: Iterable[str], *, timeout_s: float | None = None) -> None:
        subscriptions = [subscription(prefix) for prefix in prefixes]
        where = _find(settings, home, timeout_s)
        self.malformed = 0
        self._rows: deque[Event] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        hwm = settings.broker.subscriber_hwm
        self._socket = sockets.make(self._context, zmq.SUB, rcvhwm=hwm, ipv6=int("[" in where))
        for topic in subscriptions:
            self._socket.subscribe(topic)
        self._socket.subscribe(HELLO.encode() + frames.NUL)  # the last: its answer says that all are in place
        self._socket.connect(where)
        self.greeted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.poll(None)
            if event is not None:
                yield event

    def close(self) -> None:
        """Close the connection."""
        self._context.destroy(linger=0)

    def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has all subscriptions; whatever it publishes from then on arrives here."""
        deadline = time.monotonic() + timeout_s
        while not self.greeted and (left_s := deadline - time.monotonic()) > 0:
            if self._socket.poll(int(left_s * 1000) + 1):
                self._receive()
        return self.greeted

    def poll(self, timeout_s: float | None) -> Event | None:
        """Return the next event; None if there is none in time.

        Args:
            timeout_s: seconds; 0 looks only, None waits for ever.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._rows:
            left_ms = None if deadline is None else max(0, int((deadline - time.monotonic()) * 1000))
            if not self._socket.poll(left_ms):
                return None
            self._receive()
        return self._rows.popleft()

    def _receive(self) -> None:
        """Take in what is there, bounded; malformed messages are counted."""
        try:
            for _ in range(256):
                self._take(sockets.receive_frame(self._socket, sockets.NOBLOCK))
        except zmq.Again:
            return

    def _take(self, frame: bytes) -> None:
        try:
            message = frames.decode_publication(frame)
            if message.topic == HELLO:
                self.greeted = True
            else:
                self._rows.extend(expand(message))
        except ProtocolError:
            self.malformed += 1


def _find(settings: Settings, home: Path, timeout_s: float | None) -> str:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while (where := sockets.endpoint(settings.broker, home, "publisher")) is None:
        if deadline is not None and time.monotonic() + LOOK_AGAIN_S > deadline:
            raise BusTimeout(
                f"no broker publishes at {settings.broker.publisher} within {timeout_s:g} s; "
                "start one with `hulak up` or `hulak broker`"
            )
        time.sleep(LOOK_AGAIN_S)
    return where

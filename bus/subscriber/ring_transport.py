"""Where a subscriber's ticks come from: the publisher's socket, or the ring in shared memory. PROTOCOL.md section 13.

A subscriber begins on the socket. The answer to `hulak.hello` names the ring and its head at that moment: everything published
before it was sent on the socket, everything later is in the ring. So the subscriber reads on there and cancels its
subscriptions to ticks; ticks that the socket still brings are dropped. The last value of each topic came by the socket.

After a restart of the broker, libzmq subscribes to `hulak.hello` again, and the answer names another ring. The old one is then
read to its end first.
"""

import time
from collections.abc import Callable
from typing import Any, Literal

import zmq

from hulak.bus.errors import ConfigError, ProtocolError
from hulak.bus.process import futex, ring_file
from hulak.bus.process.client_logger import Logger, logger_of
from hulak.bus.subscriber import ring_bell
from hulak.bus.subscriber.frame_router import FrameRouter
from hulak.bus.subscriber.ring_bell import Bell
from hulak.bus.subscriber.ring_reader import RingReader
from hulak.bus.subscriber.ring_waiter import LONGEST_S, RingWaiter
from hulak.bus.wire import codec
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.names import HEARTBEAT, HELLO, TICK_TOPICS, TICKS
from hulak.bus.wire.ring_format import PickedTicks

SILENT_S = 1.0  # without a record, four heartbeats of the broker: it may have been restarted, which the socket tells

Transport = Literal["auto", "ring", "socket"]


def is_in_ring(subscription: bytes) -> bool:
    """Return whether a ring has everything that a subscription covers."""
    return subscription in (TICKS, HEARTBEAT) or subscription.startswith(TICK_TOPICS)


def missing(subscriptions: tuple[bytes, ...]) -> str | None:
    """Return why a subscriber of these topics cannot use a ring, whatever its broker offers; None if it can."""
    for key in subscriptions:
        if not is_in_ring(key) and (TICKS.startswith(key) or TICK_TOPICS.startswith(key)):
            return f"the subscription to {key.decode()!r} covers ticks and other topics, which are sent on the socket"
    if not any(is_in_ring(key) and key != HEARTBEAT for key in subscriptions):
        return "no topic of ticks is subscribed to, others are sent on the socket"
    return futex.missing()


def pays(subscriptions: tuple[bytes, ...]) -> bool:
    """Return whether a ring costs less than a socket: a reader is woken for each record, which brings all ticks of a turn."""
    return TICKS in subscriptions or TICK_TOPICS in subscriptions


class RingTransport:
    """The ring of one subscriber, if its broker has one.

    Args:
        socket: subscribed to all topics, and to `hulak.hello`.
        router: has the subscriptions, and takes the frames.
        logger: receives the reasons for leaving a ring.
    """

    def __init__(self, socket: "zmq.Socket[bytes]", router: FrameRouter, logger: Logger | None) -> None:
        self.why: str | None = None  # why the ring is not used; None before the broker's hello, and while it is used
        self._socket = socket
        self._router = router
        self._log = logger_of(logger)
        self._moved = [key for key in router.subscriptions if is_in_ring(key) and key != HEARTBEAT]
        self._alone = all(map(is_in_ring, router.subscriptions))  # nothing but the hello remains on the socket
        if self._alone and (router.lossless or HEARTBEAT in router.subscriptions):
            self._moved.append(HEARTBEAT)  # otherwise its numbers of other topics must not arrive before their messages
        self._dropped = (TICK_TOPICS, TICKS, HEARTBEAT) if self._alone else (TICK_TOPICS, TICKS)
        self._asked = True  # the next hello is looked at
        self._greetings = 0
        self._reader: RingReader | None = None
        self._waiter: RingWaiter | None = None
        self._ring = 0  # its id
        self._next: dict[str, Any] | None = None  # the hello of a restarted broker
        self._held: list[bytes] = []  # frames of the socket, which wait until the ring was read up to `_held_until`
        self._held_until = 0
        self._last_record_at, self._last_position = 0.0, 0  # when records were last seen, and up to which position
        self._bell: Bell | None = None

    @property
    def used(self) -> bool:
        """Return whether ticks come from the ring."""
        return self._reader is not None

    def close(self) -> None:
        """Release the ring."""
        self._reader = self._waiter = self._bell = None

    # Receiving

    def frames(self, receive: Callable[[], list[bytes]]) -> list[bytes | PickedTicks]:
        """Return the next frames, bounded: of the ring, and of the socket if it is its turn.

        Args:
            receive: receives from the socket what is there, bounded.
        """
        reader = self._reader
        if reader is None:
            if self._bell is not None and not self._bell.armed:
                self._bell.arm()  # there is no ring behind it
            return [*self._from_socket(receive)]
        reader.together = self._router.gives_ticks
        try:
            frames = reader.read()
        except ProtocolError as error:
            self._leave(str(error))
            held, self._held, self._next = self._held, [], None
            return [*held, *self._from_socket(receive)]
        if self._bell is not None and not self._bell.armed and reader.position == reader.head:
            self._arm(self._bell, reader)
        if frames and self._alone:
            return frames
        if not self._alone or self._bell is not None or self._is_silent(reader):
            frames += self._beside(receive, reader)
        return frames

    def _is_silent(self, reader: RingReader) -> bool:
        now = time.monotonic()
        if reader.position != self._last_position:
            self._last_record_at, self._last_position = now, reader.position
        return now - self._last_record_at >= SILENT_S

    def _beside(self, receive: Callable[[], list[bytes]], reader: RingReader) -> list[bytes]:
        """Return frames of the socket: after the records that were written before they were received."""
        if not self._held and self._next is None:
            received = receive()
            for frame in received:
                if frame.startswith(HELLO):
                    self._meet(frame)
            self._held = [frame for frame in received if not frame.startswith(self._dropped)]
            self._held_until = reader.head
        if reader.position < self._held_until:
            return []
        frames, self._held = self._held, []
        if self._next is not None:
            hello, self._next = self._next, None
            self._follow(hello)
        return frames

    def _from_socket(self, receive: Callable[[], list[bytes]]) -> list[bytes]:
        """Return frames of the socket while it brings the ticks; look for a ring in its hello, and after each reconnection."""
        frames = receive()
        if self._asked:
            for at, frame in enumerate(frames):
                if frame.startswith(HELLO):
                    self._asked = False
                    self._greetings = self._router.greetings + sum(frame.startswith(HELLO) for frame in frames)
                    if self._begin(_ring_of(frame)):
                        return frames[: at + 1] + [later for later in frames[at + 1 :] if not later.startswith(self._dropped)]
                    break
        elif self._router.greetings != self._greetings:  # of a broker that was restarted: it may have a ring
            self._ask()
        return frames

    def _ask(self) -> None:
        """Request another hello of the broker."""
        self._socket.unsubscribe(HELLO)
        self._socket.subscribe(HELLO)
        self._asked = True

    # Changing between socket and ring

    def _begin(self, hello: dict[str, Any]) -> bool:
        """Read on in the ring that a hello names; false if that cannot be, with the reason in `why`."""
        if not self._open(hello, from_start=False):
            return False
        for key in self._moved:
            self._socket.unsubscribe(key)
        return True

    def _open(self, hello: dict[str, Any], *, from_start: bool) -> bool:
        """Open a ring at its head as the hello has it, or at its start if that is still there."""
        try:
            if not hello:
                raise ConfigError("the broker has no ring: setting broker.ring_bytes is 0, or its log says why")
            memory, terms = ring_file.open_ring(hello["path"], hello["id"])
        except ConfigError as error:
            self.why = str(error)
            return False
        reader = RingReader(memory, terms.capacity, 0, self._moved)
        if not from_start or reader.has_wrapped:
            reader.position = hello["head"]
        before, self._ring = self._ring, terms.id
        self._reader, self._waiter, self.why = reader, RingWaiter(memory), None
        self._last_record_at, self._last_position = time.monotonic(), reader.position
        if self._bell is not None:
            ring_bell.detach(self._bell, before)
            ring_bell.attach(self._bell, memory, terms.id)
            self._bell.strike()
        return True

    def _meet(self, frame: bytes) -> None:
        hello = _ring_of(frame)
        if not hello or hello["id"] != self._ring:
            self._next = hello

    def _follow(self, hello: dict[str, Any]) -> None:
        """Continue with the ring of a restarted broker, or on the socket."""
        if not self._open(hello, from_start=True):
            self._leave(self.why or "")

    def _leave(self, why: str) -> None:
        """Request the ticks on the socket again: the last values, which come first, show what was missed."""
        self._log.warning("ring left, ticks come by the socket", why=why)
        self._reader = self._waiter = None
        if self._bell is not None:
            ring_bell.detach(self._bell, self._ring)
        self.why, self._greetings = why, self._router.greetings
        for key in self._moved:
            self._socket.subscribe(key)

    # Waiting

    def sleeps(self) -> bool:
        """Return whether `wait` waits for all that can come."""
        return self._waiter is not None and self._alone and self._bell is None

    def wait(self, deadline: float | None) -> None:
        """Wait until a record arrives; at most until `deadline`, monotonic seconds, and `LONGEST_S`."""
        reader, waiter = self._reader, self._waiter
        if reader is None or waiter is None:
            return
        turn = waiter.turn
        if reader.position == reader.head:
            seconds = LONGEST_S if deadline is None else min(LONGEST_S, deadline - time.monotonic())
            if seconds > 0:
                waiter.sleep(turn, seconds)

    def descriptor(self) -> int:
        """Return a descriptor that is readable while there may be records; for the subscriber's life the same."""
        if self._bell is None:
            self._bell = Bell()
            reader = self._reader
            if reader is not None:
                ring_bell.attach(self._bell, reader.memory, self._ring)
                self._arm(self._bell, reader)
        return self._bell.fd

    def _arm(self, bell: Bell, reader: RingReader) -> None:
        bell.arm()
        if reader.position != reader.head:
            bell.strike()

    @property
    def bell(self) -> int | None:
        """Return the descriptor, if there is one."""
        return None if self._bell is None else self._bell.fd


def _ring_of(hello: bytes) -> dict[str, Any]:
    """Return what a hello says of the ring; empty if there is none."""
    try:
        body = codec.unpack(hello[hello.index(NUL) + 1 + STAMP.size :])
        ring = body.get("ring")
        known = {"path": str, "id": int, "head": int}
        return ring if isinstance(ring, dict) and all(type(ring.get(key)) is kind for key, kind in known.items()) else {}
    except (ProtocolError, AttributeError):
        return {}

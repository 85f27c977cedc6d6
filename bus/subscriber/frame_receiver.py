"""The sockets of a subscriber: receives frames for its router, and requests missing messages. PROTOCOL.md section 3."""

import time
from pathlib import Path
from typing import Literal

import zmq
from zmq.backend import zmq_poll

from hulak.bus.errors import BusTimeout, ConfigError
from hulak.bus.process import endpoints, sockets
from hulak.bus.process.client_logger import Logger
from hulak.bus.process.connection_events import CONNECTED, FAILED, LOST, ConnectionEvents
from hulak.bus.process.frontend_link import arrived
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.subscriber import ring_transport
from hulak.bus.subscriber.frame_router import HEARTBEAT, HELLO, FrameRouter
from hulak.bus.subscriber.name_note import NameNote
from hulak.bus.subscriber.replay_requests import ReplayEnded, ReplayRequests, ReplayRows, TooOld
from hulak.bus.subscriber.ring_transport import RingTransport, Transport
from hulak.bus.wire import codec

SEARCH_AGAIN_S = 0.1
TURN = 256  # messages received at a time, at most
GROWS_AFTER = 3  # receives in a row that were full
REPAIRING_MS = 2  # between two looks at the ring while answers of the journal are waited for
NO_RING = "transport is 'ring', and there is none"
TURN_BYTES = 1 << 17  # received at a time: decoded ticks then stay in the processor's cache until they are read


class FrameReceiver:
    """A connection to the broker's publisher, and one to its journal once a message is missing.

    Args:
        router: receives the frames; it has the subscriptions.
        settings: the broker's addresses.
        home: the broker's folder.
        timeout_s: seconds to wait for a broker; None: no limit.
        transport: `auto`: ticks by the ring where that can be and all ticks are wanted; `ring`: else an error; `socket`.
        logger: receives the reasons for leaving a ring.
        name: tells the broker's operator who this is; None: the program's.
    Raises:
        BusTimeout: no broker in time.
        HandshakeFailed: the broker and this subscriber do not accept each other's keys.
        ConfigError: there is no ring, or it cannot be used; the text has the reason.
    """

    rests = False  # it has no subscriptions
    _ring: RingTransport | None = None
    _monitor: "zmq.Socket[bytes] | None" = None  # of a connection with a key

    def __init__(
        self,
        router: FrameRouter,
        settings: Settings,
        home: Path,
        timeout_s: float | None,
        transport: Transport = "socket",
        logger: Logger | None = None,
        name: str | None = None,
    ) -> None:
        why = None if transport == "socket" else ring_transport.missing(router.subscriptions)
        if why is None and settings.security.key is not None:
            why = "this subscriber has a key, whose roles would not hold in shared memory"
        if transport == "ring" and why is not None:
            raise ConfigError(f"{NO_RING}: {why}")
        where = _find(settings, home, timeout_s)
        self.router = router
        self._most, self._full = 1, 0
        self._repairing = False
        self._replay_requests = ReplayRequests(sockets.process_context(), settings, home)
        self._place, self._where, self._name = (settings, home), where, name
        self._connect()
        if transport == "ring" or (transport == "auto" and why is None and ring_transport.pays(router.subscriptions)):
            self._ring = RingTransport(self._socket, router, logger)
            if transport == "ring":
                self._begin_ring(self._ring, timeout_s)

    def _connect(self) -> None:
        """Connect to the publisher, and subscribe."""
        context, router = sockets.process_context(), self.router
        # Connected first: libzmq sends earlier subscriptions in alphabetical order, and hello must be the last.
        watch = None if self._where.key is None else self._watch
        self._events = ConnectionEvents()
        most = self._place[0].broker.subscriber_hwm
        self._socket = sockets.connect(context, zmq.SUB, self._where, watch, rcvhwm=most)
        self._close = sockets.close_with(self, self._socket, *([] if self._monitor is None else [self._monitor]))
        self._note = NameNote(self._socket, router, self._name)
        wanted = [*router.subscriptions, *([HEARTBEAT.encode() + codec.NUL] if router.lossless else [])]
        for topic in [*wanted, HELLO.encode() + codec.NUL]:
            self._socket.subscribe(topic)

    def rest(self) -> None:
        """End the subscriptions, and drop messages that are not delivered; `receive` subscribes again. Nothing by the ring."""
        if self._ring is None and not self.rests:
            self._replay_requests.forget_all()
            self._leave()

    def _leave(self) -> None:
        self._close()
        self._monitor, self.rests, self._repairing = None, True, False
        self._socket = sockets.make(sockets.process_context(), zmq.SUB)  # not connected, until `_join`
        self._close = sockets.close_with(self, self._socket)
        self.router.rest()

    def _join(self) -> None:
        """Subscribe again after a rest."""
        self._close()
        self.rests = False
        self._connect()

    def _begin_ring(self, ring: RingTransport, timeout_s: float | None) -> None:
        """Wait until ticks come by the ring."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not ring.used:
            self.receive()
            late = deadline is not None and time.monotonic() >= deadline
            if ring.why is not None or (late and not ring.used):
                self.close()
                if ring.why is not None:
                    raise ConfigError(f"{NO_RING}: {ring.why}")
                raise BusTimeout(f"the broker did not answer the subscriptions within {timeout_s:g} s")
            self.wait(deadline)

    def close(self) -> None:
        """Close both connections."""
        if self._ring is not None:
            self._ring.close()
        self._replay_requests.close()
        self._close()

    # The key

    def _watch(self, socket: "zmq.Socket[bytes]") -> None:
        self._monitor = sockets.monitor(sockets.process_context(), socket, CONNECTED | LOST | FAILED)

    def _check_key(self, monitor: "zmq.Socket[bytes]", received: int) -> None:
        """Raise the refusal of a subscription; once the key was refused, raise the reason, or connect again."""
        if self.router.refusals:
            raise self.router.refusals.popleft()
        while not received and arrived(monitor):
            event, _, address = sockets.next_connection_event(monitor)
            self._events.take(event, address)
        if not self._events.refused:
            return
        self._where = endpoints.find(*self._place, "publisher") or self._where
        sockets.connect_again(self._socket, self._where)  # it is accepted again, or no broker is there that could say no
        self._events = ConnectionEvents()

    # Waiting

    @property
    def transport(self) -> Literal["ring", "socket"]:
        """Return by which way ticks come now."""
        return "ring" if self._ring is not None and self._ring.used else "socket"

    def sockets(self) -> "list[zmq.Socket[bytes] | int]":
        """List the sockets to poll for input, and the descriptor of the ring."""
        return [*self._sockets(), *([self._ring.descriptor()] if self._ring is not None else [])]

    def _sockets(self) -> "list[zmq.Socket[bytes]]":
        further = (self._replay_requests.socket, self._monitor)
        return [self._socket, *(socket for socket in further if socket is not None)]

    def next_due(self) -> float | None:
        """Return when `receive` has something to do without a message, in monotonic seconds."""
        return self._replay_requests.next_due()

    def wait(self, deadline: float | None) -> None:
        """Wait until a message arrives, or `receive` has something to do; at most until `deadline`, monotonic seconds."""
        due, most_ms = self.next_due(), -1
        polled: list[zmq.Socket[bytes] | int] = [*self._sockets()]
        ring = self._ring
        if ring is not None and ring.used:
            if ring.sleeps() and not self._repairing:
                ring.wait(deadline)
                return
            if ring.sleeps():
                most_ms = REPAIRING_MS
            else:
                polled.append(ring.descriptor())
        until = deadline if due is None else due if deadline is None else min(deadline, due)
        left_ms = None if until is None else max(0, int((until - time.monotonic()) * 1000) + 1)
        left_ms = most_ms if left_ms is None else left_ms if most_ms < 0 else min(left_ms, most_ms)
        zmq_poll([(socket, zmq.POLLIN) for socket in polled], left_ms)

    # Receiving

    def receive(self) -> bool:
        """Take in what is there, bounded; ask for what is missing; true if more may be there.

        Raises:
            Forbidden: the roles of this subscriber's key do not allow one of its subscriptions; the others stay.
            HandshakeFailed: the broker no longer accepts the key.
        """
        if self.rests:
            self._join()
        router, ring = self.router, self._ring
        if ring is None:
            frames = self._frames()
            if frames:
                router.take(frames)
            received = len(frames)
        else:
            records = ring.frames(self._frames)
            received = router.take_records(records) if records else 0
        if self._repairing:
            self._repair()
        if router.asks:
            self._ask()
        if self._monitor is not None:
            self._check_key(self._monitor, received)
        return received > 0

    def _frames(self) -> list[bytes]:
        """Receive up to `_most` messages; that number grows while receives are full, since an empty receive costs the most."""
        frames: list[bytes] = []
        receive, socket, room = sockets.receive_frame, self._socket, TURN_BYTES
        try:
            for _ in range(self._most):
                frames.append(frame := receive(socket, sockets.NOBLOCK))
                room -= len(frame)
                if room <= 0:
                    return frames
        except zmq.Again:
            self._most, self._full = max(1, len(frames)), 0
            return frames
        self._full += 1
        if self._full >= GROWS_AFTER:
            self._most, self._full = min(2 * self._most, TURN), 0
        return frames

    def _repair(self) -> None:
        router = self.router
        for answer in self._replay_requests.answers():
            match answer:
                case ReplayRows(topic, rows):
                    router.replayed(topic, rows)
                case ReplayEnded(topic, further):
                    router.replay_ended(topic, further)
                case TooOld(topic, oldest, begins):
                    router.too_old(topic, oldest, begins=begins)
            self._ask()  # at once: the answers on their way belong to the former request
        self._replay_requests.ask_again()
        self._repairing = self._replay_requests.busy
        if not self._repairing:
            self._note.update(ended=True)

    def _ask(self) -> None:
        asks = self.router.asks
        for topic, ask in asks:
            self._replay_requests.ask(topic, ask)
            self._repairing = True
        asks.clear()
        self._note.update()


def _find(settings: Settings, home: Path, timeout_s: float | None) -> BrokerAddress:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while (where := endpoints.find(settings, home, "publisher")) is None:
        if deadline is not None and time.monotonic() + SEARCH_AGAIN_S > deadline:
            raise BusTimeout(
                f"no broker publishes at {endpoints.expected(settings, home, 'publisher')} within {timeout_s:g} s; "
                "start one with `hulak up` or `hulak broker`"
            )
        time.sleep(SEARCH_AGAIN_S)
    return where

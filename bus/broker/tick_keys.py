"""Keys at the collector and the publisher: whose ticks are accepted, and which subscriptions are set. PROTOCOL.md section 14."""

import contextlib
import time

import zmq

from hulak.bus.broker.key_guard import MOST_REFUSED, KeyGuard
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.security import needs
from hulak.bus.core.security.callers import MOST_SUBSCRIBED, Caller, RefusedSubscriptions
from hulak.bus.core.security.feed_owners import FeedOwners
from hulak.bus.core.ticks.intake import ForbiddenFrame
from hulak.bus.errors import ProtocolError
from hulak.bus.process import sockets
from hulak.bus.wire.codec import NUL, STAMP, pack
from hulak.bus.wire.names import OWNED_BY_DISPLAYS


class TickKeys:
    """The rules of keys for ticks and subscriptions.

    Args:
        guard: knows the callers.
        bus: the broker's state.
    """

    def __init__(self, guard: KeyGuard, bus: BrokerState) -> None:
        self.guard = guard
        self.bus = bus
        self.owners = FeedOwners(bus.intake)
        self.refused = RefusedSubscriptions()

    # Feeds

    def frames(self, collector: "zmq.Socket[bytes]", most: int, most_bytes: int) -> list[bytes]:
        """Receive what has arrived, bounded; a message that its key does not permit becomes a `ForbiddenFrame`."""
        receive, checked = sockets.receive_frame, self._checked
        frames: list[bytes] = []
        with contextlib.suppress(zmq.Again):
            for _ in range(most):
                frame = receive(collector, sockets.NOBLOCK, False)
                data = frame.bytes
                frames.append(checked(frame, data))
                most_bytes -= len(data)
                if most_bytes <= 0:
                    break
        return frames

    def _checked(self, frame: zmq.Frame, data: bytes) -> bytes:
        try:
            caller = self.guard.caller(frame, "collector")
        except ProtocolError as error:
            return ForbiddenFrame.of(data, error, counts=False)
        if caller is None:
            return data
        cut = data.find(NUL)
        if cut < 0 or len(data) < cut + 1 + STAMP.size:
            return data  # the intake refuses it
        topic = data[:cut]
        if not topic.startswith(OWNED_BY_DISPLAYS):
            instance = STAMP.unpack_from(data, cut + 1)[0]
            if instance and not self.owners.has(instance, caller.name):
                text = f"key {caller.name!r} may not post under instance {instance:x}: it is another key's"
                return ForbiddenFrame.of(data, caller.refuse("feed", text), counts=False)
        if caller.may_post(topic):
            return data
        return ForbiddenFrame.of(data, caller.forbid(f"post to {topic[:60]!r}", needs.feeds(caller.rights, topic)), counts=True)

    # Subscribers

    def subscriber(self, publisher: "zmq.Socket[bytes]", event: zmq.Frame) -> tuple[bool, Caller | None]:
        """Find out whose event this is, and whether its key permits it.

        If not, it is refused here: the subscriber alone gets the refusal.

        Args:
            publisher: that received the event.
            event: a subscription, or the end of one.
        Returns:
            whether it is to be processed; and the caller, None: the owner.
        """
        data = event.bytes
        is_new, prefix = data[:1] == b"\1", data[1:]
        try:
            caller = self.guard.caller(event, "publisher")
        except ProtocolError as error:
            if is_new:
                self.refused.add(prefix)
                # To no peer: it takes the place of the answer to this one.
                sockets.send_frame(publisher, self._refusal(prefix, error))
                return False, None
            return not self.refused.take(prefix), None
        if caller is None:
            ended = not is_new and bool(self.refused) and _has_no_connection(event)
            return not (ended and self.refused.take(prefix)), None
        if not is_new:
            instead = caller.refused.pop(prefix, None)
            if instead is not None:
                publisher.setsockopt(zmq.UNSUBSCRIBE, instead)
            caller.subscribed.discard(prefix)
            return not (instead is not None and self.refused.take(prefix)), caller
        missing = needs.subscribes(caller.rights, prefix)
        if not missing:
            caller.subscribed.add(prefix)
            if len(caller.subscribed) > MOST_SUBSCRIBED:
                self.guard.pause(caller, f"has more than {MOST_SUBSCRIBED:,} subscriptions")
            return True, caller
        self._refuse(publisher, caller, prefix, missing)
        return False, caller

    def note(self, event: zmq.Frame) -> bool:
        """Return whether a subscriber's note is to be read; too many of one connection end it."""
        data = event.bytes
        try:
            caller = self.guard.caller(event, "publisher")
        except ProtocolError:
            return False
        if caller is None:
            return True
        if data[:1] == b"\0":
            caller.notes.discard(data[1:])
            return True
        caller.notes.add(data[1:])
        if caller.charge(time.monotonic()):
            self.guard.pause(caller, "sent too many notes")
            return False
        return True

    def too_large(self, event: zmq.Frame) -> None:
        """End the connection of a peer whose subscription is too long: libzmq has kept it already."""
        with contextlib.suppress(ProtocolError):
            caller = self.guard.caller(event, "publisher")
            if caller is not None:
                self.guard.pause(caller, "sent a subscription that is too long")

    def _refuse(self, publisher: "zmq.Socket[bytes]", caller: Caller, prefix: bytes, missing: str) -> None:
        refusal = self._refusal(prefix, caller.forbid(f"subscribe to {_shown(prefix)}", missing))
        # The refusal must match a subscription of the peer: this one matches nothing that is published.
        instead = refusal[: len(prefix.removesuffix(NUL)) + 1 + STAMP.size]
        former = caller.refused.get(prefix)
        if former is None:
            self.refused.add(prefix)
        elif former != instead:  # of another epoch
            publisher.setsockopt(zmq.UNSUBSCRIBE, former)
        caller.refused[prefix] = instead
        publisher.setsockopt(zmq.SUBSCRIBE, instead)
        sockets.send_frame(publisher, refusal)
        if caller.charge(time.monotonic()):
            self.guard.pause(caller, "sent too many subscriptions that its roles do not permit")
        elif len(caller.refused) > MOST_REFUSED:
            self.guard.drop(caller)

    def _refusal(self, prefix: bytes, error: ProtocolError) -> bytes:
        """Return the message that tells a subscriber of a refused subscription (section 14.4)."""
        body = pack({"code": error.code, "text": str(error)})
        return prefix.removesuffix(NUL) + NUL + STAMP.pack(self.bus.epoch, 0, 0) + body

    def strange(self, event: zmq.Frame) -> None:
        """End the connection of a peer that sent bytes which are no subscription."""
        with contextlib.suppress(ProtocolError):
            caller = self.guard.caller(event, "publisher")
            if caller is not None:
                self.guard.pause(caller, "sent bytes that are no subscription")

    def rebound(self) -> None:
        """Forget all subscribers: the publisher was closed, and they connect again."""
        self.guard.forget("publisher")
        self.refused.clear()


def _has_no_connection(event: zmq.Frame) -> bool:
    """Return whether libzmq made this event itself, since a connection has ended."""
    try:
        event.get(zmq.SRCFD)
    except zmq.ZMQError:
        return True
    return False


def _shown(prefix: bytes) -> str:
    return repr(prefix.removesuffix(NUL).decode("ascii", "replace")[:60])

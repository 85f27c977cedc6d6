"""A feed's side of its link to the broker: PROTOCOL.md section 3.4. Pure.

What is posted is kept until the broker has confirmed it. The feed asks several times a second how far it was taken; if that
stands still below what had been sent when it asked before, something was lost on the way, and it is sent again from there.
"""

from typing import Any

from msgspec.structs import replace

from hulak.bus.wire import codec
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.unconfirmed import Unconfirmed


class Delivery:
    """One instance of a feed and what the broker has of it.

    Args:
        instance: 1 to 2**64 - 1, another one for each start of a feed.
        limit: how many unconfirmed frames are kept; the oldest is given up for one more.
        prefix: stands before each symbol, with its dot; empty for none.
    """

    def __init__(self, instance: int, limit: int, prefix: str = "") -> None:
        self.instance = instance
        self.prefix = prefix
        self.unconfirmed = Unconfirmed(limit)
        self.opened = False  # the broker has answered; before that, it takes nothing of ours
        self.sent = 0  # running number of the last frame that was handed to the socket
        self.resent = 0
        self._epoch: int | None = None
        self._taken = -1
        self._sent_when_asked = 0

    @property
    def backlog(self) -> int:
        """How many frames wait to be handed to the socket."""
        return self.unconfirmed.last - self.sent

    def post(self, tick: Tick, time_ns: int) -> bytes:
        """Number a tick and keep it; returns its frame, which waits to be sent.

        Args:
            tick: what the venue told; its `received_ns` is set here, unless it has one.
            time_ns: when it was received, ns since 1970 UTC.
        """
        kept = self.unconfirmed
        if self.prefix:
            tick = replace(tick, symbol=self.prefix + tick.symbol, received_ns=tick.received_ns or time_ns)
        elif not tick.received_ns:
            tick = replace(tick, received_ns=time_ns)
        frame = codec.feed_frame(tick.symbol, self.instance, kept.last + 1, time_ns, codec.pack_tick(tick))
        kept.add(frame)
        if kept.dropped:
            self.sent = max(self.sent, kept.oldest - 1)  # what was given up need not be sent
        return frame

    def waiting(self, most: int) -> list[bytes]:
        """List the next frames to hand to the socket, at most `most`; `sent` grows by as many as it took."""
        return self.unconfirmed.since(self.sent, most) if self.backlog else []

    def ask(self) -> dict[str, Any]:
        """Make the arguments of the next `hulak.feed` request."""
        return {"instance": self.instance, "oldest": self.unconfirmed.oldest}

    def answered(self, epoch: int, taken: int, safe: int) -> None:
        """Note how far the broker has taken this instance.

        Args:
            epoch: of the broker; another one than before is a restarted broker, that has lost what it had not confirmed.
            taken: running number of the last frame it took.
            safe: running number of the last frame that is in its journal; nothing up to it need be kept.
        Raises:
            ProtocolError: it took what was never sent.
        """
        self.unconfirmed.confirm(safe)
        self.sent = max(self.sent, taken)  # it took what was handed over before we went back to send it again
        restarted = self._epoch is not None and (epoch != self._epoch or taken < self._taken)
        stalled = taken == self._taken and taken < self._sent_when_asked
        if self.opened and (restarted or stalled):
            self.resent += max(0, self.sent - taken)
            self.sent = taken
        self.opened, self._epoch, self._taken, self._sent_when_asked = True, epoch, taken, self.sent

"""A feed's side of its link to the broker: PROTOCOL.md section 3.4. Pure.

A tick is kept until the broker has confirmed it. The feed requests the broker's position several times a second; if that has not
moved since the answer before the request, and is below the number sent before the previous request, frames were lost, and are
sent again from there. A busy broker answers several requests at once: those answers are equal, and show no loss.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from hulak.bus.wire import codec
from hulak.bus.wire.messages import Stamp, Tick
from hulak.clients.feeds.unconfirmed import Unconfirmed


class Asked(NamedTuple):
    """The knowledge of a feed when it requested the position of the broker."""

    taken: int  # the position, from the last answer before
    sent: int  # the last frame that was sent before the previous request


class Delivery:
    """One instance of a feed, and the broker's position in it.

    Args:
        instance: 1 to 2**64 - 1, different at each start of a feed.
        limit: maximum of unconfirmed frames; beyond it the oldest is dropped.
        prefix: stands before each symbol, with its dot; empty for none.
        claims: the name of own topics and, if wanted, whether they are journalled, as arguments of its requests.
        posted: running number of the last frame that this instance had accepted before, and will not send again.
    """

    def __init__(
        self, instance: int, limit: int, prefix: str = "", claims: Mapping[str, Any] | None = None, posted: int = 0
    ) -> None:
        self.instance = instance
        self.prefix = prefix
        self.claims = dict(claims or {})
        self.unconfirmed = Unconfirmed(limit, posted)
        self.opened = False  # the broker has replied; before that, it ignores our frames
        self.sent = posted  # running number of the last frame that was passed to the socket
        self.resent = 0
        self._epoch: int | None = None
        self._taken = -1
        self._sent_when_asked = posted  # the last time

    @property
    def backlog(self) -> int:
        """The number of frames that wait to be passed to the socket."""
        return self.unconfirmed.last - self.sent

    def post(self, tick: Tick, time_ns: int) -> bytes:
        """Number a tick and keep it; return its frame, which waits to be sent.

        Args:
            tick: the venue's quote; its `received_ns` is set here, unless it has one.
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
            self.sent = max(self.sent, kept.oldest - 1)  # dropped frames are not sent
        return frame

    def post_body(self, family: str, name: str, body: Mapping[str, Any], time_ns: int) -> bytes:
        """Number a message that is no tick, and keep it; otherwise as `post`.

        Args:
            family: of its topic: `trade`, `market`, or one of those that are made of ticks.
            name: the rest of its topic, without the feed's prefix.
            body: has no key `symbol`.
            time_ns: ns since 1970 UTC.
        """
        return self.post_packed(f"{family}.{self.prefix}{name}", codec.pack(body), time_ns)

    def post_packed(self, topic: str, body: bytes, time_ns: int) -> bytes:
        """Number a message of any topic, and keep it; otherwise as `post`.

        Args:
            topic: of letters, digits, `.`, `_` and `-`.
            body: packed.
            time_ns: ns since 1970 UTC.
        """
        kept = self.unconfirmed
        frame = codec.encode_publication(topic.encode("ascii"), Stamp(self.instance, kept.last + 1, time_ns), body)
        kept.add(frame)
        if kept.dropped:
            self.sent = max(self.sent, kept.oldest - 1)
        return frame

    def waiting(self, most: int) -> list[bytes]:
        """Return the next frames for the socket, at most `most`; the caller adds the number of sent ones to `sent`."""
        return self.unconfirmed.since(self.sent, most) if self.backlog else []

    def ask(self) -> dict[str, Any]:
        """Return the arguments of the next `hulak.feed` request."""
        return {"instance": self.instance, "oldest": self.unconfirmed.oldest, **self.claims}

    def asked(self) -> Asked:
        """Return the present knowledge, for `answered`; to be called once for each request."""
        known = Asked(self._taken, self._sent_when_asked)
        self._sent_when_asked = self.sent
        return known

    def answered(self, epoch: int, taken: int, safe: int, asked: Asked) -> None:
        """Record the broker's position in this instance.

        Args:
            epoch: of the broker; a new epoch means a restarted broker, which has lost all unconfirmed frames.
            taken: running number of the last frame that it received.
            safe: running number of the last frame in its journal; frames up to it are dropped here.
            asked: the knowledge of the feed when the request was sent.
        Raises:
            ProtocolError: it confirms a frame that was never sent.
        """
        self.unconfirmed.confirm(safe)
        self.sent = max(self.sent, taken)  # it received frames that were about to be sent again
        restarted = self._epoch is not None and (epoch != self._epoch or taken < self._taken)
        stalled = taken == self._taken == asked.taken and taken < asked.sent
        if self.opened and (restarted or stalled):
            self.resent += max(0, self.sent - taken)
            self.sent = self._sent_when_asked = taken
        self.opened, self._epoch, self._taken = True, epoch, taken

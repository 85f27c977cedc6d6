"""The ticks of another site as a numbered feed of this broker: instances, numbers and names. PROTOCOL.md section 15. Pure.

The feed's running number of a tick is its number at its own site, and there is an instance for each epoch of that site: within
an epoch no number is ever used twice. So the broker's own positions of its feeds, which its journal keeps, say exactly what has
arrived: the bridge keeps nothing, and a tick that comes again is a duplicate by number.
"""

import hashlib
from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec
from hulak.bus.wire.codec import MAX_TOPIC, NUL, STAMP
from hulak.bus.wire.names import TICK_TOPICS
from hulak.clients.bridge.spans import Span
from hulak.clients.feeds.delivery import Asked, Delivery
from hulak.clients.feeds.unconfirmed import Unconfirmed

NOTHING_KNOWN = Asked(-2, 0)  # no answer shows a loss then
KEY = b"\xa6symbol"  # of a tick's body, packed


def instance_of(site: str, epoch: int) -> int:
    """Return the instance of the feed that carries a site's ticks of one epoch: the same at each start, on each machine."""
    digest = hashlib.blake2b(f"hulak.bridge {site} {epoch}".encode("ascii"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


def renamed(site: str, frame: bytes) -> tuple[bytes, bytes, int]:
    """Put the name of its site before the name in a publication: `tick.EURUSD` of site ldn is `tick.ldn.EURUSD`.

    Returns:
        topic, body, and the time of its stamp; the body's `symbol` follows the topic, all else in it stays.
    Raises:
        ProtocolError: `BAD_TOPIC`, the name is too long then; `BAD_BODY`, the body cannot be read.
    """
    cut = frame.index(NUL)
    family, _, name = frame[:cut].partition(b".")
    topic = b"%b.%b.%b" % (family, site.encode("ascii"), name)
    if len(topic) > MAX_TOPIC:
        raise ProtocolError("BAD_TOPIC", f"topic {topic[:60]!r}... has {len(topic)} characters, must be at most {MAX_TOPIC}")
    body = frame[cut + 1 + STAMP.size :]
    if topic.startswith(TICK_TOPICS):
        body = _with_symbol(body, topic[len(TICK_TOPICS) :], name)
    return topic, body, STAMP.unpack_from(frame, cut + 1)[2]


def _with_symbol(body: bytes, symbol: bytes, before: bytes) -> bytes:
    """Replace the symbol in a packed body. The usual body, which begins with it, is not decoded."""
    head = KEY + _packed_text(before)
    if 0x81 <= body[0] <= 0x8F and body.startswith(head, 1):
        return body[:1] + KEY + _packed_text(symbol) + body[1 + len(head) :]
    fields = codec.unpack(body)
    if not isinstance(fields, dict):
        raise ProtocolError("BAD_BODY", f"the body of a tick is {fields!r:.40}, must be a map")
    return codec.pack(fields | {"symbol": symbol.decode("ascii")}) if "symbol" in fields else body


def _packed_text(text: bytes) -> bytes:
    return (bytes([0xA0 + len(text)]) if len(text) < 32 else bytes([0xD9, len(text)])) + text


class NumberedFrames(Unconfirmed):
    """Frames with given running numbers, which may leave numbers out; otherwise as `Unconfirmed`.

    Args:
        limit: as there.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._numbers: deque[int] = deque()
        self.safe = 0  # the broker has all up to this number for good

    @property
    def oldest(self) -> int:
        """The running number of the oldest frame that is kept; `last + 1` if there is none."""
        return self._numbers[0] if self._numbers else self.last + 1

    def put(self, number: int, frame: bytes) -> None:
        """Keep a frame under a number above all before."""
        self.add(frame)
        self.last = number
        self._numbers.append(number)

    def confirm(self, number: int) -> None:
        """Drop every frame up to and including this number, which the broker may have from a former start of the bridge."""
        self.safe = max(self.safe, number)
        self.last = max(self.last, number)
        while self._numbers and self._numbers[0] <= number:
            self._numbers.popleft()
            self._frames.popleft()

    def since(self, number: int, limit: int | None = None) -> list[bytes]:
        """Return the frames that follow this number without leaving a number out."""
        first = bisect_right(self._numbers, number)
        behind = None if limit is None else first + limit
        frames: list[bytes] = []
        for at, frame in zip(islice(self._numbers, first, behind), islice(self._frames, first, behind), strict=True):
            if at != number + 1 + len(frames):
                break
            frames.append(frame)
        return frames


class SiteDelivery(Delivery):
    """The feed of one site and epoch. Numbers that are left out are announced to the broker, once all before them are safe.

    Args:
        site: where the ticks come from.
        epoch: of its broker.
        limit: frames kept, at most; the caller waits before it is reached.
    """

    unconfirmed: NumberedFrames

    def __init__(self, site: str, epoch: int, limit: int) -> None:
        super().__init__(instance_of(site, epoch), limit, f"{site}.")
        self.unconfirmed = NumberedFrames(limit)
        self.site = site
        self.epoch = epoch
        self.hurried = False  # the next request follows the one before too soon to show that frames were lost
        self.fell_back = False  # the broker has lost what it had: the stream must be read again from there
        self._taken_when_asked = -1

    def put(self, number: int, topic: bytes, body: bytes, time_ns: int) -> None:
        """Keep a tick, which waits to be sent; a tick that the broker has is skipped."""
        if number > self.unconfirmed.last:
            stamp = STAMP.pack(self.instance, number, time_ns)
            self.unconfirmed.put(number, b"".join((topic, NUL, stamp, body)))

    def ask(self) -> dict[str, Any]:
        """Return the arguments of the next `hulak.feed` request: `oldest` is above 1 only to leave numbers out."""
        kept = self.unconfirmed
        announced = len(kept) and kept.safe == self.taken and kept.oldest > kept.safe + 1
        return {"instance": self.instance, "oldest": kept.oldest if announced else 1}

    @property
    def leaves_out(self) -> bool:
        """Return whether a number is left out before a frame that waits."""
        kept = self.unconfirmed
        return kept.last - kept.safe > len(kept) > 0

    def asked(self) -> Asked:
        """Return what was known when the request before was sent, unless that was too short a time ago."""
        if self.hurried:
            return NOTHING_KNOWN
        known = Asked(self._taken_when_asked, self._sent_when_asked)
        self._taken_when_asked, self._sent_when_asked = self._taken, self.sent
        return known

    def answered(self, epoch: int, taken: int, safe: int, asked: Asked) -> None:
        """Record the broker's position; see `Delivery.answered`."""
        self.fell_back |= self.opened and taken < self.unconfirmed.safe
        super().answered(epoch, taken, safe, asked)

    @property
    def taken(self) -> int:
        """The running number up to which the broker has taken all; -1 before its first answer."""
        return self._taken


class Reader:
    """Holds the spans of a stream against each other: the numbers that are missing before a span.

    Args:
        site: that the stream belongs to.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self.epoch = 0
        self.last = 0  # number up to which spans were read; 0 before the first

    def gap(self, span: Span) -> tuple[int, int] | None:
        """Return the numbers that are missing before a span, both inclusive; None if there are none."""
        if self.last and span.epoch >= self.epoch and span.first > self.last + 1:
            return self.last + 1, span.first - 1
        return None

    def take(self, span: Span) -> None:
        """Record that a span was read. Under another epoch its numbers may be used again, so that they may be lower."""
        again = span.epoch == self.epoch and span.last <= self.last
        if not again:
            self.epoch, self.last = span.epoch, span.last

"""The events of a subscriber, and the bytes of its subscriptions: PROTOCOL.md sections 3.1 to 3.6. Pure."""

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from hulak.bus.errors import Forbidden, ProtocolError
from hulak.bus.subscriber.sequence_tracker import Chunk
from hulak.bus.wire import codec, lenient
from hulak.bus.wire.codec import UNREADABLE
from hulak.bus.wire.messages import Publication, Stamp
from hulak.bus.wire.names import APART, NO_BODY

TICKS = "ticks"
GAP = "gap"  # topic of the event that names lost messages
FORBIDDEN = "FORBIDDEN"
_SMALL_MAPS = frozenset(bytes([byte]) for byte in range(0x80, 0x90))  # of msgpack: up to 15 keys


class Event(msgspec.Struct, frozen=True, gc=False):
    """One message, or one row of a snapshot or of `ticks`."""

    topic: str
    stamp: Stamp
    packed: bytes | None  # the body as received; None where it came inside another message
    unpacked: Any = None

    @property
    def body(self) -> Any:
        """Decode the body; bytes that are not UTF-8, as in old journals, become U+FFFD.

        Raises:
            ProtocolError: it is not one msgpack value. No broker accepts such a tick.
        """
        return self.unpacked if self.packed is None else lenient.unpack_anyway(self.packed)


def event_of(frame: bytes) -> Event:
    """Return the event of one published message. Raises `ProtocolError`."""
    message = codec.decode_publication(frame)
    return Event(message.topic, message.stamp, message.body)


def subscription(prefix: str) -> bytes:
    """Return the bytes of a subscription.

    Args:
        prefix: a whole topic, `tick.EURUSD`; or a prefix: empty, or ending with `.` (`tick.`) or `*` (`tick.EUR*`).
    Raises:
        ProtocolError: `BAD_TOPIC`, it is neither.
    """
    plain = prefix.removesuffix("*")
    if plain:
        codec.check_topic(plain.removesuffix(".").encode("ascii", "replace"))
    return plain.encode() + (b"" if prefix == "" or prefix.endswith((".", "*")) else codec.NUL)


def body_in_ticks(frame: bytes, body: bytes) -> bytes:
    """Return the body that a message of the journal has in `ticks`: an empty map for that of an own or a derived topic."""
    return NO_BODY if frame.startswith(APART) else body


def is_of_other_feed_topic(body: bytes) -> bool:
    """Return whether a body in `ticks` is that of a trade or of a market: a map without what a tick has."""
    try:
        fields = codec.unpack(body)
    except ProtocolError:
        return False
    return isinstance(fields, dict) and "symbol" not in fields and "bid" not in fields


def is_snapshot(message: Publication) -> bool:
    """Return whether it is the answer to a subscription to a prefix."""
    return message.topic == "" or message.topic.endswith(".")


def refusal_of(message: Publication) -> Forbidden | None:
    """Return why the broker refused a subscription, if the message says that; its `details` have the `prefix`."""
    if message.stamp.sequence or message.body[:1] not in _SMALL_MAPS:
        return None
    body = codec.unpack(message.body)
    if body.get("code") != FORBIDDEN:
        return None
    return Forbidden(str(body.get("text", "")), {"prefix": message.topic})


def read_rows(body: bytes | memoryview) -> list[Any]:
    """Decode the array of `ticks`.

    Raises:
        ProtocolError: `BAD_BODY`, it is not an array.
    """
    try:
        return _read_flat(body)
    except UNREADABLE:  # nested deeper, or with other types than nearly all have: in a quarter of the speed
        rows = codec.unpack(body)
    if not isinstance(rows, list):
        raise ProtocolError("BAD_BODY", f"the body of {TICKS!r} must be an array")
    return rows


def snapshot_events(message: Publication) -> Iterator[Event]:
    """Split a snapshot into the last messages of its topics.

    Raises:
        ProtocolError: `BAD_BODY`, it is malformed.
    """
    for row in lenient.split(message.body):
        try:
            topic, stamp, body = lenient.split(row)
            yield Event(_read_text(topic), Stamp(*codec.STAMP.unpack(_read_bytes(stamp))), body)
        except (ProtocolError, ValueError, struct.error) as error:
            raise ProtocolError("BAD_BODY", f"a snapshot's row must be [topic, stamp, body]: {error}") from error


def row_events(chunk: Chunk) -> Iterator[Event]:
    """Yield the events of a chunk of `ticks`; malformed items are skipped."""
    for number, body in enumerate(chunk.items, chunk.first):
        if body is not None:
            yield Event(TICKS, Stamp(chunk.epoch, number, chunk.time_ns), None, body)


_Plain = None | bool | int | float | str
_read_flat = msgspec.msgpack.Decoder(list[dict[str, _Plain | list[_Plain]]]).decode
_read_text = msgspec.msgpack.Decoder(str).decode
_read_bytes = msgspec.msgpack.Decoder(bytes).decode

"""The note of a subscriber with its name, sent as a subscription that matches no topic. PROTOCOL.md section 3.10. Pure."""

import re
from typing import Any, Final

import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, UNREADABLE, pack

SUBSCRIBER: Final = b"hulak.subscriber" + NUL  # prefix of the subscription
LONGEST_NAME = 64  # characters
ODD = re.compile(r"[^A-Za-z0-9._-]+")
UNNAMED: Final = "unnamed"
MOST_COUNT: Final = 1 << 53  # sums of figures stay below the largest number of msgpack, and of JavaScript


class SubscriberNote(msgspec.Struct, frozen=True, gc=False):
    """The program and process of a subscriber, and how many messages it has missed."""

    name: str
    pid: int
    gaps: int = 0  # times that messages were missing
    missed: int = 0  # messages of these gaps that were replayed, or are lost
    lost: int = 0  # of these, the ones that could not be replayed

    def encode(self) -> bytes:
        """Return the subscription; figures that are 0 are omitted."""
        figures = {"gaps": self.gaps, "missed": self.missed, "lost": self.lost}
        return SUBSCRIBER + pack({"name": self.name, "pid": self.pid, **{key: value for key, value in figures.items() if value}})


_decode = msgspec.msgpack.Decoder(SubscriberNote).decode


def plain_name(name: Any) -> str:
    """Return a name in the characters that a name may have; others become "_"."""
    return ODD.sub("_", str(name))[:LONGEST_NAME].strip("_") or UNNAMED


def decode_note(subscription: bytes) -> SubscriberNote:
    """Return the note in a subscription that begins with `SUBSCRIBER`.

    Raises:
        ProtocolError: `BAD_BODY`.
    """
    try:
        note = _decode(subscription[len(SUBSCRIBER) :])
    except UNREADABLE as error:
        raise ProtocolError("BAD_BODY", f"a subscriber's note must be a map with name and pid: {error}") from None
    if plain_name(note.name) != note.name:
        wanted = f"must be 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ -, and neither begin nor end with _"
        raise ProtocolError("BAD_BODY", f"a subscriber's name is {note.name[:80]!r}, {wanted}")
    if not all(0 <= value <= MOST_COUNT for value in (note.pid, note.gaps, note.missed, note.lost)):
        raise ProtocolError("BAD_BODY", f"the numbers in the note of subscriber {note.name} must be 0 to 2^53")
    return note

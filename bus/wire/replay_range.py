"""What a replay is to read again: PROTOCOL.md section 7.3. Pure."""

from dataclasses import dataclass

from hulak.bus.wire.codec import NUL

ALL = b"ticks"
FOR_EVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """What is to be read again; both bounds are inclusive."""

    topic: bytes  # a key that ends with NUL, or a prefix, or empty for all
    exact: bool  # numbers are the topic's sequences; else those of the global order
    first: int
    last: int
    since_ns: int = 0
    until_ns: int = FOR_EVER
    epoch: int = 0  # that number `first` - 1 must have; 0: whichever
    parts: bool = True  # false: all rows come with the summary


def prefix_of(topic: str) -> bytes:
    """Return what the keys of these topics begin with: of one, or of all under a prefix that ends with `.` or `*`, or empty."""
    name = topic.encode("ascii", "replace")
    return name.removesuffix(b"*") if name.endswith((b".", b"*")) or not name else name + NUL

"""The range of a replay: PROTOCOL.md section 7.3. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from hulak.bus.wire.codec import NUL

ALL = b"ticks"
FOREVER = (1 << 63) - 1


class ReplayRange(Struct, frozen=True):
    """The ticks to replay; both bounds are inclusive."""

    topic: bytes  # a key that ends with NUL, or a prefix, or empty for all; with `among` what these have in common
    exact: bool  # numbers are the topic's sequences; else numbers of the global order
    first: int
    last: int
    since_ns: int = 0
    until_ns: int = FOREVER
    epoch: int = 0  # the epoch that number `first` - 1 must have; 0: any
    parts: bool = True  # false: all rows are in the summary
    among: tuple[bytes, ...] = ()  # keys that end with NUL, and prefixes: only these; empty: all with `topic`
    shown: tuple[bytes, ...] = ()  # likewise: of a replay of all, the own topics whose bodies it has (section 3.11)


def common_prefix(keys: Sequence[bytes]) -> bytes:
    """Return the longest beginning that all keys have; at least one key is needed."""
    least, most = min(keys), max(keys)
    length = next((at for at, (low, high) in enumerate(zip(least, most, strict=False)) if low != high), len(least))
    return least[:length]


def prefix_of(topic: str) -> bytes:
    """Return the common prefix of the topics' keys: one topic's, or that of a prefix, which ends with `.` or `*` or is empty."""
    name = topic.encode("ascii", "replace")
    return name.removesuffix(b"*") if name.endswith((b".", b"*")) or not name else name + NUL

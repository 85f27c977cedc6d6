"""Which ticks of a journal go out, and the spans of the messages that carry them. Pure.

Ticks that came in by a bridge do not go out again: each site sends its own ticks only, so that none can come back to its site, or
arrive by two ways. They are known by their prefix, which is the name of the site that they came from.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hulak.bus.wire.codec import NUL, STAMP
from hulak.clients.bridge.spans import FAMILIES, Row, Span

MOST_ROWS = 1024  # ticks in a message
COVERED = 50_000  # numbers without a tick that goes out, after which a message without ticks says so
MOST_MISSING = 100  # ranges remembered


@dataclass(frozen=True, slots=True)
class Position:
    """A number of the global order, and its epoch; zero before the first."""

    epoch: int = 0
    number: int = 0


class Missing:
    """Ranges of numbers that are missing for good: the newest ones, and how many numbers there were in all."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.count = 0

    def add(self, first: int, last: int) -> None:
        """Record a range, both ends inclusive."""
        self.count += last - first + 1
        self.ranges.append((first, last))
        del self.ranges[:-MOST_MISSING]


class Outgoing:
    """Makes spans of the rows of a journal.

    Args:
        received: the sites whose ticks come in here.
        most_rows: in a span; 1: each tick has a separate message.
        most_bytes: of the frames in a span.
    """

    def __init__(self, received: Collection[str], *, most_rows: int = MOST_ROWS, most_bytes: int = 1 << 18) -> None:
        self.most_rows = most_rows
        self.most_bytes = most_bytes
        self.position = Position()  # the last number that the spans cover
        self.read = Position()  # the last number that was read; those behind the position have no tick that goes out
        self.missing = Missing()
        self.too_large = 0  # ticks that no message can hold
        self._kept_out = tuple(family + site.encode("ascii") + b"." for family in FAMILIES for site in sorted(received))

    def resume(self, position: Position) -> None:
        """Continue behind a position: that of the stream's last message, or of a number that is used again."""
        self.position = self.read = position

    def lose(self, oldest: int) -> None:
        """Record that the journal begins with a later number than the next one."""
        known = self.position.number
        if known and oldest > known + 1:
            self.missing.add(known + 1, oldest - 1)
        self.resume(Position(self.position.epoch, max(known, oldest - 1)))

    def take(self, rows: Iterable[Row]) -> Iterator[Span]:
        """Yield the spans of rows that follow what was read; the position moves with each span.

        Args:
            rows: of the journal, in order.
        """
        chosen: list[Row] = []
        size, at_ns = 0, 0
        for number, frame in rows:
            before = self.read
            if number <= before.number:
                continue
            epoch, _, time_ns = STAMP.unpack_from(frame, frame.index(NUL) + 1)
            goes = frame.startswith(FAMILIES) and not frame.startswith(self._kept_out)
            hole = number > before.number + 1
            ends = hole or epoch != before.epoch or (goes and size + len(frame) > self.most_bytes)
            if ends and before.number > self.position.number:
                yield self._span(before, at_ns, chosen)
                chosen, size = [], 0
            if hole:
                self.lose(number)
            self.read, at_ns = Position(epoch, number), time_ns
            if goes and len(frame) <= self.most_bytes:
                chosen.append((number, frame))
                size += len(frame)
                if len(chosen) >= self.most_rows:
                    yield self._span(self.read, at_ns, chosen)
                    chosen, size = [], 0
            self.too_large += goes and len(frame) > self.most_bytes
        if chosen or self.read.number - self.position.number >= COVERED:
            yield self._span(self.read, at_ns, chosen)

    def _span(self, end: Position, time_ns: int, rows: list[Row]) -> Span:
        first, self.position = self.position.number + 1, end
        return Span(end.epoch, first, end.number, time_ns, rows)

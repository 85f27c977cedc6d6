"""Ticks read again: PROTOCOL.md section 7.3. Pure; the journal's bytes are read through a function that is passed in.

A replay goes through the journal in slices of a bounded size, one slice a turn of the loop, and ends after a bounded number of
bytes with the place where the next one goes on. So neither live ticks wait for it nor memory grows with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from bus.core.records import TICK, TICK_HEAD, needs, next_record, record_at
from bus.errors import ProtocolError
from bus.frames import NUL, STAMP

SLICE_BYTES = 1 << 16  # of the journal, a step: about 0.7 ms
PART_BYTES = 1 << 16  # of frames, in one PART
REPLY_BYTES = 1 << 20  # of frames, in all PARTs of one request: more is asked for again
MAX_MISSING = 100  # ranges named in one reply
ALL = b"ticks"
FOR_EVER = (1 << 63) - 1
Key = tuple[bytes, bytes]


class Place(Protocol):
    """A segment, as far as a replay must know it."""

    ticks: int  # number of the last tick before it
    size: int


class Library(Protocol):
    """What a replay reads from."""

    def read(self, place: Any, offset: int, size: int) -> bytes:
        """Read some bytes of a segment; fewer at its end, none if it is gone."""

    def after(self, place: Any) -> Any:
        """Return the segment behind this one, or None."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read again; both bounds are inclusive."""

    topic: bytes  # a key that ends with NUL, or a prefix, or empty for all
    exact: bool  # numbers are the topic's sequences; else those of the global order
    first: int
    last: int
    since_ns: int = 0
    until_ns: int = FOR_EVER


@dataclass(slots=True)
class Replay:
    """One request's way through the journal.

    Args:
        wanted: what.
        place: the segment to begin in.
        offset: where a record of it begins, at or before the first one wanted.
        end: number of the last tick to look at, in the global order: what comes later is live.
        last_known: the highest number there is, in the numbers of this request.
    """

    wanted: Wanted
    place: Any
    offset: int
    end: int
    last_known: int
    parts: int = 0  # sent
    rows: list[list[Any]] = field(default_factory=list)  # [number, frame], not yet sent
    rows_bytes: int = 0
    sent_bytes: int = 0
    count: int = 0
    expected: int = 0  # the number that comes next, if nothing is missing; 0 before the first
    missing: list[list[int]] = field(default_factory=list)  # [from, to] of what the journal does not have
    next: int | None = None  # where the following request goes on; None if this one saw the end
    ended: bool = False

    def __post_init__(self) -> None:
        if not self.wanted.since_ns and (self.wanted.exact or not self.wanted.topic):
            self.expected = self.wanted.first

    def step(self, library: Library) -> list[list[Any]] | None:
        """Read one slice; return a part's rows if one is full, or the last one; None if there is nothing to send yet."""
        data = library.read(self.place, self.offset, SLICE_BYTES)
        length = needs(data, 0)
        if length is not None and length > len(data):
            data = library.read(self.place, self.offset, length)
        if not data:
            self._next_segment(library)
        else:
            self._take(data, library)
        if self.rows and (self.ended or self.rows_bytes >= PART_BYTES):
            rows, self.rows, self.rows_bytes = self.rows, [], 0
            return rows
        return None

    def _next_segment(self, library: Library) -> None:
        following = library.after(self.place)
        if following is None or following.ticks >= self.end:
            self.ended = True
        else:
            self.place, self.offset = following, 0

    def _take(self, data: bytes, library: Library) -> None:
        at = 0
        while at < len(data) and not self.ended:
            record = record_at(data, at)
            if record is None:
                break
            at = record.end
            if record.kind == TICK:
                self._look(int.from_bytes(record.payload[:8], "big"), record.payload[TICK_HEAD.size :])
        if at == 0:
            at = self._over_damage(library)
        self.offset += at

    def _over_damage(self, library: Library) -> int:
        """What is at our place is no record: find how far the next whole one is."""
        rest = library.read(self.place, self.offset, self.place.size)
        following = next_record(rest, 1)
        return len(rest) if following is None else following.offset

    def _look(self, number: int, frame: bytes) -> None:
        wanted = self.wanted
        if number > self.end:
            self.ended = True
            return
        if not frame.startswith(wanted.topic):
            return
        _, sequence, time_ns = STAMP.unpack_from(frame, frame.index(NUL) + 1)
        place = sequence if wanted.exact else number
        if place < wanted.first or time_ns < wanted.since_ns:
            return
        if place > wanted.last or time_ns > wanted.until_ns:
            self.ended = True
            if place <= wanted.last:  # what comes later is not missing
                self._miss(place)
                self.expected = 0
            return
        if self.sent_bytes >= REPLY_BYTES:
            self.next = place
            self.ended = True
            return
        self._miss(place)
        self.expected = place + 1
        self.rows.append([number, frame])
        self.rows_bytes += len(frame)
        self.sent_bytes += len(frame)
        self.count += 1

    def _miss(self, place: int) -> None:
        if 0 < self.expected < place and (self.wanted.exact or not self.wanted.topic) and len(self.missing) < MAX_MISSING:
            self.missing.append([self.expected, place - 1])

    def summary(self) -> dict[str, Any]:
        """Make the value of the REPLY that ends it."""
        if self.next is None and self.expected:
            self._miss(min(self.wanted.last, self.last_known) + 1)
        return {"count": self.count, "next": self.next, "missing": self.missing}


class Replays:
    """The replays under way, taking turns.

    Args:
        library: the journal.
        most: at one time.
    """

    def __init__(self, library: Library, most: int = 64) -> None:
        self.library = library
        self.most = most
        self._running: list[tuple[Key, Replay]] = []
        self.served = 0

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, key: Key, replay: Replay) -> None:
        """Take one in.

        Args:
            key: who it is for, address and request id; given back by `turn`.
            replay: not begun.
        Raises:
            ProtocolError: `BUSY`.
        """
        if len(self._running) >= self.most:
            raise ProtocolError("BUSY", f"{self.most} replays are under way, no more are taken; try again in a second")
        self._running.append((key, replay))

    def turn(self) -> Iterator[tuple[Key, Replay, list[list[Any]]]]:
        """Let the first in line read one slice; yields what is to be sent for it, if anything, then puts it last."""
        if not self._running:
            return
        key, replay = self._running.pop(0)
        rows = replay.step(self.library)
        if not replay.ended:
            self._running.append((key, replay))
        else:
            self.served += 1
        if rows or replay.ended:
            yield key, replay, rows or []

    def drop(self, address: bytes) -> None:
        """Forget those of a client that is gone."""
        self._running = [one for one in self._running if one[0][0] != address]

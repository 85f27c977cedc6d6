"""Replays of ticks: PROTOCOL.md section 7.3. Pure; the journal's bytes are read through a source that is passed in.

A replay reads the journal in slices of a bounded size, one slice per turn of the loop, and ends after a bounded number of bytes
with the place where the next request continues. So it neither delays live ticks nor grows memory. The index of each segment
has the places of its ticks: only the requested ticks of a segment are read.
"""

import zlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hulak.bus.core.journal.compressed_segment import BLOCK_BYTES, few_blocks
from hulak.bus.core.journal.record_format import CHECKED_FROM, HEAD_BYTES, MAGIC, TICK, TICK_BYTES, TICK_NUMBER
from hulak.bus.core.journal.segment_index import SegmentIndex, TopicOrdinals
from hulak.bus.wire.codec import NUL, STAMP
from hulak.bus.wire.names import OWN_TOPICS
from hulak.bus.wire.own_names import without_body
from hulak.bus.wire.replay_range import FOREVER, ReplayRange

SLICE_BYTES = 1 << 16  # of the journal, per step
NEAR_BYTES = 8192  # gap between two records of a topic: a smaller one is read along, a larger one starts another read
SLICE_TICKS = 512  # ticks of one topic that are searched, per step
SEARCHED = 8192  # ticks of a segment that are searched for several topics, per step
BLOCKS = 8  # of a compressed segment that are decompressed, per step: about a millisecond
SKIPPED = 4096  # ticks of a topic that are skipped to reach the first requested one, per step
PART_BYTES = 1 << 16  # of frames, in one PART
REPLY_BYTES = 1 << 20  # of frames, in all PARTs of one request: the rest needs another request
NONE: Collection[int] = frozenset()
MAX_MISSING = 100  # ranges named in one reply


class ReplaySegment(Protocol):
    """The attributes of a segment that a replay needs."""

    ticks: int  # number of the last tick before it
    size: int

    @property
    def compressed(self) -> bool:
        """Whether reading a tick decompresses a block."""


class ReplaySource(Protocol):
    """The journal, as a replay reads it."""

    def reader(self, place: Any) -> Callable[[int, int], bytes]:
        """Return a function that reads bytes of a segment, by size and offset; fewer at its end, none if it was removed."""

    def after(self, place: Any) -> Any:
        """Return the segment behind this one, or None."""

    def index(self, place: Any) -> SegmentIndex | None:
        """Return a segment's index; None if it has none yet: then `work` builds it."""

    def work(self, place: Any) -> bool:
        """Build the next piece of a segment's index; return false if it cannot have one."""

    def remember(self, wanted: ReplayRange, following: int, place: Any, at: int) -> None:
        """Remember where a replay that reached its size limit continues."""


NumberedFrames = list[tuple[int, bytes]]


@dataclass(slots=True)
class Replay:
    """The replay of one request.

    Args:
        wanted: range to replay.
        place: the segment to start in.
        end: number of the last tick to read, in the global order: later ticks are live.
        last_known: the highest existing number, in the numbers of this request.
        at: the tick of the segment to start with, from 0; None: the first requested one is searched.
        waits: ticks behind `last_known` wait for the journal's disk: they are not missing, and need another request.
    """

    wanted: ReplayRange
    place: Any
    end: int
    last_known: int
    at: int | None = None
    waits: bool = False
    parts: int = 0  # sent
    rows: NumberedFrames = field(default_factory=list)  # number, frame; not yet sent
    rows_bytes: int = 0
    sent_bytes: int = 0
    count: int = 0
    expected: int = 0  # the next number, if nothing is missing; 0 before the first
    missing: list[list[int]] = field(default_factory=list)  # [from, to] of ticks that the journal does not have
    next: int | None = None  # where the next request continues; None if this one reached the end
    ended: bool = False
    _over: int = 0  # ticks of the topic to skip before the first requested one
    # The ordinals that were searched for the prefix, and their number.
    _known: tuple[TopicOrdinals | None, int] = (None, 0)
    _under: Collection[int] | None = None  # ordinals under the prefix; None: all
    _of_all: bool = False  # a replay of `ticks`
    _numbered: bool = False  # missing ticks are known: the request covers all numbers

    def __post_init__(self) -> None:
        self._of_all = not (self.wanted.exact or self.wanted.topic or self.wanted.among)
        self._numbered = self.wanted.exact or self._of_all
        if self._numbered and not self.wanted.since_ns:
            self.expected = self.wanted.first

    def step(self, source: ReplaySource) -> NumberedFrames | None:
        """Read one slice; return the rows of a part that is full or the last one; None if there is nothing to send yet."""
        index = source.index(self.place)
        if index is None:
            if not source.work(self.place):
                self._next_segment(source)
        elif self._outside(index):
            self._next_segment(source)
        else:
            self._slice(index, source)
        if self.wanted.parts and self.rows and (self.ended or self.rows_bytes >= PART_BYTES):
            rows, self.rows, self.rows_bytes = self.rows, [], 0
            return rows
        return None

    def _outside(self, index: SegmentIndex) -> bool:
        """Return whether no stamp of a segment is within the requested times; then its missing ticks are not reported."""
        outside = index.most_ns < self.wanted.since_ns or index.least_ns > self.wanted.until_ns
        if outside and self.expected:
            self.expected = 0 if self.wanted.exact else max(self.expected, index.behind)
        return outside

    def _next_segment(self, source: ReplaySource) -> None:
        following = source.after(self.place)
        if following is None or following.ticks >= self.end:
            self.ended = True
        else:
            self.place, self.at = following, None

    def _slice(self, index: SegmentIndex, source: ReplaySource) -> None:
        if self.at is None:
            self._enter(index)
        assert self.at is not None, "a segment that was entered has a place to start at"
        until = min(index.count, self.end - index.first + 1)
        places, at = self._places(index, self.at, until)
        if places and not self._read(index, source, places):
            at = until  # the segment was removed
        if self.ended:
            if self.next is not None:
                source.remember(self.wanted, self.next, self.place, self.at)
        elif at >= until:
            self._next_segment(source)
        else:
            self.at = at

    def _enter(self, index: SegmentIndex) -> None:
        """Find the first requested tick of a segment: a number directly, a sequence by counting."""
        wanted = self.wanted
        if not wanted.exact:
            self.at = max(0, wanted.first - index.first)
            return
        self.at = 0
        before = index.number_before(wanted.topic)
        self._over = 0 if before is None or index.holes else max(0, wanted.first - 1 - before)

    def _places(self, index: SegmentIndex, at: int, until: int) -> tuple[Sequence[int], int]:
        """Find the next ticks to read; return their places, and the place to continue at."""
        if at >= until:
            return (), until
        chosen = self._chosen(index)
        if chosen is None:
            behind = bisect_right(index.offsets, index.offsets[at] + SLICE_BYTES, at + 1, until + 1) - 1
            behind = max(at + 1, behind)
            return range(at, behind), behind
        if len(chosen) == 1:
            places, behind = self._of_one(index, next(iter(chosen)), at, until)
        else:
            behind = min(until, at + SEARCHED)
            places = index.find_any(chosen, at, behind) if chosen else []
        most = few_blocks(index.offsets, places, BLOCK_BYTES, BLOCKS) if self.place.compressed else SLICE_TICKS
        most = min(most, SLICE_TICKS)
        return (places, behind) if len(places) <= most else (places[:most], places[most])

    def _of_one(self, index: SegmentIndex, ordinal: int, at: int, until: int) -> tuple[list[int], int]:
        if self._over:
            passed, behind = index.find(ordinal, at, min(self._over, SKIPPED))
            self._over = self._over - len(passed) if behind < until else 0
            return [], behind
        places, behind = index.find(ordinal, at, SLICE_TICKS)
        if places and places[-1] >= until:
            places = places[: bisect_right(places, until - 1)]
        return places, behind

    def _chosen(self, index: SegmentIndex) -> Collection[int] | None:
        """Return the ordinals of the requested topics; None: all topics."""
        wanted = self.wanted
        if wanted.exact:
            ordinal = index.topics.find(wanted.topic)
            return () if ordinal is None else (ordinal,)
        return None if self._of_all else self._covered(index, *(wanted.among or (wanted.topic,)))

    def _covered(self, index: SegmentIndex, *prefixes: bytes) -> Collection[int] | None:
        """Return the ordinals of the topics that prefixes cover; None: all topics."""
        known = index.topics, len(index.topics.keys)
        if self._known != known:
            self._known, self._under = known, index.topics.under(*prefixes)
        return self._under

    def _read(self, index: SegmentIndex, source: ReplaySource, places: Sequence[int]) -> bool:
        """Read the records at some places, adjacent ones in one read; return false if the segment was removed."""
        offsets, read = index.offsets, source.reader(self.place)
        count = len(places)
        if isinstance(places, range) or offsets[places[-1]] - offsets[places[0]] <= NEAR_BYTES * count:
            begin = offsets[places[0]]
            while begin < offsets[places[-1] + 1]:
                behind = bisect_right(places, begin + SLICE_BYTES, key=lambda place: offsets[place + 1]) or 1
                some, places = places[:behind], places[behind:]
                data = read(offsets[some[-1] + 1] - begin, begin)
                if not data:
                    return False
                if not self._records(index, some, data, begin) or not places:
                    return True
                begin = offsets[places[0]]
            return True
        for place in places:
            begin = offsets[place]
            data = read(offsets[place + 1] - begin, begin)
            if not data:
                return False
            if not self._records(index, (place,), data, begin):
                break
        return True

    def _records(self, index: SegmentIndex, places: Sequence[int], data: bytes, base: int) -> bool:
        """Add the whole records at some places; return false if the replay ends before one of them."""
        offsets, first, crc32, record = index.offsets, index.first, zlib.crc32, TICK_NUMBER.unpack_from
        view, size = memoryview(data), len(data)
        rows: NumberedFrames = []
        for place in places:
            at = offsets[place] - base
            if at + TICK_BYTES > size:
                continue
            magic, crc, kind, _, length, number = record(data, at)
            end = at + HEAD_BYTES + length
            whole = magic == MAGIC and kind == TICK and number == first + place and end <= size
            if whole and crc32(view[at + CHECKED_FROM : end]) == crc:
                rows.append((number, data[at + TICK_BYTES : end]))
        if self._of_all and self._covered(index, OWN_TOPICS) != NONE:
            rows = [(number, self._without_own(frame)) for number, frame in rows]
        if rows and not self._take_all(rows):
            for number, frame in rows:
                if not self._take(number, frame):
                    self.at = number - first
                    return False
        return True

    def _without_own(self, frame: bytes) -> bytes:
        """Return a frame as a replay of `ticks` has it: the body of an own topic's message is not in it, unless requested."""
        shown = self.wanted.shown
        return without_body(frame) if frame.startswith(OWN_TOPICS) and not (shown and frame.startswith(shown)) else frame

    def _take_all(self, rows: NumberedFrames) -> bool:
        """Add many ticks at once, which costs less; return false, and add none, if any of them has to be checked by itself."""
        wanted, size = self.wanted, sum([len(frame) for _, frame in rows])
        begin, end = rows[0][0], rows[-1][0]
        plain = not (wanted.exact or wanted.since_ns) and wanted.until_ns == FOREVER
        holes = self._numbered and end - begin >= len(rows)
        if not plain or holes or end > wanted.last or self.sent_bytes + size > REPLY_BYTES:
            return False
        self._miss(begin)
        self.expected = end + 1
        self.rows += rows
        self.rows_bytes += size
        self.sent_bytes += size
        self.count += len(rows)
        return True

    def _take(self, number: int, frame: bytes) -> bool:
        """Add one tick, or skip it; return false if the replay ends before it."""
        wanted, place = self.wanted, number
        if wanted.exact or wanted.until_ns != FOREVER or wanted.since_ns:
            _, sequence, time_ns = STAMP.unpack_from(frame, len(wanted.topic) if wanted.exact else frame.index(NUL) + 1)
            place = sequence if wanted.exact else number
            if place < wanted.first:
                return True
            if not wanted.since_ns <= time_ns <= wanted.until_ns:
                if self.expected:
                    self._miss(place)
                    self.expected = place + 1
                return place <= wanted.last or self._end()
        if place > wanted.last:
            if self.expected:
                self._miss(wanted.last + 1)
            self.expected = 0  # later ticks are not missing
            return self._end()
        if self.sent_bytes >= REPLY_BYTES:
            self.next = place
            return self._end()
        self._miss(place)
        self.expected = place + 1
        self.rows.append((number, frame))
        self.rows_bytes += len(frame)
        self.sent_bytes += len(frame)
        self.count += 1
        return True

    def _end(self) -> bool:
        self.ended = True
        return False

    def _miss(self, place: int) -> None:
        if 0 < self.expected < place and self._numbered and len(self.missing) < MAX_MISSING:
            self.missing.append([self.expected, place - 1])

    def summary(self) -> dict[str, Any]:
        """Return the value of the REPLY that ends it."""
        if self.next is None and self.waits and self.last_known < self.wanted.last:
            self.next = self.last_known + 1
        if self.next is None and self.expected:
            self._miss(min(self.wanted.last, self.last_known) + 1)
        value = {"count": self.count, "next": self.next, "missing": self.missing}
        return value if self.wanted.parts else {**value, "ticks": self.rows}

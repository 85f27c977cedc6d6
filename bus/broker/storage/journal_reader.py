"""Reads of the journal: where a replay begins, the bytes of its segments, and their indexes."""

from collections import OrderedDict
from collections.abc import Callable

from msgspec.structs import replace

from hulak.bus.broker.storage.journal import Journal
from hulak.bus.broker.storage.journal_segments import Segment, index_path
from hulak.bus.broker.storage.segment_file import SegmentFile, read_head
from hulak.bus.core.journal.segment_index import IndexBuilder, SegmentIndex
from hulak.bus.core.ticks.replay import SLICE_BYTES, Replay
from hulak.bus.core.ticks.topic_logs import TopicLogs
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import STAMP
from hulak.bus.wire.replay_range import ReplayRange

OPEN_FILES = 16
INDEX_BYTES = 32 << 20  # of indexes kept in memory, at most; a single one may be larger
REMEMBERED = 1024  # places kept where replays of a topic that were cut short continue
LATEST = 4096  # ticks of a topic, from its last one back, that are found by counting back


class JournalReader:
    """Reads the segments of a journal that is being written.

    Args:
        journal: open.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._files: OrderedDict[int, SegmentFile] = OrderedDict()  # by serial
        self._indexes: OrderedDict[int, SegmentIndex] = OrderedDict()  # serial -> index
        self._builders: dict[int, tuple[IndexBuilder, int]] = {}  # serial -> builder, bytes read
        self._without: set[int] = set()  # serials of segments that can have no index
        self._places: OrderedDict[tuple[bytes, int], tuple[Segment, int]] = OrderedDict()  # topic, sequence -> place
        journal.segment_files.left = self._forget

    def read(self, place: Segment, offset: int, size: int) -> bytes:
        """Read bytes of a segment, none after its last whole write; empty if it was deleted meanwhile."""
        size = min(size, place.size - offset)
        if size <= 0:
            return b""
        try:
            return self._file(place).read(size, offset)
        except (OSError, ProtocolError):
            return b""

    def reader(self, place: Segment) -> Callable[[int, int], bytes]:
        """Return a function that reads bytes of a segment, by size and offset; valid until `reader` or `read` is called again."""
        try:
            return self._file(place).read
        except (OSError, ProtocolError):
            return _nothing

    def _file(self, place: Segment) -> SegmentFile:
        file = self._files.get(place.serial)
        if file is None:
            file = self._files[place.serial] = SegmentFile(place.path)
            if len(self._files) > OPEN_FILES:
                self._files.popitem(last=False)[1].close()
        self._files.move_to_end(place.serial)
        return file

    def _forget(self, serial: int) -> None:
        """Close a file that was replaced or deleted: its space on the disk is free only then."""
        file = self._files.pop(serial, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def after(self, place: Segment) -> Segment | None:
        """Return the segment after this one; None if it is the newest."""
        segments = self.journal.segments
        low, high = 0, len(segments)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if segments[middle].serial <= place.serial else (low, middle)
        return segments[low] if low < len(segments) else None

    # Indexes

    def index(self, place: Segment) -> SegmentIndex | None:
        """Return a segment's index; None if it has none yet: then `work` makes it."""
        if place.index is not None:
            return place.index
        index = self._indexes.get(place.serial)
        if index is None:
            index = self._load(place)
            if index is not None:
                self._keep(place, index)
        else:
            self._indexes.move_to_end(place.serial)
        return index

    def _load(self, place: Segment) -> SegmentIndex | None:
        try:
            return SegmentIndex.decode(index_path(place.path).read_bytes(), place.size, place.ticks + 1)
        except (OSError, ProtocolError):
            return None

    def _keep(self, place: Segment, index: SegmentIndex) -> None:
        place.times = index.least_ns, index.most_ns
        self._indexes[place.serial] = index
        size = sum(8 * kept.count for kept in self._indexes.values())
        while size > INDEX_BYTES and len(self._indexes) > 1:
            size -= 8 * self._indexes.popitem(last=False)[1].count

    def work(self, place: Segment) -> bool:
        """Read one slice of a segment for its index; false if it can have none, or was deleted."""
        if place.serial in self._without or not place.path.exists():
            self._builders.pop(place.serial, None)
            return False
        if place.serial not in self._builders:
            self._builders[place.serial] = IndexBuilder(read_head(place.path), place.ticks + 1), 0
        builder, offset = self._builders[place.serial]
        try:
            used = self._slice(place, builder, offset)
        except ProtocolError:
            self._without.add(place.serial)
            del self._builders[place.serial]
            return False
        self._builders[place.serial] = builder, offset + used
        if offset + used >= place.size:
            del self._builders[place.serial]
            place.index = builder.index
            self._keep(place, builder.index)
            self.journal.segment_files.save_index(place)
        return True

    def _slice(self, place: Segment, builder: IndexBuilder, offset: int) -> int:
        data = self.read(place, offset, SLICE_BYTES)
        used = builder.take(data, offset, last=offset + len(data) >= place.size)
        if not used:  # a record is longer than a slice, or is damaged
            data = self.read(place, offset, place.size)
            used = builder.take(data, offset, last=True)
        return used or place.size

    # Where a replay begins

    def begin(self, wanted: ReplayRange, topics: TopicLogs) -> Replay:
        """Return a replay at the place where it begins.

        Raises:
            ProtocolError: `TOO_OLD`, with the oldest number kept; `UNKNOWN_TOPIC`; `OTHER_EPOCH`; `BUSY`.
        """
        log = topics.logs.get(wanted.topic)
        if wanted.exact and (log is None or log.transient):
            seen = "has had no message, or was removed" if log is None else "is not journalled"
            raise ProtocolError("UNKNOWN_TOPIC", f"topic {wanted.topic[:-1].decode()!r} {seen}")
        began = 1 + topics.ended.get(wanted.topic, 0) if wanted.exact else 1
        by_time = bool(wanted.since_ns and wanted.first <= 1)
        if wanted.first < began:
            if not by_time:
                raise removed(wanted.first, began)
            wanted = replace(wanted, first=began)
        last, end = self._written(wanted, topics)
        waits = end < topics.ticks
        if waits and wanted.first > last:
            raise ProtocolError("BUSY", f"the ticks after {last} wait for the journal's disk; try again in a second")
        if wanted.epoch:
            self._check_epoch(wanted, topics)
        if not self.journal.segments:
            raise too_old(wanted.first, topics.ticks + 1)
        if by_time:
            place, at = self._by_time(wanted), None
        elif log is not None and wanted.exact:
            place, at = self._by_sequence(wanted, log.sequence)
        else:
            place, at = self._by_number(wanted.first), None
        return Replay(wanted, place, end, last, at, waits)

    def _written(self, wanted: ReplayRange, topics: TopicLogs) -> tuple[int, int]:
        """Return the last number that can be read: in the numbers of the request, and in the global order.

        While the journal cannot be written, ticks wait in memory; they are not missing, unless the memory for them is full.
        """
        held = self.journal.held
        log = topics.logs[wanted.topic] if wanted.exact else None
        if not held.ticks or held.full:
            return topics.ticks if log is None else log.sequence, topics.ticks
        end = self.journal.last
        return end if log is None else log.sequence - held.count(log.ordinal), end

    def _check_epoch(self, wanted: ReplayRange, topics: TopicLogs) -> None:
        number, segments = wanted.first - 1, self.journal.segments
        epoch = 0 if number > topics.ticks or not segments else self._epoch_of(number, topics)
        if number and epoch != wanted.epoch:
            error = ProtocolError("OTHER_EPOCH", f"number {number} was given under epoch {epoch}, not under {wanted.epoch}")
            error.details["epoch"] = epoch
            raise error

    def _epoch_of(self, number: int, topics: TopicLogs) -> int:
        """Return the epoch of a number; of one that is no longer kept, the epoch of the oldest that is."""
        place = self._holding(max(number, self.journal.segments[0].ticks + 1))
        index = self.index(place)
        if index is not None and index.count:
            return index.epoch_at(max(number, index.first))
        if index is not None:  # no tick is kept at all: the last tick has the epoch of one of the last values
            return max((STAMP.unpack_from(log.frame, len(key))[0] for key, log in topics.fed.items() if log.frame), default=0)
        head = read_head(place.path)
        return head.epoch if head is not None else 0

    def _holding(self, number: int) -> Segment:
        """Return the segment that has a number, or would have it."""
        segments = self.journal.segments
        low, high = 0, len(segments)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if segments[middle].ticks < number else (low, middle)
        return segments[low]

    def _by_number(self, number: int) -> Segment:
        oldest = self.journal.segments[0].ticks + 1
        if number < oldest:
            error = too_old(number, oldest)
            error.details["oldest_ns"] = self.journal.segments[0].since_ns
            raise error
        return self._holding(number)

    def _by_time(self, wanted: ReplayRange) -> Segment:
        """Return the first segment that may have a stamp in the times wanted; the clock may have been set back in between."""
        segments = self.journal.segments
        return next(
            (segment for segment in segments if segment.times is None or segment.times[1] >= wanted.since_ns), segments[-1]
        )

    def _by_sequence(self, wanted: ReplayRange, last: int) -> tuple[Segment, int | None]:
        segments = self.journal.segments
        known = self._places.get((wanted.topic, wanted.first))
        if known is not None and known[0].serial >= segments[0].serial:
            return known
        newest = segments[-1]
        if newest.index is not None and 0 <= last - wanted.first < LATEST:
            ordinal = newest.index.topics.find(wanted.topic)
            at = None if ordinal is None else newest.index.find_last(ordinal, last - wanted.first + 1)
            if at is not None:
                return newest, at
        low, high = 0, len(segments)  # the last segment that begins before the message, by bisection
        while high - low > 1:
            middle = (low + high) // 2
            before = self._before(segments[middle], wanted.topic)
            low, high = (middle, high) if before is not None and before < wanted.first else (low, middle)
        before = self._before(segments[low], wanted.topic)
        if before is None or before >= wanted.first:
            raise too_old(wanted.first, (before or 0) + 1)
        return segments[low], None

    def _before(self, place: Segment, topic: bytes) -> int | None:
        """Return a topic's sequence at a segment's beginning; None if it is unknown."""
        index = self.index(place)
        if index is not None:
            return index.number_before(topic)
        head = read_head(place.path)
        if head is None:
            return None
        return head.sequences().get(topic, head.floor)

    def remember(self, wanted: ReplayRange, following: int, place: Segment, at: int) -> None:
        """Record the place after the last message of a replay, for a request that continues there."""
        if wanted.exact:
            self._places[wanted.topic, following] = place, at
            if len(self._places) > REMEMBERED:
                self._places.popitem(last=False)


def _nothing(size: int, offset: int) -> bytes:
    """Read from a segment that was deleted."""
    del size, offset
    return b""


def removed(wanted: int, began: int) -> ProtocolError:
    """Return the error of a replay of numbers that a topic had before it was removed and created again."""
    error = ProtocolError("TOO_OLD", f"number {wanted} is of a removed topic of this name, the present one begins with {began}")
    error.details |= {"oldest": began, "begins": True}
    return error


def too_old(wanted: int, oldest: int) -> ProtocolError:
    """Return the error of a replay that begins before the journal does."""
    error = ProtocolError("TOO_OLD", f"number {wanted} is no longer kept, the oldest is {oldest}")
    error.details["oldest"] = oldest
    return error

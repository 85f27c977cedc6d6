"""The journal, read again: where a replay begins, and the bytes it goes through."""

import os
from collections import OrderedDict
from typing import Any

from bus.core.replay import FOR_EVER, Replay, Wanted
from bus.core.topics import Topics
from bus.errors import ProtocolError
from bus.frames import STAMP
from bus.journal import Journal
from bus.recovery import read_head
from bus.shelf import Segment

OPEN_FILES = 16


class Library:
    """Reads the segments of a journal that is being written.

    Args:
        journal: open.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._files: OrderedDict[str, int] = OrderedDict()

    def read(self, place: Segment, offset: int, size: int) -> bytes:
        """Read some bytes of a segment, none beyond what was written whole; empty if it was let go meanwhile."""
        size = min(size, place.size - offset)
        if size <= 0:
            return b""
        try:
            return os.pread(self._file(place), size, offset)
        except OSError:
            return b""

    def _file(self, place: Segment) -> int:
        name = str(place.path)
        fd = self._files.get(name)
        if fd is None:
            fd = self._files[name] = os.open(place.path, os.O_RDONLY)
            if len(self._files) > OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
        self._files.move_to_end(name)
        return fd

    def close(self) -> None:
        """Close all files."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def after(self, place: Segment) -> Segment | None:
        """Return the segment behind this one; None if it is the newest."""
        for one in self.journal.segments:
            if one.serial > place.serial:
                return one
        return None

    def begin(self, wanted: Wanted, topics: Topics) -> Replay:
        """Find where a replay begins.

        Raises:
            ProtocolError: `TOO_OLD`, with the oldest number that there is; `UNKNOWN_TOPIC`.
        """
        segments = self.journal.segments
        log = topics.logs.get(wanted.topic)
        if wanted.exact and log is None:
            raise ProtocolError("UNKNOWN_TOPIC", f"topic {wanted.topic[:-1].decode()!r} has had no message")
        last = log.sequence if wanted.exact and log is not None else topics.ticks
        if wanted.since_ns:
            place = next((one for one in reversed(segments) if one.since_ns <= wanted.since_ns), segments[0])
            return Replay(wanted, place, 0, topics.ticks, last)
        found = self._by_sequence(wanted, topics) if wanted.exact else self._by_number(wanted.first)
        return Replay(wanted, *found, topics.ticks, last)

    def _by_number(self, number: int) -> tuple[Segment, int]:
        oldest = self.journal.segments[0].ticks + 1
        if number < oldest:
            raise too_old(number, oldest)
        for segment in reversed(self.journal.segments):
            if segment.ticks < number:
                return segment, _offset(segment, number)
        raise too_old(number, oldest)  # never: the first one has `ticks` below `oldest`

    def _by_sequence(self, wanted: Wanted, topics: Topics) -> tuple[Segment, int]:
        marked = topics.logs[wanted.topic].number_at(wanted.first)
        segments = self.journal.segments
        if marked is not None and marked > segments[0].ticks:
            return self._by_number(marked)
        low, high = 0, len(segments)  # the last segment that begins before the message, by bisection
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _sequence_before(segments[middle], wanted.topic) < wanted.first else (low, middle)
        before = _sequence_before(segments[low], wanted.topic)
        if before >= wanted.first:
            raise too_old(wanted.first, before + 1)
        return segments[low], 0


def too_old(wanted: int, oldest: int) -> ProtocolError:
    """Make the error of a replay that begins before the journal does."""
    error = ProtocolError("TOO_OLD", f"number {wanted} is not kept any more, the oldest is {oldest}")
    error.details["oldest"] = oldest
    return error


def _offset(segment: Segment, number: int) -> int:
    offset = 0
    for marked, at in zip(segment.marks[::2], segment.marks[1::2], strict=True):
        if marked > number:
            break
        offset = at
    return offset


def _sequence_before(segment: Segment, key: bytes) -> int:
    """Read the topic's sequence at a segment's beginning; for ever, if its head is gone: nothing can be read there."""
    head = read_head(segment.path)
    if head is None:
        return FOR_EVER
    frame: Any = head.topics.get(key)
    return STAMP.unpack_from(frame, len(key))[1] if frame else 0

"""The ticks of a segment as frames for tables, some at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hulak.bus.core.journal.record_format import HEAD_BYTES, TICK, TICK_BYTES, Record, scan, tick_ends
from hulak.clients.tables.frame_tables import CHUNK, WORD, Frames


def frames_of(data: bytes) -> Iterator[Frames]:
    """Yield all ticks of a segment in order; bytes that are no record are skipped, as `hulak journal verify` does."""
    at = 0
    while at < len(data):
        ends = np.array(tick_ends(data, at, CHUNK), np.int64)
        if ends.size:
            begins = np.concatenate(([at], ends[:-1]))
            yield from _frames(data, begins, ends).chunks()
            at = int(ends[-1])
        if ends.size < CHUNK:  # a snapshot, damage, or the end
            entry = next(scan(data, at), None)
            if entry is None:
                return
            at = entry.end if not (isinstance(entry, Record) and entry.kind == TICK) else at


def _frames(data: bytes, begins: NDArray[Any], ends: NDArray[Any]) -> Frames:
    heads = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), TICK_BYTES)[begins]
    numbers, feeds, feed_numbers = (
        np.ascontiguousarray(heads[:, place : place + WORD]).view(">u8").ravel().astype(np.uint64)
        for place in range(HEAD_BYTES, TICK_BYTES, WORD)
    )
    return Frames(data, begins + TICK_BYTES, ends, numbers, feeds, feed_numbers)

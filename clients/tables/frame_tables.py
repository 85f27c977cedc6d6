"""Frames to Arrow tables, many at a time.

Frames of the same length are compared with the layout of one of them (`body_layout`), and the values of those that match are read
as vectors. All others are read one by one (`columns.read_row`). Both ways give the same table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hulak.clients.tables.body_layout import Layout, layout_of
from hulak.clients.tables.coded import codes_of
from hulak.clients.tables.columns import DOUBLE, INT64, TEXT, Row, read_row
from hulak.clients.tables.schema import CODED, NUMBER, NUMPY, kinds_of
from hulak.clients.tables.table_builder import TableBuilder, Values

CHUNK, CHUNK_BYTES = 1 << 17, 32 << 20  # frames, and bytes of them, that are read at once: a bound of memory
FEW = 48  # frames that are not worth a layout
TRIES = 24  # layouts of one length that are tried
BLOCK = 1 << 14  # frames that are compared at once: a bound of memory too
WORD = 8  # bytes that are compared at once
STAMPED = ("epoch", "sequence", "time")  # the parts of a stamp, 8 bytes each

Vector = NDArray[Any]


@dataclass(slots=True)
class Frames:
    """Frames in one buffer, in the order of their numbers; at least `WORD` - 1 bytes of it are before the first frame."""

    data: bytes
    starts: Vector  # int64; of the first bytes of the frames
    ends: Vector  # int64; behind their last
    numbers: Vector  # uint64; in the global order
    feeds: Vector | None = None  # uint64; None: unknown
    feed_numbers: Vector | None = None  # uint64; None: unknown

    def __len__(self) -> int:
        return len(self.starts)

    def frame(self, at: int) -> bytes:
        """Return the bytes of one frame."""
        return self.data[self.starts[at] : self.ends[at]]

    def only(self, which: Any) -> "Frames":
        """Return some of the frames: a slice, or a vector of places or of bools."""
        feeds = None if self.feeds is None else self.feeds[which]
        feed_numbers = None if self.feed_numbers is None else self.feed_numbers[which]
        return Frames(self.data, self.starts[which], self.ends[which], self.numbers[which], feeds, feed_numbers)

    def chunks(self) -> Iterator["Frames"]:
        """Yield the frames in chunks for `tables_of`; a single frame may be larger than a chunk."""
        first = 0
        while first < len(self):
            end = int(np.searchsorted(self.ends, self.starts[first] + CHUNK_BYTES, "right"))
            end = min(max(end, first + 1), first + CHUNK)
            yield self.only(slice(first, end))
            first = end


def frames_in(rows: list[tuple[int, bytes]]) -> Frames:
    """Return frames that are apart, given with their numbers, in one buffer."""
    sizes = np.fromiter((len(frame) for _, frame in rows), np.int64, len(rows))
    ends = np.cumsum(sizes) + WORD
    data = bytes(WORD) + b"".join(frame for _, frame in rows)
    return Frames(data, ends - sizes, ends, np.fromiter((number for number, _ in rows), np.uint64, len(rows)))


def tables_of(frames: Frames, *, by_symbol: bool = False) -> dict[str, Any]:
    """Return the tables (`pyarrow.Table`) of a chunk of frames, by name.

    Args:
        frames: of `Frames.chunks`.
        by_symbol: in the order of symbols, and of numbers within one; else of numbers.
    """
    builders: dict[str, TableBuilder] = {}
    sizes = frames.ends - frames.starts
    order = np.argsort(sizes.astype(np.uint16) if sizes.size and sizes.max() < 1 << 16 else sizes, kind="stable")
    cuts = np.union1d(np.flatnonzero(np.diff(sizes[order])) + 1, np.arange(BLOCK, len(order), BLOCK))
    alone = [_same_size(builders, frames, rows) for rows in np.split(order, cuts)]
    _one_by_one(builders, frames, np.sort(np.concatenate(alone)))
    known = {"number": frames.numbers, "feed": frames.feeds, "feed_number": frames.feed_numbers}
    return {name: builder.join(known, by_symbol=by_symbol) for name, builder in sorted(builders.items())}


def _same_size(builders: dict[str, TableBuilder], frames: Frames, rows: Vector) -> Vector:
    """Read the frames of one length that have a layout in common with others; return the rest."""
    alone = []
    for _ in range(TRIES):
        if rows.size < FEW:
            break
        layout = layout_of(frames.frame(int(rows[0])))
        if layout is None:
            alone.append(rows[:1])
            rows = np.roll(rows[1:], -(rows.size // 3))  # the next try is elsewhere
            continue
        matrix, alike = _alike(frames, rows, layout)
        good = _read_layout(builders, rows[alike], matrix if alike.all() else matrix[alike], layout)
        alone.append(rows[alike][~good])
        rows = rows[~alike]
    return np.concatenate([*alone, rows])


def _alike(frames: Frames, rows: Vector, layout: Layout) -> tuple[Vector, Vector]:
    """Return the bytes of frames of one length, a row each, and which of them have the layout of the first."""
    width = -(-layout.size // WORD) * WORD
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(frames.data, np.uint8), width)
    matrix = windows[frames.ends[rows] - width]
    mask = np.full(width, 0xFF, np.uint8)
    before = width - layout.size
    mask[:before] = 0
    for at, length in layout.free:
        mask[before + at : before + at + length] = 0
    words = matrix.view(np.uint64)
    different = (words ^ words[0]) & mask.view(np.uint64)
    return matrix[:, before:], ~different.any(axis=1)


def _read_layout(builders: dict[str, TableBuilder], rows: Vector, matrix: Vector, layout: Layout) -> Vector:
    """Add the frames of a layout to their table; return which of them could be read so."""
    builder = builders.get(layout.table) or TableBuilder(layout.table, layout.root)
    kinds = kinds_of(layout.table)
    at, length = layout.symbol
    symbol = matrix[:, at : at + length]
    columns = {"symbol": builder.codes("symbol").renumber(*codes_of(symbol, layout.root))}
    good = columns["symbol"] >= 0
    for other in layout.symbols:
        good &= (symbol == matrix[:, other : other + length]).all(axis=1)
    for number, name in enumerate(STAMPED):
        columns[name] = _big_endian(matrix, layout.stamp + WORD * number, WORD)
    for place in layout.places:
        if place.kind == TEXT:
            block = matrix[:, place.offset : place.offset + place.width]
            columns[place.name] = builder.codes(place.name).renumber(*codes_of(block))
            good &= columns[place.name] >= 0
        else:
            columns[place.name] = _big_endian(matrix, place.offset, place.width)
    for name, values in columns.items():
        if kinds[name] == DOUBLE:
            columns[name] = values.view(np.float64)
        elif kinds[name] not in {TEXT, NUMBER}:
            good &= values < INT64
            columns[name] = values.view(np.int64)  # numpy would join signed and unsigned numbers as floats
    for name, value in layout.constants.items():
        is_coded = kinds[name] in CODED
        cell, kind = (builder.codes(name).code(value), np.int32) if is_coded else (value, NUMPY[kinds[name]])
        columns[name] = np.full(len(rows), cell, kind)
    parts: dict[str, Values] = {name: (values if good.all() else values[good], None) for name, values in columns.items()}
    if good.any():
        builders[layout.table] = builder
        builder.add(rows[good], parts)
    return good


def _big_endian(matrix: Vector, offset: int, width: int) -> Vector:
    """Return the unsigned numbers at a place of all rows."""
    values: Vector = np.ascontiguousarray(matrix[:, offset : offset + width]).view(f">u{width}").ravel().astype(np.uint64)
    return values


def _one_by_one(builders: dict[str, TableBuilder], frames: Frames, places: Vector) -> None:
    """Add frames to their tables, each by itself."""
    by_table: dict[str, tuple[list[int], list[Row]]] = {}
    for at in places.tolist():
        row = read_row(frames.frame(at))
        numbers, rows = by_table.setdefault(row.table, ([], []))
        numbers.append(at)
        rows.append(row)
    for table, (numbers, rows) in by_table.items():
        builders.setdefault(table, TableBuilder(table, rows[0].root)).add_rows(numbers, rows)

"""The layout of frames whose bodies have the same keys and the same types of values: where each value is. Pure.

The frames of a feed differ in their values only. Of one frame this module finds which bytes are values and which are the same in
all frames of its layout, so that many frames are compared and read at once.
"""

from dataclasses import dataclass, field
from typing import Any

import msgpack
import msgspec

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, check_topic
from hulak.clients.tables.columns import BODIES, BOOL, DOUBLE, MS, NS, TEXT, TEXTS, TWO_PARTS, WHOLE, table_of_root

FLOAT64, NIL, STR8 = 0xCB, 0xC0, 0xD9
WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}  # of msgpack's unsigned integers, by their first byte
PLAIN = (msgpack.UnpackException, msgspec.MsgspecError, ValueError, TypeError)  # errors of a body that has no layout


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of a column is, in bytes from the frame's first."""

    name: str
    kind: str
    offset: int
    width: int


@dataclass(slots=True)
class Layout:
    """The places of the values in all frames of one layout."""

    size: int  # bytes of a frame
    table: str
    root: str
    stamp: int  # place of the stamp
    symbol: tuple[int, int]  # place of the symbol in the topic, and its length
    symbols: list[int] = field(default_factory=list)  # places of the symbol in the body
    places: list[Place] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)  # values that are the same in all frames
    free: list[tuple[int, int]] = field(default_factory=list)  # (place, length) of bytes that differ


def layout_of(frame: bytes) -> Layout | None:
    """Return the layout of a frame; None if its kind of message is read one by one only."""
    cut = frame.find(NUL)
    try:
        check_topic(frame[: max(cut, 0)])
    except ProtocolError:
        return None
    root, point, symbol = frame[:cut].decode("ascii").partition(".")
    begin = cut + 1 + STAMP.size
    table = table_of_root(root)
    # The symbol of bars is not all of the topic behind its root; they have lists of prices, so that they never had a layout.
    if not root or not point or table not in BODIES or table in TWO_PARTS or len(frame) <= begin:
        return None
    layout = Layout(len(frame), table, root, cut + 1, (len(root) + 1, len(symbol)))
    layout.free += [layout.symbol, (cut + 1, STAMP.size)]
    try:
        return layout if _read_map(layout, frame, begin, symbol) else None
    except PLAIN:
        return None


def _read_map(layout: Layout, frame: bytes, begin: int, symbol: str) -> bool:
    """Add the places of a body's values; false if one has no column, or a type without a fixed place."""
    kinds = {column.key: column for column in BODIES[layout.table]}
    unpacker = msgpack.Unpacker(max_buffer_size=len(frame))
    unpacker.feed(frame[begin:])
    seen = set()
    for _ in range(unpacker.read_map_header()):
        key = unpacker.unpack()
        at = begin + unpacker.tell()
        unpacker.skip()
        end = begin + unpacker.tell()
        if type(key) is not str or key in seen:
            return False
        seen.add(key)
        column = kinds.get(key)
        if key == "symbol":
            text = _text(frame, at, end)
            if text is None or frame[text[0] : end] != symbol.encode():
                return False
            layout.symbols.append(text[0])
            layout.free.append(text)
        elif column is None or not _read_value(layout, frame, (at, end), column.name, column.kind):
            return False
    return bool(begin + unpacker.tell() == len(frame))


def _read_value(layout: Layout, frame: bytes, span: tuple[int, int], name: str, kind: str) -> bool:
    """Add the place of one value; false if its column does not hold its type, or not at a fixed place."""
    at, end = span
    first = frame[at]
    if first == NIL:
        return True
    if kind == TEXT:
        text = _text(frame, at, end)
        if text is None:
            return False
        layout.places.append(Place(name, kind, *text))
        layout.free.append(text)
        return True
    if (kind == DOUBLE and first == FLOAT64) or (kind in {WHOLE, MS, NS} and first in WIDTHS):
        layout.places.append(Place(name, kind, at + 1, end - at - 1))
        layout.free.append((at + 1, end - at - 1))
        return True
    if kind not in {BOOL, TEXTS} and not (kind in {WHOLE, MS, NS} and first < 0x80):
        return False
    types = {BOOL: bool, TEXTS: list[str]}
    layout.constants[name] = msgspec.msgpack.decode(frame[at:end], type=types.get(kind, int))
    return True


def _text(frame: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return the place and length of a short text; None for any other value."""
    first = frame[at]
    head = 1 if 0xA0 <= first <= 0xBF else 2 if first == STR8 else 0
    return (at + head, end - at - head) if head else None

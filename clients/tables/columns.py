"""The tables of numbered messages and their columns. Pure.

Each kind of topic has a table, named by the topics' first part: `tick.EURUSD` is a row of `ticks`, `trade.NABIL` of `trades`. All
tables have the columns of `COMMON`, those with the values of the body that Hulak knows (`BODIES`), and two for everything else:
`rest`, JSON of what no column has; and `packed`, the whole body (msgpack) where JSON cannot hold it exactly. So nothing is lost.
A value is in its column only if it has exactly the column's type; else it is in `rest`. A nil and a key that is not there are
both null. Bytes that are no message at all are a row of `others`, with all of them in `packed`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, STAMP, check_topic, unpack
from hulak.bus.wire.names import OWNED_BY_FEEDS

TEXT, DOUBLE, WHOLE, MS, NS, BOOL, TEXTS, DOUBLES = "text", "double", "whole", "ms", "ns", "bool", "texts", "doubles"
OTHERS = "others"
INT64 = 1 << 63  # a whole number of a column is below it, and not below its negative
EXACT = 1 << 53  # whole numbers up to it are exact as a double


@dataclass(frozen=True, slots=True)
class Column:
    """A column with a value of the body."""

    name: str
    key: str  # of the body
    kind: str


# Table -> its columns of the body; any other table has none.
BODIES: dict[str, tuple[Column, ...]] = {
    "ticks": (
        Column("venue_time", "timestamp", MS),
        Column("bid", "bid", DOUBLE),
        Column("ask", "ask", DOUBLE),
        Column("source", "source", TEXT),
        Column("flags", "flags", TEXTS),
        Column("received", "received_ns", NS),
    ),
    "bars": (
        Column("interval", "interval", TEXT),
        Column("start", "start", MS),
        Column("end", "end", MS),
        Column("bid", "bid", DOUBLES),
        Column("ask", "ask", DOUBLES),
        Column("mid", "mid", DOUBLES),
        Column("ticks", "ticks", WHOLE),
        Column("final", "final", BOOL),
        Column("revision", "revision", WHOLE),
    ),
    "trades": (
        Column("security", "security", TEXT),
        Column("venue_time", "timestamp", MS),
        Column("time_us", "time_us", WHOLE),
        Column("contract", "contract", WHOLE),
        Column("price", "price", DOUBLE),
        Column("quantity", "quantity", WHOLE),
        Column("source", "source", TEXT),
        Column("buyer", "buyer", TEXT),
        Column("seller", "seller", TEXT),
    ),
    "markets": (
        Column("market", "market", TEXT),
        Column("state", "state", TEXT),
        Column("venue_time", "timestamp", MS),
        Column("source", "source", TEXT),
    ),
}


def table_of_root(root: str) -> str:
    """Return the table of topics that begin with `root` and a point: `ticks` for `tick`; `every` for `every`."""
    return root if root == "every" else f"{root}s"


# Tables of topics with one more part before the symbol: an interval (`bar.1m.EURUSD`), the name of an alert.
TWO_PARTS = frozenset({"bars", "every", "alerts"})


def symbol_of(table: str, name: str) -> str:
    """Return the symbol of a topic: `EURUSD` of `tick.EURUSD` and of `bar.1m.EURUSD`.

    Args:
        table: of the topic.
        name: all of the topic behind its first part.
    """
    _, point, symbol = name.partition(".")
    return symbol if point and table in TWO_PARTS else name


KNOWN_TABLES = tuple(table_of_root(root.decode().rstrip(".")) for root in OWNED_BY_FEEDS)


def table_of_topic(topic: str) -> str:
    """Return the table of a topic, or of the topics with a prefix; `ticks` for `ticks` and for all topics."""
    root, point, _ = topic.partition(".")
    return table_of_root(root) if point else "ticks"


@dataclass(slots=True)
class Row:
    """One message as the cells of its table."""

    table: str
    root: str = ""  # the topic is root, point, name
    name: str | None = None
    epoch: int | None = None
    sequence: int | None = None
    time_ns: int | None = None
    cells: dict[str, Any] = field(default_factory=dict)  # by name of the column, without those that are null
    rest: str | None = None
    packed: bytes | None = None


def read_row(frame: bytes) -> Row:
    """Return the row of a frame: the general way, for any bytes."""
    cut = frame.find(NUL)
    try:
        check_topic(frame[:cut] if cut > 0 else b"")
    except ProtocolError:
        return Row(OTHERS, packed=frame)
    root, point, name = frame[:cut].decode("ascii").partition(".")
    if not point or not root or len(frame) < cut + 1 + STAMP.size:
        return Row(OTHERS, packed=frame)
    epoch, sequence, time_ns = STAMP.unpack_from(frame, cut + 1)
    if time_ns >= INT64:
        return Row(OTHERS, packed=frame)
    row = Row(table_of_root(root), root, name, epoch, sequence, time_ns)
    if row.table == OTHERS:
        return Row(OTHERS, packed=frame)
    _read_body(row, frame[cut + 1 + STAMP.size :])
    return row


def _read_body(row: Row, body: bytes) -> None:
    try:
        fields = unpack(body)
    except ProtocolError:
        row.packed = body
        return
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        row.packed = body
        return
    if row.name is not None and fields.get("symbol") == symbol_of(row.table, row.name):
        del fields["symbol"]
    for column in BODIES.get(row.table, ()):
        value = fields.get(column.key)
        if value is None:
            fields.pop(column.key, None)
        elif _fits(value, column.kind):
            row.cells[column.name] = _as_doubles(value) if column.kind in {DOUBLE, DOUBLES} else value
            del fields[column.key]
    if not fields:
        return
    try:
        if _is_json(fields):
            row.rest = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
            return
    except RecursionError:
        pass
    row.packed = body


def _fits(value: Any, kind: str) -> bool:
    """Return whether a value can be in a column of a kind without a change."""
    if kind == DOUBLE:
        return type(value) is float or (type(value) is int and -EXACT <= value <= EXACT)
    if kind == DOUBLES:
        return type(value) is list and all(_fits(item, DOUBLE) for item in value)
    if kind in {WHOLE, MS, NS}:
        return type(value) is int and -INT64 <= value < INT64
    if kind == TEXTS:
        return type(value) is list and all(type(item) is str for item in value)
    return type(value) is (bool if kind == BOOL else str)


def _as_doubles(value: Any) -> Any:
    return list(map(float, value)) if type(value) is list else float(value)


def _is_json(value: Any) -> bool:
    """Return whether JSON holds a value exactly: no bytes, no NaN, no keys that are not text."""
    if type(value) is dict:
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_json, value))
    if type(value) is float:
        return value - value == 0.0
    return value is None or type(value) in {bool, int, str}

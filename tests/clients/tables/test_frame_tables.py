"""Frames as Arrow tables: the fast way gives what the general way gives, and nothing of a message is lost."""

import json
import math

import msgpack
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hulak.bus.wire.codec import encode_publication, pack_tick, unpack
from hulak.bus.wire.messages import FIRST_MS, Stamp, Tick
from hulak.clients.tables import frame_tables
from hulak.clients.tables.columns import BODIES, OTHERS, read_row, symbol_of, table_of_topic
from hulak.clients.tables.frame_tables import frames_in, tables_of
from hulak.clients.tables.schema import kinds_of, schema_of
from hulak.clients.tables.segment_export import by_symbol

PRICES = st.none() | st.floats() | st.integers(-5, 1 << 60) | st.text(max_size=3)
WHOLE = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(0, 10) | st.none()
EXTRA = st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.floats() | st.binary(max_size=3), st.lists, max_leaves=4)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["EURUSD", "GBPUSD", "1s.EURUSD", 7]),
        "bid": PRICES,
        "ask": st.floats() | st.lists(st.floats(), max_size=2),
        "timestamp": WHOLE,
        "source": st.sampled_from(["fx", "ab", "बजार", None, 3]),
        "flags": st.lists(st.sampled_from(["late", "crossed", 1]), max_size=2),
        "received_ns": WHOLE,
        "security": st.text(max_size=2),
        "final": st.booleans() | st.none(),
        "more": EXTRA,
    },
)
PACKED = BODY.map(msgpack.packb) | st.binary(max_size=8)
TOPICS = st.sampled_from(
    [b"tick.EURUSD", b"tick.GBPUSD", b"trade.EURUSD", b"bar.1s.EURUSD", b"new.x", b"tick", b"tick.\xff", b"other.x"]
)
STAMPS = st.builds(Stamp, st.integers(0, 1 << 52), st.integers(1, 9), st.integers(0, (1 << 64) - 1))
FRAMES = st.lists(st.builds(encode_publication, TOPICS, STAMPS, PACKED) | st.binary(max_size=40), min_size=1, max_size=12)


def plain(table):
    """Return a table with text in place of dictionaries, to compare."""
    kinds = [(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in table.schema]
    return table.cast(pa.schema(kinds)).to_pydict()


def same(table, other):
    return repr(table) == repr(other)  # NaN is not equal to itself


@given(FRAMES, st.booleans(), st.integers(2, 30))
@example([encode_publication(b"tick.EURUSD", Stamp(0, 1, 1 << 63), b"\x80")], False, 2)  # no time of the table: among the others
@settings(max_examples=60, deadline=None)
def test_many_frames_at_once_give_the_same_tables_as_one_by_one(frames, by_symbol, repeats):
    rows = list(enumerate(frames * repeats, 1))
    many = tables_of(frames_in(rows), by_symbol=by_symbol)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_tables, "FEW", 1 << 60)
        single = tables_of(frames_in(rows), by_symbol=by_symbol)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_tables, "FEW", 1)
        few = tables_of(frames_in(rows), by_symbol=by_symbol)
    assert list(many) == list(single) == list(few)
    for name in many:
        assert same(plain(many[name]), plain(single[name]))
        assert same(plain(few[name]), plain(single[name]))


def body_again(row):
    """Return the body that a row was made of; nil where a value or a key was not there."""
    if row.packed is not None:
        return row.packed
    body = {column.key: row.cells.get(column.name) for column in BODIES.get(row.table, ())}
    return {key: value for key, value in {**body, **json.loads(row.rest or "{}")}.items() if value is not None}


@given(TOPICS, STAMPS, PACKED)
@settings(max_examples=200, deadline=None)
def test_no_value_of_a_message_is_lost(topic, stamp, packed):
    frame = encode_publication(topic, stamp, packed)
    row = read_row(frame)
    if row.table == OTHERS:
        assert row.packed == frame
        return
    assert f"{row.root}.{row.name}".encode() == topic
    assert (row.epoch, row.sequence, row.time_ns) == (stamp.epoch, stamp.sequence, stamp.time_ns)
    again = body_again(row)
    if row.packed is None:
        wanted = {key: value for key, value in unpack(packed).items() if value is not None}
        if wanted.get("symbol") == symbol_of(row.table, row.name):
            del wanted["symbol"]
        assert again.keys() == wanted.keys()
        assert all(again[key] == wanted[key] or math.isnan(again[key]) for key in again)
    else:
        assert row.packed == packed


def tick_frames(count):
    symbols = ["USDJPY", "EURUSD", "kraken.BTCUSD"]
    for number in range(1, count + 1):
        symbol = symbols[number % 3]
        flags = ("crossed",) if number % 7 == 0 else ()
        bid = None if number % 5 == 0 else number / 8
        tick = Tick(symbol, bid, number / 4, FIRST_MS + number, "test", flags, 10**18 + number)
        yield number, encode_publication(b"tick." + symbol.encode(), Stamp(3, number, 10**18 + number), pack_tick(tick))


def test_each_column_has_the_value_and_the_type_of_its_key():
    table = tables_of(frames_in(list(tick_frames(600))))["ticks"]
    assert table.schema == schema_of("ticks")
    assert list(kinds_of("ticks")) == table.schema.names
    row = table.cast(pa.schema([(f.name, pa.int64() if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]))
    assert row.slice(34, 1).to_pylist() == [
        {
            "number": 35, "time": 10**18 + 35, "topic": "tick.kraken.BTCUSD", "symbol": "kraken.BTCUSD",
            "sequence": 35, "epoch": 3, "venue_time": FIRST_MS + 35, "bid": None, "ask": 8.75, "source": "test",
            "flags": ["crossed"], "received": 10**18 + 35, "rest": None, "packed": None, "feed": None, "feed_number": None,
        }
    ]  # fmt: skip


def test_rows_are_in_the_order_of_numbers_or_of_symbols():
    frames = frames_in(list(tick_frames(600)))
    assert tables_of(frames)["ticks"]["number"].to_pylist() == list(range(1, 601))
    table = tables_of(frames, by_symbol=True)["ticks"].select(["symbol", "number"])
    pairs = list(zip(*table.to_pydict().values(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("topic", "table", "symbol"),
    [
        ("tick.kraken.BTCUSD", "ticks", "kraken.BTCUSD"),
        ("bar.1m.kraken.BTCUSD", "bars", "kraken.BTCUSD"),
        ("every.100ms.EURUSD", "every", "EURUSD"),
        ("alert.high.EURUSD", "alerts", "EURUSD"),
        ("state.EURUSD", "states", "EURUSD"),
        ("bar.EURUSD", "bars", "EURUSD"),
    ],
)
def test_the_symbol_of_a_row_has_no_interval_and_no_name_of_an_alert(topic, table, symbol):
    frame = encode_publication(topic.encode(), Stamp(1, 1, 1), msgpack.packb({"symbol": symbol}))
    row = plain(tables_of(frames_in([(1, frame)]))[table])
    assert (row["topic"], row["symbol"], row["rest"]) == ([topic], [symbol], [None])


def test_bars_of_all_intervals_of_a_symbol_are_together():
    topics = [f"bar.{interval}.{symbol}" for interval in ("1m", "1h") for symbol in ("GBPUSD", "EURUSD")]
    frames = [encode_publication(topic.encode(), Stamp(1, 1, 1), b"\x80") for topic in topics * 3]
    table = tables_of(frames_in(list(enumerate(frames, 1))), by_symbol=True)["bars"]
    symbols, named = plain(table)["symbol"], plain(table)["topic"]
    assert symbols == ["EURUSD"] * 6 + ["GBPUSD"] * 6
    assert named == sorted(named, key=lambda topic: (topic.split(".")[2], topic))
    parts = [(symbol, plain(rows)["topic"]) for symbol, rows in by_symbol(table)]
    assert parts == [("EURUSD", named[:6]), ("GBPUSD", named[6:])]


def test_ticks_of_one_layout_are_not_read_one_by_one(monkeypatch):
    read = []
    monkeypatch.setattr(frame_tables, "read_row", lambda frame: read.append(frame) or read_row(frame))
    assert tables_of(frames_in(list(tick_frames(6000))))["ticks"].num_rows == 6000
    assert len(read) < 200


def test_chunks_are_bounded_in_frames_and_in_bytes(monkeypatch):
    monkeypatch.setattr(frame_tables, "CHUNK", 4)
    monkeypatch.setattr(frame_tables, "CHUNK_BYTES", 100)
    frames = frames_in([(number, bytes(size)) for number, size in enumerate([10, 10, 10, 10, 10, 60, 50, 300, 1], 1)])
    chunks = list(frames.chunks())
    assert [len(chunk) for chunk in chunks] == [4, 2, 1, 1, 1]
    assert [number for chunk in chunks for number in chunk.numbers.tolist()] == list(range(1, 10))


@pytest.mark.parametrize(
    ("topic", "table"),
    [
        ("ticks", "ticks"),
        ("", "ticks"),
        ("tick.EURUSD", "ticks"),
        ("trade.", "trades"),
        ("every.1s.X", "every"),
        ("bar.*", "bars"),
    ],
)
def test_a_topic_or_prefix_has_a_table(topic, table):
    assert table_of_topic(topic) == table

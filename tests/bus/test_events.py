"""The events of a subscriber, from the bytes of PROTOCOL.md; and the bytes of its subscriptions."""

import json
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import ProtocolError
from hulak.bus.subscriber.events import Event, event_of, is_snapshot, read_rows, snapshot_events, subscription
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Publication, Stamp

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "frames.json").read_text(encoding="ascii"))
SCALARS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=3)
OTHERS = st.binary(max_size=3) | st.just(msgpack.ExtType(5, b"x")) | st.just(msgpack.Timestamp(1, 2))
VALUES = SCALARS | OTHERS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), st.lists(SCALARS), max_size=1)


def vector(name):
    """Return a golden frame by its name."""
    (frame,) = [row["frame"] for row in VECTORS["publications"] if row["name"] == name]
    return bytes.fromhex(frame)


def publication(topic, body):
    return Publication(topic, Stamp(1, 1, 1), codec.pack(body))


# Subscriptions


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("tick.EURUSD", b"tick.EURUSD\0"),
        ("ticks", b"ticks\0"),
        ("heartbeat", b"heartbeat\0"),
        ("", b""),
        ("*", b""),
        ("tick.", b"tick."),
        ("tick.EUR*", b"tick.EUR"),
        ("tick.*", b"tick."),
    ],
)
def test_a_topic_is_subscribed_to_with_its_nul_and_a_prefix_without(asked, sent):
    assert subscription(asked) == sent


@pytest.mark.parametrize("asked", ["tick EURUSD", "tick.€", "tick\0", "x" * 129, "."])
def test_a_malformed_topic_is_refused(asked):
    with pytest.raises(ProtocolError) as caught:
        subscription(asked)
    assert caught.value.code == "BAD_TOPIC"


# Events


def test_an_event_keeps_its_body_packed_until_it_is_read():
    event = event_of(b"tick.A\0" + codec.STAMP.pack(7, 8, 9) + b"\x81\xa3bid\x01")
    assert (event.topic, event.stamp, event.packed, event.unpacked) == ("tick.A", Stamp(7, 8, 9), b"\x81\xa3bid\x01", None)
    assert event.body == {"bid": 1}


def test_a_malformed_body_is_refused_when_it_is_read():
    event = event_of(b"tick.A\0" + codec.STAMP.pack(7, 8, 9) + b"\xc1")
    with pytest.raises(ProtocolError, match="not one msgpack value"):
        _ = event.body


@pytest.mark.parametrize("frame", [b"", b"tick.A", b"tick.A\0" + bytes(24), b"tick.\xff\0" + bytes(25)])
def test_a_malformed_publication_is_refused(frame):
    with pytest.raises(ProtocolError):
        event_of(frame)


def test_a_body_that_came_inside_another_message_is_already_decoded():
    assert Event("tick.A", Stamp(1, 2, 3), None, {"bid": 1}).body == {"bid": 1}


# Snapshots and `ticks`


@pytest.mark.parametrize(("topic", "yes"), [("", True), ("tick.", True), ("tick.A", False), ("ticks", False)])
def test_a_snapshot_is_known_by_its_topic(topic, yes):
    assert is_snapshot(publication(topic, [])) is yes


def test_the_golden_snapshot_is_split_into_last_messages():
    message = codec.decode_publication(vector("snapshot"))
    assert is_snapshot(message)
    (event,) = snapshot_events(message)
    assert (event.topic, event.stamp.sequence, event.stamp.epoch) == ("tick.EURUSD", 1, message.stamp.epoch)
    assert event.body == event_of(vector("tick")).body


def test_the_golden_ticks_are_two_bodies_in_order():
    rows = read_rows(codec.decode_publication(vector("ticks")).body)
    assert [row["symbol"] for row in rows] == ["EURUSD", "USDJPY"]


def test_the_golden_welcome_to_ticks_is_empty():
    assert read_rows(codec.decode_publication(vector("ticks-joining")).body) == []


def test_a_body_that_is_no_array_is_refused():
    with pytest.raises(ProtocolError, match="the body of 'ticks' must be an array"):
        read_rows(publication("ticks", {"a": 1}).body)


@pytest.mark.parametrize(
    "row",
    [
        7,
        [],
        ["tick.A", bytes(24)],
        ["tick.A", bytes(23), {}],
        ["tick.A", "x" * 24, {}],
        [b"tick.A", bytes(24), {}],
        ["tick.A", bytes(24), {}, 1],
    ],
)
def test_a_malformed_row_of_a_snapshot_is_refused(row):
    with pytest.raises(ProtocolError, match="must be"):
        list(snapshot_events(publication("tick.", [["tick.B", bytes(24), {}], row])))


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=4))
def test_the_rows_of_ticks_are_what_msgpack_reads_from_their_bytes(rows):
    body = codec.pack(rows)
    assert repr(read_rows(body)) == repr(codec.unpack(body))


@pytest.mark.parametrize(
    "body", [b"\x91\x82\xa1a\x01\xa1a\x02", b"\x91\x81\x01\x02", b"\x91\xc0", b"\x91\x93\x01\x02\x03", b"\x90"]
)
def test_rows_that_are_no_plain_maps_are_read_likewise(body):
    assert read_rows(body) == codec.unpack(body)

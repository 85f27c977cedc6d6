"""Messages of the bridge on NATS: PROTOCOL.md section 15."""

import json
from pathlib import Path

import msgspec
import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import encode_publication, pack
from hulak.bus.wire.messages import Stamp
from hulak.clients.bridge import spans
from hulak.clients.bridge.spans import Span

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "frames.json").read_text())
ENCODERS = {"bridge-turn": spans.encode_turn, "bridge-tick": spans.encode_tick}
EPOCH, AT_NS = 1795350204956, 1701234567891250000


def frame(topic=b"tick.EURUSD", sequence=1, epoch=EPOCH):
    return encode_publication(topic, Stamp(epoch, sequence, AT_NS), pack({"bid": 1.5}))


def golden_span(entry):
    tick = next(bytes.fromhex(row["frame"]) for row in GOLDEN["publications"] if row["name"] == "tick")
    return Span(EPOCH, entry["first"], entry["last"], AT_NS, [(entry["number"], tick)])


@pytest.mark.parametrize("entry", GOLDEN["bridge"], ids=lambda entry: entry["name"])
def test_a_golden_message_of_the_bridge_is_made_and_read(entry):
    span = golden_span(entry)
    made = ENCODERS[entry["name"]](entry["site"], span, entry["headers"][spans.BRIDGE])
    assert made == (entry["subject"], bytes.fromhex(entry["frame"]), entry["headers"])
    assert spans.decode(entry["site"], entry["subject"], entry["headers"], bytes.fromhex(entry["frame"])) == span


def test_a_span_without_ticks_is_a_turn_in_either_form():
    span = Span(EPOCH, 5, 9, AT_NS, [])
    assert spans.encode_tick("a", span, "x") == spans.encode_turn("a", span, "x")
    subject, body, headers = spans.encode_turn("a", span, "x")
    assert spans.decode("a", subject, headers, body) == span


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("tick.EURUSD", "tick.EURUSD"),
        ("tick.kraken.BTCUSD", "tick.kraken.BTCUSD"),
        ("tick.A..B", "tick.A._2E_B"),
        ("tick...A", "tick._2E_.A"),
    ],
)
def test_no_subject_has_an_empty_token(topic, subject):
    assert spans.subject_of(topic) == subject
    assert "" not in spans.subject_of(topic).split(".")


def test_the_topic_of_a_single_tick_is_that_of_its_header_whatever_its_subject_is():
    span = Span(EPOCH, 7, 7, AT_NS, [(7, frame(b"tick.A..B", 3))])
    subject, body, headers = spans.encode_tick("a", span, "x")
    assert (subject, body) == ("hulak.a.tick.A._2E_B", pack({"bid": 1.5}))
    assert spans.decode("a", subject, headers, body) == span


HEADERS = spans.encode_turn("a", Span(EPOCH, 5, 9, AT_NS, []), "x")[2]


@pytest.mark.parametrize("value", [None, "", "-1", "+1", " 1", "1 ", "01", "1.0", "٣", "x", "9223372036854775808", "1" * 30])
@pytest.mark.parametrize("name", [spans.EPOCH, spans.FIRST, spans.LAST, spans.TIME])
def test_a_header_that_is_no_whole_number_is_refused_by_name(name, value):
    headers = {key: text for key, text in {**HEADERS, name: value}.items() if text is not None}
    with pytest.raises(ProtocolError, match=name) as caught:
        spans.decode_position(headers)
    assert caught.value.code == "BAD_HEADER"


@pytest.mark.parametrize(("first", "last"), [("0", "9"), ("10", "9")])
def test_a_range_that_begins_with_no_number_or_behind_its_end_is_refused(first, last):
    with pytest.raises(ProtocolError, match="not before the first"):
        spans.decode_position({**HEADERS, spans.FIRST: first, spans.LAST: last})


def test_a_message_without_headers_is_refused():
    with pytest.raises(ProtocolError, match=spans.EPOCH):
        spans.decode("a", "hulak.a.ticks", None, b"\x90")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x80",
        b"\x91\x05",
        b"\x90\x90",
        pack([[5, "text"]]),
        pack([["5", frame()]]),
        pack([[5, b"tick.EURUSD\0"]]),
        pack([[4, frame()]]),  # before the range
        pack([[10, frame()]]),  # behind it
        pack([[6, frame()], [5, frame()]]),
        pack([[6, frame()], [6, frame()]]),
        pack([[6, frame(epoch=EPOCH + 1)]]),
        pack([[6, frame(b"display.1")]]),
        pack([[6, frame(b"tick.")]]),
        pack([[6, frame(b"tick.A.")]]),
        pack([[6, frame(b"tick.A B")]]),
        pack([[6, frame(b"tick." + b"A" * 124)]]),
        pack([[6, b"tick.EURUSD" + b"x" * 40]]),
    ],
)
def test_a_body_that_is_no_array_of_its_rows_is_refused(body):
    with pytest.raises(ProtocolError) as caught:
        spans.decode("a", "hulak.a.ticks", HEADERS, body)
    assert caught.value.code == "BAD_BODY"


def test_rows_are_read_as_they_were_written():
    rows = [(number, frame(sequence=number)) for number in range(5, 10)]
    span = Span(EPOCH, 5, 9, AT_NS, rows)
    subject, body, headers = spans.encode_turn("a", span, "x")
    assert msgspec.msgpack.decode(body) == [[number, data] for number, data in rows]
    assert spans.decode("a", subject, headers, body) == span

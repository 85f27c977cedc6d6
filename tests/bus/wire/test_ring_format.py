"""The bytes of the ring are those of PROTOCOL.md section 13."""

import json
from pathlib import Path

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import ring_format
from hulak.bus.wire.ring_format import CLAIM, HEAD, RECORD, TURN_AT, RingTerms, TickRows

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "frames.json").read_text())
HEADER, TICKS, HEARTBEAT = (bytes.fromhex(entry["frame"]) for entry in GOLDEN["ring"])
FRAMES = {entry["name"]: bytes.fromhex(entry["frame"]) for entry in GOLDEN["publications"]}
TERMS = RingTerms(**GOLDEN["ring"][0]["terms"])


def test_the_golden_header_is_packed_and_read():
    assert TERMS.pack() == HEADER
    assert ring_format.read_terms(HEADER + bytes(100)) == TERMS


def test_the_golden_record_of_ticks_is_packed_of_its_frame():
    entry = GOLDEN["ring"][1]
    topics = "".join(f"{topic}\0" for topic in entry["topics"]).encode()
    assert ring_format.pack_rows(TickRows(FRAMES[entry["of"]], topics, entry["sequences"], entry["sizes"])) == TICKS


def test_the_golden_record_of_a_heartbeat_is_packed_of_its_frame():
    assert ring_format.pack_record(bytes.fromhex(GOLDEN["ring"][2]["publication"])) == HEARTBEAT


@pytest.mark.parametrize("length", [*range(1, 40), 1000])
def test_a_records_length_is_a_multiple_of_16_and_its_first_field(length):
    record = ring_format.pack_record(b"x" * length)
    assert (len(record) % 16, RECORD.unpack_from(record)) == (0, (len(record), length, 0, 0))
    assert record[16 : 16 + length] == b"x" * length


def test_the_words_of_the_header_are_where_the_document_has_them():
    assert (8 * CLAIM, 8 * HEAD, TURN_AT) == (64, 128, 144)


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (b"", "b''"),
        (HEADER[:-1], "b'HULAKRNG'"),
        (b"ELF" + HEADER[3:], "b'ELFAKRNG'"),
        (HEADER[:8] + b"\2" + HEADER[9:], "version 2"),
        (HEADER[:13] + b"\x20" + HEADER[14:], "a header of 8192 bytes"),
        (HEADER[:16] + b"\1" + HEADER[17:], "65537 bytes of records"),
        (HEADER[:16] + bytes(8) + HEADER[24:], "0 bytes of records"),
    ],
)
def test_another_header_is_refused_with_what_was_seen(header, seen):
    with pytest.raises(ProtocolError, match=seen):
        ring_format.read_terms(header)

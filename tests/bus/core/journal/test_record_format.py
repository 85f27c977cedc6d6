"""The journal's bytes: whole records are decoded, damaged bytes are found and skipped."""

import random

import pytest

from hulak.bus.core.journal import record_format
from hulak.bus.core.journal.record_format import TICK, Corrupt, Record, Snapshot, encode_tick, scan
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import encode_publication, pack
from hulak.bus.wire.messages import Stamp


def frame_of(number, symbol=b"EURUSD"):
    return encode_publication(b"tick." + symbol, Stamp(7, number, 1000 + number), pack({"bid": number / 10}))


def journal(count):
    head = Snapshot(7, "boot", 5, 0, {}, {}).encode()
    return [head, *(encode_tick(number, 3, number, frame_of(number)) for number in range(1, count + 1))]


def ticks_in(data):
    return [record.tick() for record in scan(data) if isinstance(record, Record) and record.kind == TICK]


def test_a_tick_record_is_these_bytes():
    assert encode_tick(1, 2, 3, b"t\0f").hex(" ") == (
        "48 4a d1 5d 48 70 54 00 00 00 00 1b 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 03 74 00 66"
    )


def test_what_was_written_is_read_in_order():
    data = b"".join(journal(50))
    assert ticks_in(data) == [(number, 3, number, frame_of(number)) for number in range(1, 51)]


def test_a_snapshot_is_read_as_it_was_written():
    frame = frame_of(9)
    state = Snapshot(7, "boot", 5, 9, {b"tick.EURUSD\0": frame}, {2**63: 12})
    [record] = scan(state.encode())
    assert Snapshot.decode(record.payload) == state


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc0", b"\x80", pack([1]), pack({"version": 2}), pack({"version": 1, "epoch": 1, "boot": "", "topics": [b"x"]})],
)
def test_a_payload_that_is_no_snapshot_is_refused(payload):
    with pytest.raises(ProtocolError):
        Snapshot.decode(payload)


def test_a_flipped_bit_at_any_of_200_places_is_found_and_never_served():
    draw = random.Random(11)
    pieces = journal(40)
    data, whole = b"".join(pieces), {frame_of(number) for number in range(1, 41)}
    for _ in range(200):
        place, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
        damaged = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
        records = list(scan(damaged))
        assert any(isinstance(record, Corrupt) and record.offset <= place < record.end for record in records)
        served = [frame for _, _, _, frame in ticks_in(damaged)]
        assert set(served) <= whole
        assert len(served) >= 39, "one flipped bit costs one record"
        begin = len(journal(0)[0])
        ends = [end for _, end, *_ in record_format.ticks_in(damaged, begin)]
        assert record_format.tick_ends(damaged, begin, 1000) == ends
        assert record_format.tick_ends(damaged, begin, 3) == ends[:3]


def test_a_cut_at_any_of_200_places_is_found_as_a_torn_tail():
    draw = random.Random(12)
    pieces = journal(40)
    data = b"".join(pieces)
    ends = {0}
    for piece in pieces:
        ends.add(max(ends) + len(piece))
    for place in draw.sample(sorted(set(range(1, len(data))) - ends), 200):
        *before, last = scan(data[:place])
        assert isinstance(last, Corrupt)
        assert last.last
        assert last.offset == max(end for end in ends if end <= place)
        assert all(isinstance(record, Record) for record in before)


def test_a_length_that_is_damaged_does_not_hide_what_follows():
    first, second, third = (encode_tick(number, 0, 0, frame_of(number)) for number in (1, 2, 3))
    damaged = second[:8] + b"\xff\xff\xff\xff" + second[12:]
    assert [tick[0] for tick in ticks_in(first + damaged + third)] == [1, 3]


def test_a_body_that_holds_the_magic_is_not_taken_for_a_record():
    tricky = encode_tick(1, 0, 0, b"tick.X\0" + b"HJ" * 40)
    data = tricky[:3] + b"?" + tricky[4:] + encode_tick(2, 0, 0, frame_of(2))
    assert [tick[0] for tick in ticks_in(data)] == [2]


def test_needs_returns_a_records_length_from_its_head_alone():
    record = encode_tick(1, 0, 0, frame_of(1))
    assert record_format.needs(record[:12], 0) == len(record)
    assert record_format.needs(record[:11], 0) is None
    assert record_format.needs(b"XX" + record[2:], 0) is None

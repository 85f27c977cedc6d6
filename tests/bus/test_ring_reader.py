"""A reader of the ring gives the frames of the socket, and never a torn one; the memory is driven by hand."""

import struct

import pytest
from ring_fixture import SMALL, RingFixture, Turns, drained

from hulak.bus.errors import ProtocolError
from hulak.bus.subscriber.ring_reader import MOST_BYTES, MOST_FRAMES
from hulak.bus.wire import ring_format
from hulak.bus.wire.codec import decode_publication
from hulak.bus.wire.ring_format import HEADER_BYTES, PADDING

SUBSCRIPTIONS = [
    (b"ticks\0",),
    (b"tick.",),
    (b"tick.EUR",),
    (b"tick.EURUSD\0",),
    (b"tick.EURUSD\0", b"tick.NABIL\0"),
    (b"tick.EURUSD\0", b"tick."),
    (b"tick.tick.EURUSD\0",),
    (b"tick.NONE\0",),
    (b"ticks\0", b"tick.NABIL\0"),
]


@pytest.fixture
def ring():
    return RingFixture()


@pytest.fixture
def turns():
    return Turns()


@pytest.mark.parametrize("subscriptions", SUBSCRIPTIONS)
def test_the_frames_are_byte_for_byte_those_of_the_socket(ring, turns, subscriptions):
    reader, sent = ring.reader(*subscriptions), []
    for symbols in (["EURUSD"], ["NABIL", "EURUSD", "EURUSDX"], ["EURUSD", "tick.EURUSD", "EURUSD", "USDJPY"]):
        sent += ring.write(*symbols, turns=turns)
    assert drained(reader) == [frame for frame in sent if frame.startswith(subscriptions)]
    assert reader.position == reader.head


def test_an_array_of_any_length_is_taken_apart(turns):
    ring = RingFixture(1 << 20)
    reader = ring.reader(b"tick.")
    for count in (1, 15, 16, 17, 300):
        sent = ring.write(*(f"S{number}" for number in range(count)), turns=turns)
        assert drained(reader) == sent[:-1]


def test_the_heartbeats_are_given_to_those_that_subscribed_to_them(ring, turns):
    with_beats, without = ring.reader(b"ticks\0", b"heartbeat\0"), ring.reader(b"ticks\0")
    [_, ticks] = ring.write("EURUSD", turns=turns)
    beat = turns.topics.heartbeat(5)
    ring.writer.write(ring_format.pack_record(beat))
    assert (drained(with_beats), drained(without)) == ([ticks, beat], [ticks])
    assert without.position == without.head


def test_records_go_on_at_the_beginning_where_the_end_is_too_near(ring, turns):
    reader = ring.reader(b"tick.")
    for count in range(1, 300):
        symbols = [f"S{number}" for number in range(count % 7 + 1)]
        sent = ring.write(*symbols, turns=turns, pad="x" * (count % 13))
        assert reader.read() == sent[:-1]
    assert ring.writer.head > 10 * SMALL
    assert (reader.laps, reader.position) == (0, reader.head)


def test_a_reader_that_was_lapped_loses_what_was_written_over_and_goes_on_at_the_head(ring, turns):
    slow, other = ring.reader(), ring.reader()
    while ring.writer.head <= SMALL:
        ring.write("EURUSD", turns=turns)
        assert len(other.read()) == 1
    assert (slow.read(), slow.laps, slow.position) == ([], 1, slow.head)
    [_, ticks] = ring.write("EURUSD", turns=turns)
    assert (slow.read(), other.read(), other.laps) == ([ticks], [ticks], 0)


@pytest.mark.parametrize("subscription", [b"ticks\0", b"tick.EURUSD\0"])
def test_a_copy_within_which_the_writer_comes_round_is_discarded(ring, turns, subscription):
    reader = ring.reader(subscription)
    sent = ring.write("EURUSD", turns=turns, pad="a" * 600)

    def come_round():
        while ring.writer.head <= SMALL:
            ring.write("EURUSD", turns=turns, pad="b" * 600)

    ring.memory.hook = come_round
    assert (reader.read(), reader.laps) == ([], 1), f"a torn copy of {len(sent[-1])} bytes"
    assert reader.position == reader.head


def test_a_record_that_the_writer_has_only_begun_to_write_over_is_discarded_too(ring, turns):
    reader = ring.reader()
    ring.write("EURUSD", turns=turns)
    ring.claim(SMALL)
    [frame] = reader.read()
    assert decode_publication(frame).stamp.sequence == 1
    reader = ring.reader()
    ring.claim(SMALL + 16)
    assert (reader.read(), reader.laps) == ([], 1)


def test_what_a_killed_broker_has_half_written_is_not_seen(ring, turns):
    reader = ring.reader()
    [_, first] = ring.write("EURUSD", turns=turns)
    ring.claim(ring.writer.head + 160)
    ring.memory[HEADER_BYTES + ring.writer.head : HEADER_BYTES + ring.writer.head + 80] = b"\xab" * 80
    assert (reader.read(), reader.read()) == ([first], [])


def test_a_record_above_a_quarter_of_the_ring_is_left_out_and_counted(ring, turns):
    reader = ring.reader()
    assert not ring.writer.write(ring_format.pack_rows(turns.turn("EURUSD", pad="x" * (SMALL // 4)).rows))
    [_, ticks] = ring.write("EURUSD", turns=turns)
    assert (reader.read(), ring.writer.too_large, ring.writer.records) == ([ticks], 1, 1)
    assert decode_publication(ticks).stamp.sequence == 2, "the gap is seen by the number"


def test_a_read_is_bounded(turns):
    ring = RingFixture(8 * MOST_BYTES)
    reader = ring.reader()
    for _ in range(MOST_FRAMES + 10):
        ring.write("EURUSD", turns=turns)
    assert [len(reader.read()) for _ in range(3)] == [MOST_FRAMES, 10, 0]
    for _ in range(4):
        ring.write("EURUSD", turns=turns, pad="x" * (MOST_BYTES // 2))
    assert [len(reader.read()) for _ in range(3)] == [2, 2, 0]


def test_a_reader_begins_at_a_given_head(ring, turns):
    ring.write("EURUSD", turns=turns)
    reader = ring.reader(position=ring.writer.head)
    [_, ticks] = ring.write("EURUSD", turns=turns)
    assert reader.read() == [ticks]


def test_whether_the_first_record_is_still_there_is_known(ring, turns):
    reader = ring.reader()
    while ring.writer.head <= SMALL:
        assert not reader.has_wrapped
        ring.write("EURUSD", turns=turns)
    assert reader.has_wrapped


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 0), (0, 24), (0, 1 << 20), (0, 16), (4, 0), (4, 1 << 20), (8, 1 << 20), (12, 1 << 20), (12, 3), (0, PADDING)],
)
def test_a_malformed_record_is_an_error_and_no_loop_without_end(ring, turns, at, value):
    reader = ring.reader(b"tick.EURUSD\0")
    ring.write("EURUSD", turns=turns)
    struct.pack_into("<I", ring.memory, HEADER_BYTES + at, value)
    with pytest.raises(ProtocolError, match="ring"):
        drained(reader)

"""The index of a segment: where each topic's ticks lie, through bytes and back, made while writing or from what is there."""

import random

import pytest

from hulak.bus.core.journal.record_format import Snapshot, encode_tick
from hulak.bus.core.journal.segment_index import IndexBuilder, SegmentIndex, TopicOrdinals
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import encode_publication, pack
from hulak.bus.wire.messages import Stamp

EURUSD, USDJPY = b"tick.EURUSD\0", b"tick.USDJPY\0"


def tick(number, key, epoch=1, sequence=1, time_ns=1000):
    frame = encode_publication(key[:-1], Stamp(epoch, sequence, time_ns), pack({"bid": number}))
    return encode_tick(number, 5, number, frame)


def segment(keys, first=1, epoch=1, head=None):
    """Make a segment's bytes, and where each record begins; a key of None leaves a number out."""
    data, places = bytearray((head or Snapshot(epoch, "boot", 1, first - 1)).encode()), {}
    for number, key in enumerate(keys, first):
        if key is not None:
            places[number] = len(data)
            data += tick(number, key, epoch, number, 1000 + number)
    return bytes(data), places


def built(data, first=1, head=None):
    builder = IndexBuilder(head, first)
    assert builder.take(data, 0, last=True) == len(data)
    return builder.index


def test_what_is_written_and_what_is_read_from_the_segment_is_the_same_index():
    keys = [random.Random(1).choice((EURUSD, USDJPY)) for _ in range(500)]
    data, places = segment(keys)
    written = SegmentIndex(1, TopicOrdinals(), {}, places[1])
    for number, key in enumerate(keys, 1):
        written.add([written.topics.of(key)], [tick(number, key, 1, number, 1000 + number)], 1, 1000 + number)
    read = built(data, head=Snapshot(1, "boot", 1, 0))
    assert read.ordinals == written.ordinals
    assert read.offsets == written.offsets
    assert (
        (read.least_ns, read.most_ns, read.epochs)
        == (1001, 1500, [[1, 1]])
        == (written.least_ns, written.most_ns, written.epochs)
    )
    assert [read.offsets[number - 1] for number in places] == list(places.values())


def test_the_ticks_of_one_topic_are_found_forwards_and_backwards_at_any_ordinal():
    """Ordinals whose bytes look alike when they are read across two of them are not mixed up."""
    draw = random.Random(2)
    for ordinals in ((1, 2), (1, 256, 257), (255, 65_535, 65_536, 16_777_216), tuple(range(1, 700))):
        index = SegmentIndex(1, TopicOrdinals(), {}, 0)
        drawn = [draw.choice(ordinals) for _ in range(3000)]
        index.add(drawn, [b"x"] * len(drawn), 1, 1)
        for ordinal in ordinals[:8]:
            wanted = [place for place, drawn_ordinal in enumerate(drawn) if drawn_ordinal == ordinal]
            assert index.find(ordinal, 0, 10_000) == (wanted, 3000)
            assert index.find(ordinal, 1500, 10_000)[0] == [place for place in wanted if place >= 1500]
            some, behind = index.find(ordinal, 0, 3)
            assert (some, behind) == (wanted[:3], wanted[2] + 1 if len(wanted) >= 3 else 3000)
            assert [index.find_last(ordinal, nth) for nth in range(1, len(wanted) + 2)] == [*reversed(wanted), None]
        assert index.find_any(set(ordinals[:2]), 100, 200) == [at for at in range(100, 200) if drawn[at] in ordinals[:2]]


def test_it_comes_back_from_its_bytes_with_topics_that_have_no_tick_in_it():
    head = Snapshot(1, "boot", 1, 9, {USDJPY: encode_publication(USDJPY[:-1], Stamp(1, 7, 1), b"\x80")})
    data, _ = segment([EURUSD] * 3, first=10, head=head)
    index = SegmentIndex.decode(built(data, 10, head).encode(len(data)), len(data), 10)
    assert (index.first, index.count, index.behind, index.holes) == (10, 3, 13, False)
    assert index.before == {EURUSD: 0, USDJPY: 7}
    assert index.find(index.topics.find(USDJPY), 0, 5) == ([], 3)


def test_an_index_that_is_damaged_or_of_other_bytes_is_refused():
    data, _ = segment([EURUSD] * 30)
    good = built(data).encode(len(data))
    for size, first in ((7, 1), (len(data), 2)):
        with pytest.raises(
            ProtocolError, match=f"of {len(data)} bytes from tick 1 on, this one has {size} bytes from tick {first} on"
        ):
            SegmentIndex.decode(good, size, first)
    for place in range(0, len(good), 7):
        with pytest.raises(ProtocolError) as refused:
            SegmentIndex.decode(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :], len(data), 1)
        assert refused.value.code == "BAD_BODY"
        with pytest.raises(ProtocolError):
            SegmentIndex.decode(good[:place], len(data), 1)


def test_numbers_without_a_whole_record_keep_their_places_and_have_no_topic():
    data, places = segment([EURUSD, None, None, EURUSD, USDJPY])
    damaged = bytearray(data)
    damaged[places[5] + 40] ^= 1
    index = built(bytes(damaged))
    assert (index.count, index.holes) == (4, True)
    assert index.find(index.topics.find(EURUSD), 0, 9)[0] == [0, 3]
    assert (index.offsets[0], index.offsets[3]) == (places[1], places[4])


def test_numbers_that_run_backwards_can_have_no_index():
    data, _ = segment([EURUSD] * 3, first=5)
    with pytest.raises(ProtocolError, match="tick 5 comes where 8 is wanted"):
        IndexBuilder(None, 5).take(data + data, 0, last=True)


def test_a_builder_takes_slices_that_cut_records():
    keys = [EURUSD, USDJPY] * 200
    data, places = segment(keys)
    builder, at = IndexBuilder(None, 1), 0
    while at < len(data):
        piece = data[at : at + 300]
        at += builder.take(piece, at, last=at + 300 >= len(data))
    assert builder.index.count == 400
    assert list(builder.index.offsets[:-1]) == list(places.values())


def test_the_epoch_of_each_number_is_known():
    index = SegmentIndex(11, TopicOrdinals(), {}, 0)
    index.add([1, 1], [b"x", b"x"], 5, 1)
    index.add([1], [b"x"], 7, 1)
    assert [index.epoch_at(number) for number in (10, 11, 12, 13, 99)] == [0, 5, 5, 7, 7]

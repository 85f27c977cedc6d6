"""Codec: round trips, and no error but ProtocolError for any bytes."""

import contextlib
import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.broker import dialects
from hulak.bus.core.ticks import tick_bodies
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import codec, fast_encode, messages
from hulak.bus.wire.messages import HeldTask, Publication, Stamp, Tick

U64 = st.integers(0, (1 << 64) - 1)
IDS = st.binary(min_size=16, max_size=16)
TEXT = st.text(max_size=20)
ATTEMPTS = st.integers(1, 1 << 31)
NUMBERS = st.integers(1, 1 << 53)
MS = st.integers(1, 1 << 42)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
MAPS = st.dictionaries(TEXT, VALUES, max_size=4)
NAMES = st.text(min_size=1, max_size=20)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
REPORTS = st.dictionaries(TEXT.map("of_{}".format), PLAIN | st.lists(PLAIN, max_size=4), max_size=4)
HELD = st.lists(st.builds(HeldTask, IDS, ATTEMPTS), max_size=4).map(tuple)
ROUND_TRIPS = {
    messages.Request: (codec.decode_from_client, (IDS, TEXT, TEXT, MAPS, MAPS)),
    messages.Part: (codec.decode_to_client, (IDS, NUMBERS, VALUES)),
    messages.Reply: (codec.decode_to_client, (IDS, VALUES)),
    messages.Error: (codec.decode_to_client, (st.none() | IDS, TEXT, TEXT, MAPS)),
    messages.Ready: (codec.decode_from_worker, (NAMES, NAMES, st.integers(0, 1024), HELD, REPORTS)),
    messages.TaskPart: (codec.decode_from_worker, (IDS, ATTEMPTS, NUMBERS, VALUES)),
    messages.Result: (codec.decode_from_worker, (IDS, ATTEMPTS, st.booleans(), VALUES)),
    messages.WorkerHeartbeat: (codec.decode_from_worker, (HELD, st.none() | REPORTS)),
    messages.Goodbye: (codec.decode_from_worker, (TEXT,)),
    messages.Task: (codec.decode_to_worker, (IDS, ATTEMPTS, TEXT, MAPS, MS, MS)),
    messages.TaskContext: (
        codec.decode_to_worker,
        (IDS, ATTEMPTS, st.dictionaries(TEXT, TEXT, max_size=3), st.none() | st.integers(0, 1 << 62)),
    ),
    messages.BrokerHeartbeat: (codec.decode_to_worker, (U64, st.booleans())),
    messages.Retire: (codec.decode_to_worker, (TEXT,)),
}
DECODERS = (
    codec.decode_from_client,
    codec.decode_to_client,
    codec.decode_from_worker,
    codec.decode_to_worker,
    codec.decode_publication,
    codec.unpack,
)


def test_every_message_with_a_kind_is_tried_here():
    kinds = {cls for cls in vars(messages).values() if isinstance(cls, type) and hasattr(cls, "KIND")}
    assert set(ROUND_TRIPS) == set(codec.FIELDS) == kinds


@pytest.mark.parametrize("cls", ROUND_TRIPS, ids=lambda cls: cls.__name__)
@given(st.data())
def test_what_is_encoded_is_decoded_to_the_same(cls, data):
    decode, fields = ROUND_TRIPS[cls]
    message = cls(*[data.draw(field) for field in fields])
    assert decode(codec.encode(message)) == message


# Any bytes

NEAR_VALID = st.builds(
    lambda kind, value: kind + msgpack.packb(value),
    st.sampled_from([b"Q", b"P", b"R", b"E", b"Y", b"T", b"H", b"X", b"G", b"C"]),
    st.lists(
        IDS | VALUES | ATTEMPTS | st.lists(st.tuples(IDS, ATTEMPTS)) | st.dictionaries(st.integers(0, 99), TEXT), max_size=6
    ),
)
CUT = st.builds(lambda frame, at: frame[: max(0, len(frame) - at)], NEAR_VALID, st.integers(0, 9))


@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
@given(st.binary(max_size=200) | NEAR_VALID | CUT)
def test_any_bytes_give_a_message_or_a_protocol_error_and_nothing_else(decode, data):
    with contextlib.suppress(ProtocolError):
        decode(data)
    assert dialects.request_id(data) is None or len(dialects.request_id(data)) == 16


@pytest.mark.parametrize(
    ("data", "why"), [(b"\x91" * 2000 + b"\x90", "nested too deep"), (b"\xc1", "malformed"), (b"\x91", "incomplete")]
)
def test_an_error_has_the_reason_for_which_bytes_are_no_value(data, why):
    with pytest.raises(ProtocolError, match=f"not one msgpack value: .*{why}"):
        codec.unpack(data)


def test_values_nested_as_deep_as_msgpack_takes_them_are_refused_like_any_other():
    for decode, kind in zip(DECODERS, (b"Q", b"E", b"Y", b"T"), strict=False):
        with pytest.raises(ProtocolError):
            decode(kind + b"\x91" * 1020 + b"\xc0")
        body = b"\x95" + msgpack.packb(bytes(16)) + b"\x91" * 1010 + b"\xc0" + b"\xa0\x80\x80"
        with pytest.raises(ProtocolError):
            decode(b"Q" + body)


def test_what_is_taken_in_can_be_packed_again_some_levels_deeper():
    with contextlib.suppress(ProtocolError):
        heartbeat = codec.decode_from_worker(b"H\x92\x90\x81\xa1a" + b"\x91" * 1021 + b"\xc0")
        codec.pack([{"workers": [{**heartbeat.report}]}])


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "BAD_KIND"),
        (b"Z\x90", "BAD_KIND"),
        (b"T\x90", "BAD_KIND"),
        (b"Q", "BAD_BODY"),
        (b"Q\x90", "BAD_BODY"),
        (b"Q\xc1", "BAD_BODY"),
        (b"Q\x90\x90", "BAD_BODY"),
        (b"Q" + msgpack.packb([b"short", "s", "a", {}, {}]), "BAD_ID"),
        (b"Q" + msgpack.packb(["x" * 16, "s", "a", {}, {}]), "BAD_ID"),
        (b"Q" + msgpack.packb([bytes(16), b"s", "a", {}, {}]), "BAD_BODY"),
        (b"Q" + msgpack.packb([bytes(16), "s", "a", {1: 2}, {}]), "BAD_BODY"),
        (b"Q" + msgpack.packb([bytes(16), "s", "a", {}]), "BAD_BODY"),
    ],
)
def test_each_kind_of_wrong_request_has_its_code(frame, code):
    with pytest.raises(ProtocolError) as caught:
        codec.decode_from_client(frame)
    assert caught.value.code == code


@pytest.mark.parametrize("attempt", [0, -1, (1 << 31) + 1, 1.0, True, "1", None])
def test_a_number_out_of_range_or_of_another_type_is_refused(attempt):
    with pytest.raises(ProtocolError, match="an attempt is"):
        codec.decode_from_worker(b"R" + msgpack.packb([bytes(16), attempt, True, None]))


def test_the_id_of_a_request_that_does_not_decode_is_found_where_it_can_be():
    assert dialects.request_id(b"Q" + msgpack.packb([b"i" * 16, 5])) == b"i" * 16
    for frame in (b"", b"Q", b"Q\x90", b"Q\x05", b"Q" + msgpack.packb([b"short"]), b"Q\xc1"):
        assert dialects.request_id(frame) is None


# Ticks

TOPICS = st.from_regex(rb"[A-Za-z0-9._-]{0,127}[A-Za-z0-9_-]", fullmatch=True)


@given(TOPICS, U64, U64, U64, st.binary(min_size=1, max_size=50))
def test_a_publication_is_one_frame_that_comes_apart_again(topic, epoch, sequence, time_ns, body):
    codec.check_topic(topic)
    frame = codec.encode_publication(topic, Stamp(epoch, sequence, time_ns), body)
    assert frame[: len(topic) + 1] == topic + b"\0"
    assert len(frame) == len(topic) + 1 + 24 + len(body)
    assert codec.decode_publication(frame) == Publication(topic.decode(), Stamp(epoch, sequence, time_ns), body)


def test_the_nul_makes_a_subscription_to_one_symbol_catch_that_symbol_only():
    stamp = Stamp(1, 1, 1)
    short, long = (codec.encode_publication(codec.tick_topic(symbol), stamp, b"\x80") for symbol in ("EURUSD", "EURUSDX"))
    assert [frame.startswith(b"tick.EURUSD\0") for frame in (short, long)] == [True, False]
    assert [frame.startswith(b"tick.EURUSD") for frame in (short, long)] == [True, True]


def test_a_nul_inside_the_stamp_or_the_body_is_not_the_topics_end():
    frame = codec.encode_publication(b"t", Stamp(0, 0, 0), b"\0\0\0")
    assert codec.decode_publication(frame) == Publication("t", Stamp(0, 0, 0), b"\0\0\0")


@pytest.mark.parametrize("frame", [b"", b"topic", b"topic\0", b"topic\0" + bytes(24), bytes(24)])
def test_a_frame_too_short_for_its_parts_is_refused(frame):
    with pytest.raises(ProtocolError) as caught:
        codec.decode_publication(frame)
    assert caught.value.code == "BAD_FRAME"


@pytest.mark.parametrize("topic", [b"", b"x" * 129, b"tick.", b"a b", b"a\0b", b"\xc3\xa9", b"a/b"])
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(ProtocolError) as caught:
        codec.check_topic(topic)
    assert caught.value.code == "BAD_TOPIC"


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.integers(0, 1 << 60))
def test_prices_come_out_exactly_as_they_went_in(bid, ask, timestamp):
    body = msgpack.unpackb(codec.pack_tick(Tick("EURUSD", bid, ask, timestamp, "test")))
    assert body == {"symbol": "EURUSD", "bid": bid, "ask": ask, "timestamp": timestamp, "source": "test"}


# Arrays that are joined, not packed


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 65_535, 65_536])
def test_an_array_that_is_joined_equals_one_that_is_packed(count):
    values = [{"n": number % 7} for number in range(count)]
    assert codec.array_header(count) + b"".join(map(codec.pack, values)) == msgpack.packb(values)


@given(st.lists(VALUES, max_size=40))
def test_joining_equals_packing_whatever_the_values_are(values):
    assert codec.array_header(len(values)) + b"".join(map(codec.pack, values)) == codec.pack(values)


def test_a_float_that_is_no_number_survives_so_that_its_reader_can_refuse_it():
    assert math.isnan(codec.unpack(codec.pack(math.nan)))


@pytest.mark.parametrize(
    "value",
    [
        msgpack.Timestamp(1_700_000_000, 123_456_789),
        msgpack.Timestamp(1_700_000_000, 0),
        msgpack.Timestamp(-(1 << 60), 5),
        msgpack.ExtType(5, b"\xd6\xff"),
        {"at": [msgpack.ExtType(9, b"")]},
        b"\xd6\xff\xd7\xff\x0c\xff",
        1 << 63,
        math.inf,
    ],
)
def test_times_and_extension_types_pass_unchanged_however_a_message_is_read(value):
    request = messages.Request(bytes(16), "sums", "add", {"value": value})
    assert codec.decode_from_client(codec.encode(request)) == request
    taken = codec.decode_from_worker(codec.encode(messages.Result(bytes(16), 1, True, value)))
    assert taken.value == value
    assert type(taken.value) is type(value)


@pytest.mark.parametrize("size", [1, 2000])
def test_large_messages_are_read_like_small_ones(size):
    request = messages.Request(bytes(16), "sums", "add", {"value": ["x"] * size}, {"timeout_ms": 5})
    assert codec.decode_from_client(codec.encode(request)) == request


def test_an_array_with_a_field_more_or_less_is_refused_by_both_ways_of_reading():
    fields = [bytes(16), "sums", "add", {}, {}]
    for wrong in (fields[:4], [*fields, 1]):
        with pytest.raises(ProtocolError, match="must be an array of 5"):
            codec.decode_from_client(b"Q" + msgpack.packb(wrong))


# The quick ways to encode


@pytest.mark.parametrize("cls", ROUND_TRIPS, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_the_quick_way_to_encode_makes_the_same_bytes(cls, data):
    codec.extensions.clear()
    message = cls(*[data.draw(field) for field in ROUND_TRIPS[cls][1]])
    assert fast_encode.encode_own(message) == codec.encode(message)


def test_the_quick_way_keeps_times_and_extension_types_that_were_read():
    time, extension = msgpack.Timestamp(5, 1), msgpack.ExtType(7, b"x")
    codec.extensions.clear()
    for value in (time, [1, {"at": time}], extension, [extension, {"a": time}]):
        frame = codec.encode(messages.Reply(bytes(16), value))
        assert fast_encode.encode_own(codec.decode_to_client(frame)) == frame


@pytest.mark.parametrize("number", [1, 127, 128, 1 << 31])
def test_a_done_result_is_encoded_as_any_other(number):
    for value in (None, 5, -1, 1 << 63, True, 0.5, "text", {"a": [1, 2.5]}, b"x" * 300):
        result = messages.Result(bytes(range(16)), number, True, value)
        assert fast_encode.encode_done(result) == codec.encode(result)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN | st.dictionaries(st.integers(0, 9), PLAIN, max_size=2) | st.lists(st.binary(max_size=4)))
def test_a_value_is_decoded_as_msgpack_decodes_it_by_whichever_decoder(value):
    data = msgpack.packb(value)
    assert repr(codec.unpack(data)) == repr(msgpack.unpackb(data, strict_map_key=False))


@given(PLAIN)
def test_plain_values_are_packed_to_the_same_bytes_as_any_others(value):
    assert codec.pack_plain(value) == codec.pack(value)


# All forms of msgpack, valid or not: a first byte, perhaps a length, and whatever follows
PIECES = st.sampled_from([bytes((first,)) for first in range(256)]) | st.binary(max_size=3)
PIECES |= st.sampled_from(
    [b"\xca\x7f\xc0\0\0", b"\xcb\x80" + bytes(7), b"\xd9\x01a", b"\xda\0\x01a", b"\xdb\0\0\0\x01a", b"\xce\0\0\0\x05"]
)
PIECES |= st.sampled_from(
    [b"\x82\xa1a\x01\xa1a", b"\xa1\xff", b"\xa3\xed\xa0\x80", b"\xd6\xff" + bytes(4), b"\xdd\xff\xff\xff\xff", b"\xc4\x01a"]
)


def _outcome(decode, data):
    try:
        return repr(decode(data))
    except ProtocolError as refusal:
        return refusal.code, str(refusal)


@given(st.lists(PIECES, max_size=9).map(b"".join), st.sampled_from([bytes, bytearray, memoryview]))
def test_any_bytes_are_decoded_or_refused_by_whichever_decoder(data, kind):
    assert _outcome(codec.unpack, kind(data)) == _outcome(codec.unpack_any, data)


def test_a_text_of_a_damaged_database_is_refused_like_malformed_bytes():
    with pytest.raises(ProtocolError, match="4 bytes are not one msgpack value"):
        codec.unpack("text")


def test_a_long_value_and_the_body_of_a_feed_are_not_decoded_twice_by_the_quick_decoder(monkeypatch):
    begun = []
    monkeypatch.setattr(codec, "read_shallow", begun.append)
    assert len(codec.unpack(msgpack.packb([1] * codec.QUICK_BYTES))) == codec.QUICK_BYTES
    assert tick_bodies.read_map(msgpack.packb({"a": b"x"})) == {"a": b"x"}
    assert begun == []

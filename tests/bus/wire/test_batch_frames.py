"""Batch frames: messages survive batching unchanged, and a malformed one does not affect the others."""

import datetime as dt
import os

import msgpack
import msgspec
import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec
from hulak.bus.wire.messages import Reply, Request, Result, Task

ALONE = {
    batch_frames.read_requests: lambda n: Request(n.to_bytes(16), "sums", "add", {"n": n}, {"timeout_ms": 5000}),
    batch_frames.read_replies: lambda n: Reply(n.to_bytes(16), {"n": n}),
    batch_frames.read_tasks: lambda n: Task(n.to_bytes(16), 1, "add", {"n": n}, 60_000, 75_000),
    batch_frames.read_results: lambda n: Result(n.to_bytes(16), 1, True, n),
}
KINDS = pytest.mark.parametrize(("read", "make"), ALONE.items(), ids=["requests", "replies", "tasks", "results"])


def nested(levels):
    value = None
    for _ in range(levels):
        value = [value]
    return value


@KINDS
@pytest.mark.parametrize("count", [2, 16, batch_frames.BUNDLE])
def test_what_is_put_together_comes_apart_the_same(read, make, count):
    messages = [make(number) for number in range(count)]
    [frame] = batch_frames.encode(messages)
    assert batch_frames.bundle([codec.encode(message) for message in messages]) == [frame]
    assert read(frame) == (messages, [])


@KINDS
def test_random_ids_make_no_difference(read, make):
    """Any two bytes of an id may look like the beginning of a time, or of many arrays."""
    name = make(0).__struct_fields__[0]
    for _ in range(300):
        messages = [msgspec.structs.replace(make(number), **{name: os.urandom(16)}) for number in range(20)]
        [frame] = batch_frames.encode(messages)
        assert read(frame) == (messages, [])


@KINDS
def test_as_many_as_a_frame_may_hold_are_read_and_one_more_is_refused(read, make):
    bodies = [codec.encode(make(number))[1:] for number in range(batch_frames.MOST + 1)]
    kind = codec.encode(make(0))[:1].lower()
    messages, refused = read(kind + codec.array_header(batch_frames.MOST) + b"".join(bodies[:-1]))
    assert (len(messages), refused) == (batch_frames.MOST, [])
    with pytest.raises(ProtocolError) as caught:
        read(kind + codec.array_header(batch_frames.MOST + 1) + b"".join(bodies))
    assert caught.value.code == "BAD_BODY"


@KINDS
def test_one_that_is_wrong_is_refused_by_itself(read, make):
    good = [codec.encode(make(number))[1:] for number in range(3)]
    kind = codec.encode(make(0))[:1]
    for wrong in (b"\xc0", b"\x91\x01", b"\x92\xc4\x01x\xc0", good[0][:1] + b"\xc0" + good[0][19:], msgpack.packb(nested(600))):
        messages, refused = read(kind.lower() + codec.array_header(4) + good[0] + wrong + good[1] + good[2])
        assert messages == [make(0), make(1), make(2)]
        assert [frame for frame, _ in refused] == [kind + wrong]
        assert all(isinstance(error, ProtocolError) for _, error in refused)


@KINDS
@pytest.mark.parametrize("body", [b"", b"\xc0", b"\x05", b"\x80", b"\x92\xc0", b"\x91\xc1", b"\x90\xc0", b"\xdd\xff\xff\xff\xff"])
def test_what_is_no_array_is_refused_as_a_whole(read, make, body):
    with pytest.raises(ProtocolError) as caught:
        read(codec.encode(make(0))[:1].lower() + body)
    assert caught.value.code == "BAD_BODY"


def test_whatever_bytes_come_they_are_read_or_refused():
    for read, make in ALONE.items():
        frame = bytearray(batch_frames.encode([make(number) for number in range(4)])[0])
        for at in range(1, len(frame)):
            for byte in (0x00, 0x81, 0xC1, 0xD6, 0xFF, frame[at] ^ 1):
                changed = bytes(frame[:at]) + bytes([byte]) + bytes(frame[at + 1 :])
                try:
                    messages, refused = read(changed)
                except ProtocolError:
                    continue
                assert len(messages) + len(refused) <= batch_frames.MOST


def test_times_and_extension_types_stay_what_they_are():
    time, extension = msgpack.Timestamp(5, 1), msgpack.ExtType(7, b"x")
    for value in (time, [1, {"at": time}], extension):
        messages = [Reply(bytes(16), 1), Reply(bytes(16), value)]
        frame = batch_frames.bundle([codec.encode(message) for message in messages])[0]
        assert batch_frames.read_replies(frame) == (messages, [])
        encoded = batch_frames.encode(messages)
        assert [message for part in encoded for message in apart(part)] == messages


def apart(frame):
    return batch_frames.read_replies(frame)[0] if frame[:1] == batch_frames.ANSWERS else [codec.decode_to_client(frame)]


def test_values_that_msgpack_refuses_are_refused():
    with pytest.raises(TypeError):
        batch_frames.encode([Reply(bytes(16), 1), Reply(bytes(16), {1, 2, object()})])


def test_a_value_too_deep_to_be_read_is_refused():
    body = codec.encode(Reply(bytes(16), 1))[1:] + b"\x92\xc4\x10" + bytes(16) + b"\x91" * 5000 + b"\xc0"
    frame = b"r" + codec.array_header(2) + body
    try:
        messages, refused = batch_frames.read_replies(frame)
        errors = [error for _, error in refused]
    except ProtocolError as error:  # Pythons differ in how deep C code may go: here even the message's end could not be found
        messages, errors = [Reply(bytes(16), 1)], [error]
    assert messages == [Reply(bytes(16), 1)]
    assert [error.code for error in errors] == ["BAD_BODY"]


def test_long_ones_and_a_single_one_are_not_put_together():
    long = [codec.encode(Reply(bytes(16), "x" * 40_000)) for _ in range(2)]
    assert batch_frames.bundle(long) == long
    assert batch_frames.encode([Reply(bytes(16), "x" * 40_000)] * 2) == long
    assert batch_frames.bundle(long[:1]) == long[:1]
    assert batch_frames.bundle([]) == []
    assert batch_frames.encode([Reply(bytes(16), 1)]) == [codec.encode(Reply(bytes(16), 1))]


def test_more_than_a_bundle_become_several_frames_in_order():
    messages = [Reply(number.to_bytes(16), number) for number in range(batch_frames.BUNDLE * 2 + 5)]
    encoded = batch_frames.encode(messages)
    assert len(encoded) == 3
    assert [message for frame in encoded for message in apart(frame)] == messages


def test_a_broker_that_forwards_its_own_date_has_a_bug_that_shows():
    """The broker encodes values that were decoded from frames; msgspec would encode types that msgpack does not have."""
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(TypeError):
        codec.encode(Reply(bytes(16), moment))

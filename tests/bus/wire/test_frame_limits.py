"""Bounds of large frames: counted without decoding, and refused beyond the limits."""

import random
import time
import tracemalloc

import msgpack
import pytest

from hulak.bus.broker.dialects import request_id
from hulak.bus.errors import ProtocolError
from hulak.bus.wire import batch_frames, codec, frame_limits
from hulak.bus.wire.messages import Request

ID = bytes(range(16))
MIB = 1 << 20


def refused(read, frame):
    with pytest.raises(ProtocolError) as caught:
        read(frame)
    return caught.value.code


def result(value):
    """Make the frame of a RESULT whose value is packed already."""
    return b"R\x94\xc4\x10" + ID + b"\x01\xc3" + value


def counted(value):
    """Count as `weight` does, slowly."""
    containers = values = 0
    pending = [value]
    while pending:
        item = pending.pop()
        containers += isinstance(item, dict | list | msgpack.ExtType)
        if isinstance(item, dict):
            values += 2 * len(item)
            pending += item.values()
        elif isinstance(item, list):
            values += len(item)
            pending += item
    return containers, values


def made(draw, levels):
    kind = draw.randrange(12 if levels else 9)
    scalars = [None, True, draw.randrange(-(1 << 63), 1 << 64), draw.randrange(-200, 200), draw.random()]
    scalars += ["x" * draw.randrange(40), "y" * draw.choice([300, 70_000]), b"z" * draw.randrange(300)]
    scalars += [msgpack.ExtType(5, b"q" * draw.choice([1, 2, 4, 8, 16, 3, 300]))]
    if kind < 9:
        return scalars[kind]
    inner = [made(draw, levels - 1) for _ in range(draw.randrange(20))]
    return inner if kind < 11 else {f"{'k' * draw.randrange(40)}{number}": item for number, item in enumerate(inner)}


@pytest.mark.parametrize("seed", range(100))
def test_whatever_the_values_are_they_are_counted_exactly(seed):
    value = made(random.Random(seed), 4)
    assert frame_limits._count(msgpack.packb(value), 0) == counted(value)


@pytest.mark.parametrize(
    "value",
    [
        b"\xdd\x00\x03\x0d\x40" + b"\x80" * 200_000,  # an array of 200,000 empty maps: with itself one too many
        b"\xdd\x00\x03\x0d\x40" + b"\xd4\x05\x00" * 200_000,  # likewise of extensions
        b"\xdd\x00\x1e\x84\x81" + b"\xc0" * 2_000_001,  # an array of 2,000,001 nils
        b"\xdf\x00\x0f\x42\x41" + b"\xa1k\xc0" * 1_000_001,  # a map of half as many keys with values
        b"\x91" * 300_000,  # arrays in arrays
        b"\xdd\xff\xff\xff\xff" + b"\xa1a" * MIB,  # more values are announced than can be there
        b"\xdd\x00\x1e\x84\x80" + b"\xd9\x00" * 2_000_000,  # texts that take longer to look at than to send
    ],
    ids=["maps", "extensions", "nils", "one map", "nested", "announced", "long texts"],
)
def test_too_much_is_refused_before_it_is_decoded(value):
    frame = result(value)
    tracemalloc.start()
    code = refused(codec.decode_from_worker, frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == "TOO_LARGE"
    assert peak < 2 * len(frame) + MIB


@pytest.mark.parametrize(
    "value",
    [
        b"\xdd\x00\x03\x0d\x3e" + b"\x80" * 199_998,
        b"\xdd\x00\x1e\x84\x7c" + b"\xc0" * 1_999_996,
        b"\xc6\x00\x70\x00\x00" + b"\x80" * (7 * MIB),  # bytes, whatever they look like
        b"\xda\xff\xff" + "\u0915".encode() * 21_845,
    ],
    ids=["maps", "nils", "bytes", "text"],
)
def test_what_is_within_the_bounds_is_taken(value):
    assert codec.decode_from_worker(result(value)).task == ID


def test_8_mib_of_empty_maps_are_refused_in_a_fraction_of_the_time_that_decoding_them_takes():
    frame = result(b"\xdd\x00\x7f\xff\x00" + b"\x80" * 0x7FFF00)
    began = time.process_time()
    assert refused(codec.decode_from_worker, frame) == "TOO_LARGE"
    assert time.process_time() - began < 0.2


def test_a_control_request_is_refused_above_128_kib_however_its_head_is_written_but_for_a_post():
    large = {"values": {"x": "y" * (1 << 17)}}
    for service in ("hulak.report", "hulak.config.set", "hulak.nope"):
        frame = codec.encode(Request(ID, service, "", large, {}))
        assert refused(codec.decode_from_client, frame) == "TOO_LARGE"
        assert request_id(frame) == ID
    for service in ("hulak.post", "nepse"):
        assert codec.decode_from_client(codec.encode(Request(ID, service, "", large, {}))).args == large
    longer = b"Q\xdc\x00\x05\xc5\x00\x10" + ID + b"\xda\x00\x0chulak.report\xd9\x00" + msgpack.packb(large) + b"\x80"
    assert refused(codec.decode_from_client, longer) == "TOO_LARGE"
    empty = len(codec.encode(Request(ID, "hulak.report", "", {"values": {"x": "y" * 70_000}}, {}))) - 70_000
    just = codec.encode(Request(ID, "hulak.report", "", {"values": {"x": "y" * ((1 << 17) - empty)}}, {}))
    assert len(just) == 1 << 17
    assert codec.decode_from_client(just).service == "hulak.report"


def test_in_a_frame_of_several_the_large_control_request_alone_is_refused():
    large = [Request(bytes([at]) * 16, name, "", {"x": "y" * (1 << 17)}, {}) for at, name in enumerate(("s", "hulak.last"))]
    taken, wrong = batch_frames.read_requests(b"q\x92" + b"".join(codec.encode(request)[1:] for request in large))
    assert [request.service for request in taken] == ["s"]
    assert [error.code for _, error in wrong] == ["TOO_LARGE"]


def test_the_id_of_a_request_whose_rest_is_anything_is_found():
    assert request_id(b"Q\x95\xc4\x10" + ID + b"\xa3\xed\xa0\x80") == ID
    for frame in (b"", b"Q", b"Q\x90", b"Q\x95\xc0", b"Q\x95\xc4\x0f" + ID, b"Q\xc1", b"Q\x95\xc4\x10" + ID[:9]):
        assert request_id(frame) is None

"""The lenient reader of malformed bodies."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack
from hulak.bus.wire.lenient import split, unpack_anyway


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x81\xa1a\x01", {"a": 1}),
        (b"\x81\xa1a\xa3B\xf6r", {"a": "B\ufffdr"}),
        (b"\x81\xa2\xf6b\x92\xa1\xff\xc4\x01\xff", {"\ufffdb": ["\ufffd", b"\xff"]}),
        (b"\x81\x91\x05\x81\x80\x07", {"[5]": {"{}": 7}}),
        (b"\x82\x01\xa1\xf6\xd4\x05\x00\xc0", {1: "\ufffd", msgpack.ExtType(5, b"\0"): None}),
    ],
)
def test_text_that_is_none_is_marked_and_keys_that_can_be_none_are_text(data, value):
    assert unpack_anyway(data) == value


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa1a", b"\x80\x80", b"\xc7\x03\xff\0\0\0", b"\x91" * 5000])
def test_what_is_not_one_value_is_refused(data):
    with pytest.raises(ProtocolError):
        unpack_anyway(data)
    with pytest.raises(ProtocolError):
        split(data)


@given(st.lists(st.recursive(st.one_of(st.none(), st.integers(0, 9), st.text(max_size=3)), st.lists, max_leaves=5), max_size=9))
def test_an_array_is_taken_apart_into_what_it_was_packed_from(values):
    assert split(pack(values)) == [pack(value) for value in values]
    assert unpack_anyway(pack(values)) == values


def test_an_item_that_is_no_text_does_not_hinder_the_others():
    assert split(b"\x93\xa1a\xa1\xf6\x81\x90\x01") == [b"\xa1a", b"\xa1\xf6", b"\x81\x90\x01"]

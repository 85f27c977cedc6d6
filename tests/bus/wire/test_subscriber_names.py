"""The note of a subscriber."""

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import pack
from hulak.bus.wire.subscriber_names import LONGEST_NAME, SUBSCRIBER, SubscriberNote, decode_note, plain_name


@pytest.mark.parametrize("note", [SubscriberNote("quotes", 4711), SubscriberNote("display_00", 1, 3, 40, 2)])
def test_a_note_is_read_as_it_was_sent(note):
    assert decode_note(note.encode()) == note


def test_a_note_without_losses_has_name_and_pid_only():
    assert SubscriberNote("a", 1).encode() == SUBSCRIBER + pack({"name": "a", "pid": 1})


def test_further_keys_are_ignored():
    assert decode_note(SUBSCRIBER + pack({"pid": 2, "name": "a", "later": [1]})) == SubscriberNote("a", 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        pack([1]),
        pack({"name": "a"}),
        pack({"name": "", "pid": 1}),
        pack({"name": "a b", "pid": 1}),
        pack({"name": "a" * (LONGEST_NAME + 1), "pid": 1}),
        pack({"name": "a", "pid": -1}),
        pack({"name": "a", "pid": 1.5}),
        pack({"name": "a", "pid": 1, "gaps": (1 << 53) + 1}),
        pack({"name": "a", "pid": 1}) + b"\0",
    ],
)
def test_a_malformed_note_is_refused(body):
    with pytest.raises(ProtocolError) as refused:
        decode_note(SUBSCRIBER + body)
    assert refused.value.code == "BAD_BODY"


@pytest.mark.parametrize(
    ("name", "plain"), [("my feed.py", "my_feed.py"), ("काठमाडौँ", "unnamed"), ("", "unnamed"), ("_x_", "x"), ("a" * 99, "a" * 64)]
)
def test_any_name_becomes_a_plain_one(name, plain):
    assert plain_name(name) == plain
    assert decode_note(SubscriberNote(plain_name(name), 1).encode()).name == plain

"""Keys of a terminal: whole sequences, however they are split; nothing but q and Ctrl-C ends anything."""

import os
import random

import pytest

from hulak.clients.cli.keys import ALONE_S, Keys, is_foreground
from hulak.clients.cli.live_output import LiveOutput
from hulak.clients.cli.scroll import Scroll, cut

NAMED = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[1;5A": "up",  # with Ctrl
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[H": "home",
    b"\x1b[1~": "home",
    b"\x1b[7~": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
    b"\x1b[5~": "pageup",
    b"\x1b[6;2~": "pagedown",
    b"q": "q",
    b" ": " ",
}
UNKNOWN = [
    b"\x1b[3~",  # Delete
    b"\x1b[15~",  # F5
    b"\x1bOP",  # F1
    b"\x1b[[A",  # F1 of the Linux console
    b"\x1bq",  # Alt and q
    b"\x1b[Z",  # Shift and Tab
    b"\x1b[M q!",  # a mouse, old form, with a q in it
    b"\x1b[<64;10;5M",  # the wheel, new form
    b"\x1b[<0;3;3m",
    b"\x1b[200~",
    b"\x1b[?1;2c",  # device attributes, a report of the terminal
    b"\x1b]11;rgb:q/q/q\x07",  # its colour
    b"\x1bP1+r71=q\x1b\\",
    b"\x1b[I",  # it has the focus
    b"\xc3\xa9",  # é
]


@pytest.mark.parametrize(("data", "name"), NAMED.items())
def test_a_key_has_its_name_however_its_bytes_are_split(data, name):
    for at in range(len(data) + 1):
        keys = Keys()
        assert keys.feed(data[:at], 1.0) + keys.feed(data[at:], 1.01) == [name]


@pytest.mark.parametrize("data", UNKNOWN)
def test_fields_without_a_reader_are_kept(data):
    for at in range(len(data) + 1):
        keys = Keys()
        names = keys.feed(data[:at], 1.0) + keys.feed(data[at:], 1.01)
        assert set(names) == {"other"}
        assert keys.feed(b"q", 1.02) == ["q"], "nothing is left of it"


def test_escape_alone_is_no_key_and_swallows_nothing_for_long():
    keys = Keys()
    assert keys.feed(b"\x1b", 1.0) == []
    assert keys.feed(b"q", 1.0 + ALONE_S) == ["q"]
    assert keys.feed(b"\x1b\x1b[A", 2.0)[-1] == "up"


@pytest.mark.parametrize("seed", range(200))
def test_no_bytes_end_it_but_q_and_ctrl_c(seed):
    """Any mix of keys, split anywhere, does what the keys do one by one; bytes that are no keys do no harm."""
    draw = random.Random(seed)
    picked = [draw.choice([*list(NAMED)[:-2], *UNKNOWN]) for _ in range(draw.randrange(1, 30))]
    data, view, keys = b"".join(picked), LiveOutput(as_json=False, live=True, page=""), Keys()
    names = []
    while data:
        size = draw.randrange(1, 8)
        names += keys.feed(data[:size], 1.0)
        data = data[size:]
    assert [name for name in names if name != "other"] == [NAMED[key] for key in picked if key in NAMED]
    assert not any(view.press(name) for name in names if name != "q")
    noise = bytes(draw.choice([byte for byte in range(256) if chr(byte) not in "qQ\x03"]) for _ in range(300))
    assert not any(view.press(name) for name in keys.feed(noise, 1.0))
    assert any(view.press(name) for name in keys.feed(b"\x07\x1b\\\x18", 1.0) + keys.feed(b"qq", 9.0))


def test_a_list_scrolls_and_shows_how_much_it_leaves_out():
    scroll, items = Scroll(), list(range(20))
    assert cut(items[:5], 5, scroll) == ([0, 1, 2, 3, 4], "")
    assert cut(items, 5, scroll) == ([0, 1, 2, 3], "and 16 more")
    scroll.press("pagedown")
    scroll.press("down")
    assert cut(items, 5, scroll) == ([5, 6, 7, 8], "and 11 more, 5 above")
    scroll.press("end")
    assert cut(items, 5, scroll) == ([16, 17, 18, 19], "16 above")
    scroll.press("up")
    assert cut(items, 5, scroll)[0] == [15, 16, 17, 18]
    scroll.press("home")
    scroll.press("pageup")
    assert cut(items, 5, scroll)[0] == [0, 1, 2, 3]
    assert not scroll.press("q")


def test_a_terminal_that_does_not_control_the_process_and_a_pipe_give_no_keys():
    pair, pipe = os.openpty(), os.pipe()
    try:
        assert [is_foreground(descriptor) for descriptor in (pair[1], pipe[0])] == [False, False]
    finally:
        for descriptor in (*pair, *pipe):
            os.close(descriptor)

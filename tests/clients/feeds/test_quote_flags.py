"""Odd quotes are flagged."""

import msgpack
from tick_days import FXCM, write_day

from hulak.bus.wire.codec import pack_tick
from hulak.bus.wire.messages import FLAGS, Tick
from hulak.clients.feeds.files.registry import read_ticks
from hulak.clients.feeds.quote_flags import QuoteFlags
from hulak.clients.feeds.venues.dialect import MAX_SYMBOLS


def marked(*quotes):
    marks = QuoteFlags()
    return [marks.mark(Tick("X", bid, ask, time_ms, "x")).flags for bid, ask, time_ms in quotes]


def test_crossed_locked_and_late_quotes_are_flagged_in_this_order():
    assert marked((1, 2, 10), (2, 1, 10), (2, 2, 11), (1, 2, 5), (2, 1, 4), (2, 2, 3), (1, 2, 3)) == [
        *((), ("crossed",), ("locked",), ("late",), ("crossed", "late"), ("locked", "late"), ())
    ]
    assert FLAGS == ("crossed", "locked", "late", "one-sided", "empty", "halted", "last")


def test_empty_sides_are_flagged_and_the_venues_flags_are_kept():
    assert marked((None, 2, 10), (1, None, 9), (None, None, 10)) == [("one-sided",), ("late", "one-sided"), ("empty",)]
    marks = QuoteFlags()
    assert marks.mark(Tick("X", 1, 2, 10, "x", ("halted",))).flags == ("halted",)
    assert marks.mark(Tick("X", 2, 2, 10, "x", ("halted",))).flags == ("locked", "halted")
    assert marks.counts == {"halted": 2, "locked": 1}


def test_each_symbol_has_its_own_clock():
    marks = QuoteFlags()
    assert [marks.mark(Tick(symbol, 1, 2, at, "x")).flags for symbol, at in (("A", 10), ("B", 5), ("A", 9))] == [
        (),
        (),
        ("late",),
    ]


def test_the_memory_of_symbols_is_bounded():
    marks = QuoteFlags()
    marks.mark(Tick("FIRST", 1, 2, 10, "x"))
    for number in range(MAX_SYMBOLS):
        marks.mark(Tick(f"S{number}", 1, 2, 10, "x"))
    assert marks.mark(Tick("FIRST", 1, 2, 5, "x")).flags == ()


def test_flags_are_in_the_body_only_where_there_are_any():
    plain = {"symbol": "X", "bid": 1.0, "ask": 2.0, "timestamp": 5, "source": "x"}
    assert msgpack.unpackb(pack_tick(Tick("X", 1.0, 2.0, 5, "x"))) == plain
    assert msgpack.unpackb(pack_tick(Tick("X", 1.0, 2.0, 5, "x", ("late",)))) == {**plain, "flags": ["late"]}


def test_a_fifth_of_a_days_quotes_is_crossed_or_locked_and_all_are_kept(tmp_path):
    """As many as there were on 2014-05-08 in the quotes of EURUSD at FXCM."""
    path = write_day(tmp_path, FXCM)
    marks = QuoteFlags()
    count = sum(1 for tick in read_ticks(path) if marks.mark(tick))
    assert count == 167_466
    assert marks.counts == {"crossed": 18_285, "locked": 19_051}

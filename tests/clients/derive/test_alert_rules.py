"""Which alerts fire, with plain numbers: limits, hysteresis, cool-down, windows, spreads, silence, restarts."""

import math

import msgspec
import pytest

from hulak.clients.derive.rules import alert_book
from hulak.clients.derive.rules.alert_book import AlertBook, BookState, Message
from hulak.clients.derive.rules.alert_rule import AlertRule, rule_of
from hulak.clients.derive.rules.alert_track import DAY_MS, PriceWindow
from hulak.clients.derive.rules.derivation import Derivation, DerivationState, Wanted
from hulak.clients.derive.rules.quote import MarketState

T = 1_790_000_000_000  # ms
NAN = math.nan


def rule(**values):
    return AlertRule(**{"id": "01", "name": "a", "symbol": "X", "on": "price", **values})


def book_of(*rules, now=T):
    book = AlertBook()
    book.define(rules, {}, {}, now)
    return book


def quote(bid, ask=None, **more):
    return {"bid": bid, "ask": bid if ask is None else ask, "source": "v", **more}


def fired(book, rows, symbol="X"):
    """Take ticks of (ms since T, body); return the times at which something fired, with what was reached."""
    made = []
    for at, body in rows:
        message = Message(at, 7, T + at)
        made += book.grow_old(message)
        made += [] if body is None else book.tick(symbol, body, message)
    return [(firing.body["at"] - T, firing.body["way"], firing.body["value"]) for firing in made]


@pytest.mark.parametrize(
    ("values", "prices", "wanted"),
    [
        ({"above": 1.5}, [1.4, 1.5, 1.4, 1.6], [(1, "above", 1.5)]),
        ({"below": 1.5}, [1.6, 1.5, 1.6, 1.4], [(1, "below", 1.5)]),
        ({"above": 1.5}, [1.6, 1.7], [(0, "above", 1.6)]),  # reached already when it begins
        ({"above": 1.5, "repeat": True}, [1.5, 1.6, 1.4, 1.5], [(0, "above", 1.5), (3, "above", 1.5)]),
        ({"above": 1.5, "repeat": True, "rearm": 0.2}, [1.5, 1.4, 1.5, 1.2, 1.5], [(0, "above", 1.5), (4, "above", 1.5)]),
        ({"above": 1.5, "below": 1.0, "repeat": True}, [1.5, 0.9, 1.2, 1.0], [(0, "above", 1.5), (3, "below", 1.0)]),
        ({"above": 1.5}, [NAN, math.inf, 1.6], [(2, "above", 1.6)]),
        ({"above": 1.5, "enabled": False}, [1.6], []),
        ({"above": 1.5, "until_ms": T + 1}, [1.4, 1.6], []),
        ({"above": 1.5, "symbol": "Y*"}, [1.6], []),
    ],
)
def test_it_fires_when_a_limit_is_reached_and_again_only_as_defined(values, prices, wanted):
    assert fired(book_of(rule(**values)), [(at, quote(price)) for at, price in enumerate(prices)]) == wanted


def test_the_price_of_the_last_trade_counts_where_a_tick_has_it():
    rows = [(at, quote(9.0, last=last)) for at, last in enumerate((None, "x", True, 10**400, NAN, 2))]
    assert fired(book_of(rule(above=1.5, side="last")), rows) == [(5, "above", 2.0)]


def test_within_the_cool_down_it_waits_and_fires_at_its_end_if_the_limit_is_still_reached():
    book = book_of(rule(above=1.5, repeat=True, cooldown_ms=1000))
    rows = [(0, quote(1.5)), (10, quote(1.4)), (20, quote(1.5)), (999, quote(1.5)), (1000, quote(1.5))]
    assert fired(book, rows) == [(0, "above", 1.5), (1000, "above", 1.5)]


def test_a_crossed_halted_or_one_sided_quote_has_no_mid_and_no_spread():
    rows = [
        (0, quote(2.0, 1.0)),
        (1, quote(2.0, 2.0, flags=["halted"])),
        (2, {"bid": 2.0, "ask": None}),
        (3, {"bid": NAN, "ask": 9.0}),
    ]
    assert fired(book_of(rule(above=1.5)), rows) == []
    assert fired(book_of(rule(on="spread", above=-5.0)), rows) == []
    assert fired(book_of(rule(above=1.5, side="bid")), rows) == [(0, "above", 2.0)]  # that side of the crossed quote


@pytest.mark.parametrize(
    ("symbol", "unit", "bid", "ask", "value"),
    [
        ("EURUSD", "pips", 1.1000, 1.1002, 2.0),
        ("USDJPY", "pips", 150.00, 150.02, 2.0),
        ("EURUSD", "price", 1.0, 1.5, 0.5),
        ("EURUSD", "fraction", 1.5, 2.5, 0.5),
    ],
)
def test_a_spread_is_measured_in_pips_price_or_as_a_fraction(symbol, unit, bid, ask, value):
    book = book_of(rule(symbol=symbol, on="spread", unit=unit, above=value))
    assert fired(book, [(0, quote(bid, ask))], symbol) == [(0, "above", value)]
    assert fired(book_of(rule(symbol=symbol, on="spread", unit=unit, above=value * 1.001)), [(0, quote(bid, ask))], symbol) == []


def test_a_change_counts_from_the_price_of_a_window_ago():
    window, minute = PriceWindow(), 60_000
    assert window.take(100.0, 0, minute) == 100.0
    assert window.take(101.0, 30_000, minute) == 100.0
    assert window.take(102.0, 60_000, minute) == 100.0
    assert window.take(103.0, 90_000, minute) == 101.0  # of 30,000
    assert window.take(104.0, 600_000, minute) == 103.0  # a gap: the price that counted meanwhile
    for at in range(600_000, 700_000, 7):
        window.take(1.0, at, minute)
    assert len(window.slots) <= 102
    book = book_of(rule(on="change", above=1.0, below=-1.0, window_ms=minute))
    rows = [(at, quote(price)) for at, price in ((0, 100.0), (30_000, 100.9), (61_000, 100.95), (62_000, 98.0))]
    assert fired(book, rows) == [(62_000, "below", pytest.approx(-2.0))]


def test_a_change_of_the_day_counts_from_its_first_price_and_begins_again_at_midnight():
    midnight = DAY_MS - T % DAY_MS
    book = AlertBook()
    book.define([rule(on="change", above=10.0, repeat=True)], {}, {"X": (T // DAY_MS, 100.0, 100.0, None)}, T)
    rows = [
        (0, quote(109.0)),
        (1, quote(110.0)),
        (midnight, quote(200.0)),
        (midnight + 1, quote(219.0)),
        (midnight + 2, quote(220.0)),
    ]
    assert [at for at, _, _ in fired(book, rows)] == [1, midnight + 2]


def test_a_symbol_without_ticks_is_stale_once_and_again_after_the_next_tick_if_it_repeats():
    for repeat, wanted in ((False, [5000]), (True, [5000, 11_000])):
        book = book_of(rule(on="stale", after_ms=5000, repeat=repeat))
        assert book.due() == 0 or book.due() <= T + 5000
        rows = [(4900, None), (5000, None), (6000, quote(1.0)), (10_999, None), (11_000, None)]
        assert [at for at, way, _ in fired(book, rows) if way == "stale"] == wanted


def test_while_its_market_is_closed_nothing_is_stale_and_silence_counts_from_the_opening():
    book = book_of(rule(on="stale", after_ms=5000))
    assert fired(book, [(0, quote(1.0))]) == []
    book.market(MarketState("v", False, 0), T + 1000)
    assert fired(book, [(5000, None), (60_000, None)]) == []
    assert book.due() is None
    book.market(MarketState("v", True, 0), T + 70_000)
    assert [at for at, _, _ in fired(book, [(70_001, None), (74_999, None), (75_000, None)])] == [75_000]


def test_a_pattern_fires_for_each_symbol_by_itself_and_only_for_as_many_as_it_may(monkeypatch):
    monkeypatch.setattr("hulak.clients.derive.rules.alert_book.MOST_SYMBOLS", 2)
    book = book_of(rule(symbol="E*", above=1.0))
    names = [book.tick(symbol, quote(2.0), Message(1, 1, T)) for symbol in ("EA", "EB", "EC", "XA", "EA")]
    assert [[firing.name for firing in made] for made in names] == [["a.EA"], ["a.EB"], [], [], []]
    assert book.ignored == 1


def test_what_stays_defined_is_remembered_and_firings_of_the_past_are_not_repeated():
    book = book_of(rule(above=1.5))
    assert len(fired(book, [(0, quote(2.0))])) == 1
    book.define([rule(above=1.5), rule(id="02", name="b", above=1.8)], {}, {}, T)
    assert [firing.name for firing in book.tick("X", quote(2.0), Message(2, 1, T + 1))] == ["b.X"]
    again = AlertBook()
    again.define(
        [rule(above=1.5), rule(id="02", name="b", above=1.5, repeat=True)], {("01", "X"): (1, T), ("02", "X"): (4, T)}, {}, T
    )
    assert fired(again, [(1, quote(2.0)), (2, quote(1.0))]) == []
    assert [firing.body["fired"] for firing in again.tick("X", quote(2.0), Message(3, 1, T + 3))] == [5]


def test_an_alert_that_is_not_evaluated_for_a_time_neither_fires_nor_forgets():
    book = book_of(rule(on="stale", after_ms=5000, enabled=False))
    assert fired(book, [(0, quote(1.0)), (5000, None), (6000, quote(1.0))]) == []
    book.define([rule(on="stale", after_ms=5000)], {}, {}, T + 7000)
    assert [at for at, _, _ in fired(book, [(7000, None), (10_900, None), (11_000, None)])] == [11_000]


def ticks(count):
    """Yield stamp and body of ticks of some symbols whose prices go up and down, with gaps of up to 9 s."""
    at = T
    for number in range(count):
        at += (number * 7919) % 900 + (8000 if number % 97 == 0 else 0)
        price = 1.0 + ((number * 104729) % 1000) / 1000
        yield at * 1_000_000, {"symbol": f"S{number % 5}", "timestamp": at, **quote(price, price + 0.001)}


def test_from_any_checkpoint_on_the_same_alerts_fire_as_without_it():
    rules = [
        rule(symbol="S*", above=1.9, below=1.1, repeat=True, rearm=0.1, cooldown_ms=3000),
        rule(id="02", name="b", symbol="S1", on="change", above=20.0, window_ms=20_000, repeat=True),
        rule(id="03", name="c", symbol="S*", on="stale", after_ms=6000, repeat=True),
        rule(id="04", name="d", symbol="S2", on="spread", unit="pips", above=10.0),
        rule(id="05", name="e", symbol="S3", on="change", above=50.0),
    ]
    whole, rows = Derivation(Wanted(alerts=True)), list(ticks(600))
    whole.alerts.define(rules, {}, {}, T)
    expected, parts = [], []
    packed = None
    for number, (stamp, body) in enumerate(rows):
        if number % 50 == 0:
            packed = msgspec.msgpack.encode(whole.dump())
        if number % 50 == 25:  # goes on from 25 messages before
            other = Derivation.loaded(msgspec.msgpack.decode(packed, type=DerivationState))
            parts.append((number - 25, [other.take(*rows[at], at, 1) for at in range(number - 25, number)]))
        expected.append(whole.take(stamp, body, number, 1))
    assert {row.body["on"] for made in expected for row in made} == {"price", "change", "spread", "stale"}
    for begin, made in parts:
        assert made == expected[begin : begin + 25]


def test_a_stamp_that_goes_back_changes_nothing_of_the_time():
    derivation = Derivation(Wanted(alerts=True))
    derivation.alerts.define([rule(on="stale", after_ms=5000)], {}, {}, T)
    tick = {"symbol": "X", "timestamp": T, **quote(1.0)}
    made = [
        derivation.take((T + at) * 1_000_000, body) for at, body in ((0, tick), (4000, tick), (1000, {}), (8900, {}), (9000, {}))
    ]
    assert [[row.topic for row in rows] for rows in made] == [[], [], [], [], ["alert.a.X"]]


def test_a_row_of_the_broker_is_read_and_one_that_is_no_definition_is_left_out():
    row = {
        "id": b"\x01" * 16,
        "name": "n",
        "symbol": "X",
        "on": "stale",
        "after_s": 1.5,
        "owner": "",
        "enabled": True,
        "note": "",
    }
    assert rule_of(row) == AlertRule("01" * 16, "n", "X", "stale", after_ms=1500)
    row["after_s"] = None
    assert rule_of({**row, "on": "price", "above": 1, "window_s": 60}) == AlertRule(
        "01" * 16, "n", "X", "price", above=1.0, window_ms=60_000
    )
    for wrong in ({**row, "on": ""}, {**row, "id": 5}, {**row, "above": "x"}, {}):
        assert rule_of(wrong) is None


def test_the_state_of_a_checkpoint_is_plain():
    state = book_of(rule(above=1.0), rule(id="02", symbol="Y*", on="change", above=1.0, window_ms=10)).dump()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=BookState) == state


def test_a_pattern_is_found_by_its_beginning_and_stays_known_when_others_are_added():
    rules = [
        rule(id=f"{n:02}", name=f"n{n}", symbol=symbol, above=1.0) for n, symbol in enumerate(("*", "X*", "XY*", "XY", "Y*"))
    ]
    book = book_of(*rules[:4])
    message = Message(1, 7, T)
    assert sorted(firing.name for firing in book.tick("XY", quote(1.0), message)) == ["n0.XY", "n1.XY", "n2.XY", "n3.XY"]
    book.define(rules, {}, {}, T)
    assert book.tick("XY", quote(1.0), message) == []
    assert [firing.name for firing in book.tick("YX", quote(1.0), message)] == ["n0.YX", "n4.YX"]


def test_five_thousand_patterns_cost_a_new_symbol_only_those_that_match_it():
    patterns = [rule(id=f"{n:04}", name=f"n{n}", symbol=f"S{n}.*", above=1.0) for n in range(5000)]
    compared = []

    class Counted(str):
        __slots__ = ()

        def startswith(self, *args):
            compared.append(args)
            return super().startswith(*args)

    assert [firing.name for firing in book_of(*patterns).tick(Counted("S7.A"), quote(1.0), Message(1, 7, T))] == ["n7.S7.A"]
    assert len(compared) <= 1


def test_silent_symbols_beyond_the_limit_of_all_alerts_are_counted_and_the_others_fire(monkeypatch):
    monkeypatch.setattr(alert_book, "MOST_WATCHES", 3)
    book = book_of(*(rule(id=f"{n}", name=f"n{n}", symbol="*", on="stale", after_ms=1000) for n in range(2)))
    for symbol in ("A", "B", "C"):
        book.tick(symbol, quote(1.0), Message(1, 7, T))
    assert sorted(firing.name for firing in book.grow_old(Message(2, 7, T + 1000))) == ["n0.A", "n0.B", "n1.A"]
    assert book.ignored == 3

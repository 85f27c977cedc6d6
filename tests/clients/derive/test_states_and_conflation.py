"""Conflated ticks, the quality of symbols, and which of them are made; by plain numbers."""

import pytest

from hulak.clients.derive.rules.derivation import CLOCK, Derivation, Wanted
from hulak.clients.derive.rules.intervals import conflations, intervals, is_wanted

T = 1_700_000_040_000


def take(derivation, at, symbol=None, source="x", **body):
    """Return topics and bodies of the messages made by a tick at a stamp, or by a message that only has a stamp."""
    whole = {"symbol": symbol, "bid": 1.0, "ask": 2.0, "timestamp": T + at, "source": source, **body} if symbol else body
    return [(made.topic, made.body) for made in derivation.take((T + at) * 1_000_000, whole)]


def states(rows):
    return [(body["symbol"], body["state"], body["since"] - T) for topic, body in rows if topic.startswith("state.")]


def test_a_conflated_topic_has_the_newest_tick_of_each_time_that_had_one():
    derivation = Derivation(Wanted(every=("100ms", "1s")))
    first = {"extra": [1, {"a": None}], "flags": ["late"]}
    assert take(derivation, 10, "EURUSD") == []
    assert take(derivation, 20, "EURUSD", **first) == []
    assert derivation.due_ns() == (T + 100) * 1_000_000
    body = {"symbol": "EURUSD", "bid": 1.0, "ask": 2.0, "timestamp": T + 20, "source": "x", **first}
    assert take(derivation, 100, "USDJPY") == [("every.100ms.EURUSD", body)]
    assert [topic for topic, _ in take(derivation, 950)] == ["every.100ms.USDJPY"]
    assert [topic for topic, _ in take(derivation, 1000)] == ["every.1s.EURUSD", "every.1s.USDJPY"]
    assert take(derivation, 9000) == []
    assert derivation.due_ns() is None


def test_a_symbol_is_fresh_with_its_first_tick_and_stale_when_none_came_for_long():
    derivation = Derivation(Wanted(states=True, stale_ms=5000))
    assert states(take(derivation, 0, "EURUSD")) == [("EURUSD", "fresh", 0)]
    assert states(take(derivation, 3000, "EURUSD")) == []
    assert derivation.due_ns() == (T + 8000) * 1_000_000
    assert states(take(derivation, 7999, "USDJPY")) == [("USDJPY", "fresh", 7999)]
    assert states(take(derivation, 8100, "USDJPY")) == [("EURUSD", "stale", 8000)]
    assert states(take(derivation, 9000, "EURUSD")) == [("EURUSD", "fresh", 9000)]


def test_a_symbol_is_halted_while_its_newest_tick_is_and_does_not_become_stale():
    derivation = Derivation(Wanted(states=True, stale_ms=5000))
    take(derivation, 0, "EURUSD")
    assert states(take(derivation, 100, "EURUSD", flags=["halted"])) == [("EURUSD", "halted", 100)]
    assert states(take(derivation, 90_000, "EURUSD", flags=["halted"])) == []
    assert derivation.due_ns() is None
    assert states(take(derivation, 90_100, "EURUSD")) == [("EURUSD", "fresh", 90_100)]


def test_the_symbols_of_a_closed_market_are_closed_until_it_opens_and_fresh_during_its_pauses():
    derivation = Derivation(Wanted(states=True, stale_ms=5000))
    take(derivation, 0, "NABIL", "nepse")
    take(derivation, 0, "EURUSD")
    closed = {"market": "nepse", "state": "closed", "pause_s": 90}
    assert states(take(derivation, 100, **closed)) == [("NABIL", "closed", 100)]
    assert states(take(derivation, 200, "NABIL", "nepse")) == []
    assert states(take(derivation, 300, "NICA", "nepse")) == [("NICA", "closed", 300)]
    assert states(take(derivation, 400, **closed | {"state": "pre-open"})) == []
    assert states(take(derivation, 4000, **closed | {"state": "open"})) == [("NABIL", "fresh", 4000), ("NICA", "fresh", 4000)]
    assert states(take(derivation, 60_000)) == [("EURUSD", "stale", 5000)]
    assert states(take(derivation, 91_000)) == [("NABIL", "stale", 90_200), ("NICA", "stale", 90_300)]


def test_a_symbol_that_changes_its_source_follows_the_market_of_the_new_one():
    derivation = Derivation(Wanted(states=True, stale_ms=5000))
    take(derivation, 0, "A", "one")
    take(derivation, 10, "B", "two")
    assert states(take(derivation, 100, market="two", state="closed")) == [("B", "closed", 100)]
    assert states(take(derivation, 200, "A", "two")) == [("A", "closed", 200)]
    assert states(take(derivation, 300, "A", "one")) == [("A", "fresh", 300)]
    assert states(take(derivation, 400, "A", "three")) == []
    assert states(take(derivation, 9000)) == [("A", "stale", 5400)]


def test_only_wanted_symbols_are_made_and_none_whose_topic_would_be_too_long_or_that_of_the_clock():
    derivation = Derivation(Wanted(every=("1s",), states=True, symbols=("EURUSD", "kraken.*")))
    for symbol in ("EURUSD", "EURUSDX", "kraken.BTCUSD", f"kraken.{'A' * 112}", f"kraken.{'A' * 113}"):
        take(derivation, 0, symbol)
    made = [topic for topic, _ in take(derivation, 1000)]
    assert made == ["every.1s.EURUSD", f"every.1s.kraken.{'A' * 112}", "every.1s.kraken.BTCUSD"]
    assert take(Derivation(Wanted(states=True)), 0, CLOCK) == []


@pytest.mark.parametrize(("text", "wanted"), [("", ()), ("1d, 1s,1m,1s", ("1s", "1m", "1d"))])
def test_intervals_are_read_in_any_order(text, wanted):
    assert intervals(text) == wanted


@pytest.mark.parametrize("text", ["2m", "1s 1m", "1M", "1m;1h"])
def test_an_unknown_interval_is_named(text):
    with pytest.raises(ValueError, match=r"interval .* is unknown, must be of 1s, 1m, 5m, 1h, 1d"):
        intervals(text)


def test_times_of_conflation_are_multiples_of_a_tenth_of_a_second():
    assert conflations("100ms,2s, 1m") == ("100ms", "2s", "1m")
    for wrong in ("50ms", "150ms", "0s", "2h", "1d", "s", "1.5s", "-1s", "99999999h"):
        with pytest.raises(ValueError, match="multiple of 100ms"):
            conflations(wrong)
    with pytest.raises(ValueError, match="11 times, must be at most 10"):
        conflations(",".join(f"{number}s" for number in range(1, 12)))


def test_without_patterns_all_symbols_are_wanted():
    assert is_wanted("X", ())
    assert not is_wanted("X", ("Y", "XX*"))

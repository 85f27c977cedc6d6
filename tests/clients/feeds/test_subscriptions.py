"""Subscriptions restored in groups, with bounded waiting and a code for each refusal; time is a number."""

import pytest

from bus.errors import FeedError
from clients.feeds.subscriptions import GROUP, MOST_OTHERS, PAUSE_S, Subscriptions
from clients.feeds.venues.dialect import MOST_SYMBOLS, Subscribed, SymbolError
from clients.feeds.venues.fx import FxBackend

NAMES = [f"S{number:02d}/USD" for number in range(25)]


def key(name):
    return name.replace("/", "")


def opened(names=NAMES, *, now=100.0, held=False):
    wanted = Subscriptions(names, resolve_s=15.0)
    wanted.opened(now, held=held)
    return wanted


def test_symbols_are_asked_for_in_groups_with_pauses_in_their_order():
    wanted = opened()
    assert wanted.due(100.0) == NAMES[:10]
    assert wanted.due(100.0 + PAUSE_S - 0.01) == []
    assert wanted.due(100.0 + PAUSE_S) == NAMES[10:20]
    assert wanted.due(100.0 + 2 * PAUSE_S) == NAMES[20:]
    assert wanted.due(100.0 + 3 * PAUSE_S) == []
    assert GROUP == 10


def test_it_is_restored_when_every_symbol_was_answered_about_one_way_or_the_other():
    wanted = opened(["A/B", "C/D"])
    assert not wanted.restored
    wanted.due(100.0)
    wanted.take(Subscribed("AB"))
    assert not wanted.restored
    wanted.refuse(SymbolError("CD", "SYMBOL_NOT_FOUND", "no such pair"))
    assert wanted.restored
    assert wanted.errors == {"CD": SymbolError("CD", "SYMBOL_NOT_FOUND", "no such pair")}


def test_already_subscribed_and_a_tick_are_as_good_as_an_answer():
    wanted = opened(["A", "B"])
    wanted.due(100.0)
    wanted.take(Subscribed("A"))
    wanted.take(Subscribed("A"))
    wanted.ticked("B")
    assert wanted.restored


def test_who_is_not_answered_about_is_asked_for_twice_more_then_left_with_a_code_and_forgiven_when_it_ticks():
    wanted = opened(["A", "B"])
    wanted.due(100.0)
    wanted.take(Subscribed("B"))
    assert wanted.due(114.9) == []
    assert wanted.due(115.0) == ["A"]
    assert wanted.due(130.0) == ["A"]
    assert not wanted.restored
    assert wanted.due(145.0) == []
    assert wanted.restored
    assert {name: error.code for name, error in wanted.errors.items()} == {"A": "TIMEOUT"}
    wanted.ticked("A")
    assert wanted.errors == {}


def test_a_symbol_refused_for_the_rate_is_asked_for_twice_more_with_longer_pauses():
    wanted, now, asked = opened(["A"]), 100.0, []
    while len(wanted.errors) == 0:
        if wanted.due(now):
            asked.append(now)
            wanted.refuse(SymbolError("A", "RATE_LIMIT", "slow down"))
        now += PAUSE_S / 4
        assert now < 200.0
    assert len(asked) == 3
    assert wanted.restored
    assert wanted.errors["A"].code == "RATE_LIMIT"


def test_a_rate_limit_that_names_nobody_concerns_all_that_were_not_answered_about():
    wanted = opened(NAMES[:12])
    first = wanted.due(100.0)
    wanted.take(Subscribed(key(first[0])))
    wanted.refuse(SymbolError(None, "RATE_LIMIT", "Exceeded msg rate"))
    assert wanted.due(100.0 + PAUSE_S) == [*NAMES[10:12], *first[1:9]]
    assert wanted.due(100.0 + 2 * PAUSE_S) == []  # the pause has doubled
    assert wanted.due(100.0 + 3 * PAUSE_S) == [first[9]]
    assert wanted.errors[""].code == "RATE_LIMIT"


def test_nothing_is_asked_before_the_venue_is_ready_but_not_for_ever():
    wanted = opened(["A"], held=True)
    assert wanted.due(114.9) == []
    assert wanted.due(115.0) == ["A"]
    wanted = opened(["A"], held=True)
    wanted.ready(101.0)
    assert wanted.due(101.0) == ["A"]


def test_a_new_connection_asks_for_everything_anew():
    wanted = opened(["A", "B"])
    wanted.due(100.0)
    wanted.take(Subscribed("A"))
    wanted.refuse(SymbolError("B", "SYMBOL_NOT_FOUND", ""))
    wanted.opened(200.0, held=False)
    assert wanted.errors == {}
    assert wanted.due(200.0) == ["A", "B"]


def test_without_symbols_there_is_nothing_to_restore():
    assert opened([]).restored
    assert opened([]).due(1e9) == []


def test_two_names_of_one_symbol_are_one_subscription():
    assert opened(["USD/JPY", "usd/jpy"]).due(100.0) == ["usd/jpy"]


def test_two_instruments_of_one_topic_are_refused_with_both_names():
    assert opened(["BTCUSDT", "BTCUSDT.P", "US500.MAY25", "US500.AUG25"]).due(100.0)[1:] == [
        "BTCUSDT.P",
        "US500.MAY25",
        "US500.AUG25",
    ]
    with pytest.raises(FeedError, match=r"symbols 'BTC_USD' and 'BTC/USD' would both have the topic tick.BTCUSD"):
        opened(["BTC_USD", "BTC/USD"])
    decorated = FxBackend().names.key
    with pytest.raises(FeedError, match=r"'US500.MAY25' and 'US500.AUG25' would both have the topic tick.US500:"):
        Subscriptions(["US500.MAY25", "US500.AUG25"], 15.0, decorated)


def test_a_name_that_gets_no_topic_is_told_for_ever_and_the_others_are_asked_for():
    wanted = opened(["A", "B\x00", "M&M", "x" * 99])
    for now in (100.0, 200.0):
        wanted.opened(now, held=False)
        assert wanted.due(now) == ["A", "M&M"]
        assert {name: error.code for name, error in wanted.errors.items()} == dict.fromkeys(
            ["B\x00", "x" * 37 + "..."], "INVALID_SYMBOL"
        )


def test_errors_about_symbols_that_nobody_asked_for_are_bounded():
    wanted = opened(["A"])
    for number in range(MOST_SYMBOLS):
        wanted.refuse(SymbolError(f"X{number}", "VENUE_ERROR", ""))
    assert len(wanted.errors) == 1 + MOST_OTHERS
    for now in (100.0, 115.0, 130.0, 145.0):
        wanted.due(now)
    assert wanted.errors["A"].code == "TIMEOUT"


def test_a_refusal_is_news_once_on_each_connection():
    wanted, error = opened(["A"]), SymbolError("A", "SYMBOL_NOT_FOUND", "")
    assert not wanted.refused(error)
    wanted.refuse(error)
    assert wanted.refused(error)
    assert wanted.refused(SymbolError("A", "RATE_LIMIT", ""))
    for number in range(MOST_OTHERS):
        wanted.refuse(SymbolError(f"X{number}", "VENUE_ERROR", ""))
    assert wanted.refused(SymbolError("NEW", "VENUE_ERROR", ""))
    wanted.opened(200.0, held=False)
    assert not wanted.refused(error)

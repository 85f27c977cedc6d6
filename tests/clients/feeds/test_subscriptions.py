"""Subscriptions restored in groups, with bounded waiting and a code for each refusal; time is a number."""

import pytest

from hulak.bus.errors import FeedError
from hulak.clients.feeds.subscriptions import CHANGES, GROUP, LISTED_BYTES, MAX_OTHERS, PAUSE_S, Subscriptions
from hulak.clients.feeds.venues.dialect import MAX_SYMBOLS, Subscribed, SymbolError
from hulak.clients.feeds.venues.fx import FxBackend
from hulak.clients.feeds.venues.hyperliquid import Hyperliquid

NAMES = [f"S{number:02d}/USD" for number in range(25)]


def key(name):
    return name.replace("/", "")


def opened(names=NAMES, *, now=100.0, wait_for_ready=False):
    subscriptions = Subscriptions(names, resolve_s=15.0)
    subscriptions.opened(now, wait_for_ready=wait_for_ready)
    return subscriptions


def test_symbols_are_requested_in_order_in_groups_with_pauses():
    subscriptions = opened()
    assert subscriptions.due(100.0) == NAMES[:10]
    assert subscriptions.due(100.0 + PAUSE_S - 0.01) == []
    assert subscriptions.due(100.0 + PAUSE_S) == NAMES[10:20]
    assert subscriptions.due(100.0 + 2 * PAUSE_S) == NAMES[20:]
    assert subscriptions.due(100.0 + 3 * PAUSE_S) == []
    assert GROUP == 10


def test_a_feed_is_restored_when_every_symbol_is_confirmed_or_refused():
    subscriptions = opened(["A/B", "C/D"])
    assert not subscriptions.restored
    subscriptions.due(100.0)
    subscriptions.confirm(Subscribed("AB"))
    assert not subscriptions.restored
    subscriptions.refuse(SymbolError("CD", "SYMBOL_NOT_FOUND", "no such pair"))
    assert subscriptions.restored
    assert subscriptions.errors == {"CD": SymbolError("CD", "SYMBOL_NOT_FOUND", "no such pair")}


def test_already_subscribed_and_a_tick_count_as_confirmations():
    subscriptions = opened(["A", "B"])
    subscriptions.due(100.0)
    subscriptions.confirm(Subscribed("A"))
    subscriptions.confirm(Subscribed("A"))
    subscriptions.ticked("B")
    assert subscriptions.restored


def test_an_unanswered_symbol_is_requested_twice_more_then_has_an_error_until_it_ticks():
    subscriptions = opened(["A", "B"])
    subscriptions.due(100.0)
    subscriptions.confirm(Subscribed("B"))
    assert subscriptions.due(114.9) == []
    assert subscriptions.due(115.0) == ["A"]
    assert subscriptions.due(130.0) == ["A"]
    assert not subscriptions.restored
    assert subscriptions.due(145.0) == []
    assert subscriptions.restored
    assert {name: error.code for name, error in subscriptions.errors.items()} == {"A": "TIMEOUT"}
    subscriptions.ticked("A")
    assert subscriptions.errors == {}


def test_a_symbol_refused_for_the_rate_is_requested_twice_more_with_longer_pauses():
    subscriptions, now, asked = opened(["A"]), 100.0, []
    while len(subscriptions.errors) == 0:
        if subscriptions.due(now):
            asked.append(now)
            subscriptions.refuse(SymbolError("A", "RATE_LIMIT", "slow down"))
        now += PAUSE_S / 4
        assert now < 200.0
    assert len(asked) == 3
    assert subscriptions.restored
    assert subscriptions.errors["A"].code == "RATE_LIMIT"


def test_a_rate_limit_without_a_symbol_concerns_all_unanswered_symbols():
    subscriptions = opened(NAMES[:12])
    first = subscriptions.due(100.0)
    subscriptions.confirm(Subscribed(key(first[0])))
    subscriptions.refuse(SymbolError(None, "RATE_LIMIT", "Exceeded msg rate"))
    assert subscriptions.due(100.0 + PAUSE_S) == [*NAMES[10:12], *first[1:9]]
    assert subscriptions.due(100.0 + 2 * PAUSE_S) == []  # the pause has doubled
    assert subscriptions.due(100.0 + 3 * PAUSE_S) == [first[9]]
    assert subscriptions.errors[""].code == "RATE_LIMIT"


def test_nothing_is_requested_before_the_venue_is_ready_or_the_limit_is_over():
    subscriptions = opened(["A"], wait_for_ready=True)
    assert subscriptions.due(114.9) == []
    assert subscriptions.due(115.0) == ["A"]
    subscriptions = opened(["A"], wait_for_ready=True)
    subscriptions.ready(101.0)
    assert subscriptions.due(101.0) == ["A"]


def test_a_new_connection_requests_every_symbol_again():
    subscriptions = opened(["A", "B"])
    subscriptions.due(100.0)
    subscriptions.confirm(Subscribed("A"))
    subscriptions.refuse(SymbolError("B", "SYMBOL_NOT_FOUND", ""))
    subscriptions.opened(200.0, wait_for_ready=False)
    assert subscriptions.errors == {}
    assert subscriptions.due(200.0) == ["A", "B"]


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


def test_a_name_without_a_topic_is_always_reported_and_the_others_are_requested():
    subscriptions = opened(["A", "B\x00", "M&M", "x" * 99])
    for now in (100.0, 200.0):
        subscriptions.opened(now, wait_for_ready=False)
        assert subscriptions.due(now) == ["A", "M&M"]
        assert {name: error.code for name, error in subscriptions.errors.items()} == dict.fromkeys(
            ["B\x00", "x" * 37 + "..."], "INVALID_SYMBOL"
        )


def test_errors_of_symbols_that_were_not_requested_are_bounded():
    subscriptions = opened(["A"])
    for number in range(MAX_SYMBOLS):
        subscriptions.refuse(SymbolError(f"X{number}", "VENUE_ERROR", ""))
    assert len(subscriptions.errors) == 1 + MAX_OTHERS
    for now in (100.0, 115.0, 130.0, 145.0):
        subscriptions.due(now)
    assert subscriptions.errors["A"].code == "TIMEOUT"


def test_a_refusal_is_new_once_per_connection():
    subscriptions, error = opened(["A"]), SymbolError("A", "SYMBOL_NOT_FOUND", "")
    assert not subscriptions.is_known(error)
    subscriptions.refuse(error)
    assert subscriptions.is_known(error)
    assert subscriptions.is_known(SymbolError("A", "RATE_LIMIT", ""))
    for number in range(MAX_OTHERS):
        subscriptions.refuse(SymbolError(f"X{number}", "VENUE_ERROR", ""))
    assert subscriptions.is_known(SymbolError("NEW", "VENUE_ERROR", ""))
    subscriptions.opened(200.0, wait_for_ready=False)
    assert not subscriptions.is_known(error)


def test_added_symbols_are_requested_and_removed_ones_forgotten_while_the_others_stay():
    subscriptions = opened(["A/B", "C/D", "E/F"])
    subscriptions.due(100.0)
    for symbol in ("AB", "CD"):
        subscriptions.confirm(Subscribed(symbol))
    subscriptions.refuse(SymbolError("EF", "SYMBOL_NOT_FOUND", "no such pair"))
    assert subscriptions.change(["A/B", "G/H"], 101.0) == ["C/D", "E/F"]
    assert (subscriptions.names, subscriptions.errors, subscriptions.ended) == ({"AB": "A/B", "GH": "G/H"}, {}, {"CD", "EF"})
    assert subscriptions.changes() == {"C/D": "removed", "E/F": "removed", "G/H": "pending"}
    assert subscriptions.due(101.0) == ["G/H"]
    subscriptions.confirm(Subscribed("GH"))
    assert subscriptions.changes()["G/H"] == "subscribed"
    assert subscriptions.change(["A/B", "G/H", "C/D"], 102.0) == []
    assert (subscriptions.ended, subscriptions.changes()["C/D"]) == ({"EF"}, "pending")
    subscriptions.opened(110.0, wait_for_ready=False)
    assert (subscriptions.due(110.0), subscriptions.ended) == (["A/B", "G/H", "C/D"], set())


def test_an_added_name_whose_topic_belongs_to_another_is_refused_and_the_first_one_stays():
    subscriptions = opened(["BTC/USD"])
    subscriptions.due(100.0)
    assert subscriptions.change(["BTC/USD", "BTC_USD", "\x00"], 101.0) == []
    assert subscriptions.names == {"BTCUSD": "BTC/USD"}
    changes = subscriptions.changes()
    assert changes["BTC_USD"].startswith("INVALID_SYMBOL: symbols 'BTC/USD' and 'BTC_USD' would both have")
    assert changes["\x00"].startswith("INVALID_SYMBOL: ")
    assert subscriptions.change(["BTC_USD"], 102.0) == ["BTC/USD"]
    assert (subscriptions.due(102.0), subscriptions.errors) == (["BTC_USD"], {})


def test_upper_and_lower_case_are_two_symbols_where_the_venue_has_both():
    keys = Hyperliquid().names
    with pytest.raises(FeedError, match=r"symbols 'kPEPE' and 'KPEPE' would both have the topic tick.KPEPE"):
        Subscriptions(["kPEPE", "KPEPE"], 15.0, keys.key, keys.is_same)


def test_reports_of_symbols_are_bounded():
    names = [f"SYMBOL-{number:04d}-WITH-A-LONG-NAME" for number in range(500)]
    subscriptions = opened(names[:250])
    subscriptions.change(names, 101.0)
    assert len(",".join(subscriptions.listed())) <= LISTED_BYTES
    assert subscriptions.listed() == names[: len(subscriptions.listed())]
    assert list(subscriptions.changes()) == names[-CHANGES:]

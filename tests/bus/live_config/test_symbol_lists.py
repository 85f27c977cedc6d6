"""Symbols that are added to a feed and removed from it: two lists, and what they make of the symbols of its start."""

import pytest

from hulak.bus.errors import ProtocolError
from hulak.bus.live_config import symbol_lists
from hulak.bus.live_config.keys import KEYS, MOST_SYMBOLS, check_scope, check_values

START = ["BTC/USD", "ETH/USD"]


@pytest.mark.parametrize(
    ("added", "removed", "expected"),
    [
        ("", "", ["BTC/USD", "ETH/USD"]),
        ("SOL/USD", "", ["BTC/USD", "ETH/USD", "SOL/USD"]),
        ("", "BTC/USD", ["ETH/USD"]),
        ("SOL/USD,ETH/USD", "BTC/USD,GONE", ["ETH/USD", "SOL/USD"]),  # the settings file was changed since
        ("BTC/USD", "BTC/USD", ["ETH/USD", "BTC/USD"]),
    ],
)
def test_a_feed_has_the_symbols_of_its_start_without_the_removed_ones_and_the_added_ones(added, removed, expected):
    assert symbol_lists.wanted(START, added, removed) == expected


def test_what_was_added_and_removed_again_leaves_both_lists_empty():
    lists = symbol_lists.add(START, "", "", ["SOL/USD", "BTC/USD", "SOL/USD"])
    assert lists == ("SOL/USD", "")
    lists = symbol_lists.remove(*lists, ["SOL/USD", "BTC/USD"])
    assert lists == ("", "BTC/USD")
    assert symbol_lists.add(["ETH/USD"], *lists, ["BTC/USD"]) == ("", "")


def test_the_lists_are_checked_as_live_values():
    assert check_values("feed:kraken", {"symbols_added": "A,B"}) == {"symbols_added": "A,B"}
    most = ",".join(f"S{number}" for number in range(MOST_SYMBOLS))
    assert check_values("feed:kraken", {"symbols_added": most})
    for bad in ("A,,B", "A,A", " A", "A\x00", f"{most},X", "x" * 65, 5):
        with pytest.raises(ProtocolError, match="must be at most 200 symbols, separated by commas"):
            check_values("feed:kraken", {"symbols_added": bad})


@pytest.mark.parametrize("scope", ["feed:kraken", "feed:" + "x" * 195, "feed:my feed"])
def test_each_feed_has_a_separate_scope(scope):
    assert check_scope(scope) == scope
    assert check_values(scope, {"stale_s": 5}) == {"stale_s": 5.0}


@pytest.mark.parametrize("scope", ["feed:", "feed:" + "x" * 196, "feed:a\nb", "feeds:x"])
def test_other_scopes_are_refused(scope):
    with pytest.raises(ProtocolError, match="is unknown; allowed are"):
        check_scope(scope)


def test_symbols_are_only_set_for_one_feed():
    assert KEYS["symbols_added"].scopes == ["feed:NAME"]
    assert KEYS["stale_s"].scopes == ["kind:feed", "feed:NAME"]
    with pytest.raises(ProtocolError, match="is set in scope kind:feed, must be in feed:NAME"):
        check_values("kind:feed", {"symbols_added": "A"})

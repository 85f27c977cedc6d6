"""The common behaviour of dialects: one-sided updates, refusals; no venue's message confuses another's dialect."""

import json

import pytest
from venue_messages import message, messages

from hulak.bus.errors import FeedError
from hulak.bus.process.check_settings import types_of
from hulak.bus.process.settings import FeedSettings
from hulak.bus.wire.messages import Tick
from hulak.clients.cli.feed import VENUES as NAMES
from hulak.clients.feeds.venues.dialect import CODES, MAX_SYMBOLS, Sides, SymbolError, classify_refusal
from hulak.clients.feeds.venues.registry import VENUES


def test_the_command_line_and_the_settings_name_every_venue():
    assert [*VENUES, "nepse"] == NAMES == list(types_of(FeedSettings)["venue"].__args__)


def test_the_known_sides_are_bounded():
    sides = Sides()
    sides.quote("FIRST", 1, 2, 5, "x")
    for number in range(MAX_SYMBOLS):
        sides.quote(f"S{number}", 1, 2, 5, "x")
    assert sides.quote("FIRST", 1, None, 5, "x") == []
    assert sides.quote("S9999", 1.5, None, 5, "x") == [Tick("S9999", 1.5, 2.0, 5, "x")]


@pytest.mark.parametrize("code", CODES)
def test_a_known_code_is_kept(code):
    assert classify_refusal("X", "why", code.lower()) == SymbolError("X", code, "why")


def test_a_refusals_text_is_bounded_and_its_symbol_a_key_or_none():
    refusal = classify_refusal("y" * 100, "x" * 1000, 7)
    assert refusal.symbol is None
    assert refusal.text.startswith("'yyy")
    assert len(refusal.text) == 200


BINANCE_EVENTS = {
    "futures_book_ticker": [Tick("BNBUSDT", 25.3519, 25.3652, 1_568_014_460_893, "binance")],
    "futures_ticker": [],
    "futures_trade": [],
    "spot_ticker_book": [Tick("ETHUSDT", 4507.24, 4507.25, 1_646_199_228_123, "binance")],
    "spot_ticker_24hr": [],
}


def test_binances_messages_spot_and_futures():
    assert {name: VENUES["binance"]().parse(message(f"binance/{name}"), 5) for name in BINANCE_EVENTS} == BINANCE_EVENTS


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_no_dialect_takes_another_venues_message_for_a_quote(venue):
    foreign = {name: value for name, value in messages().items() if not name.startswith(f"{venue.removesuffix('-v1')}/")}
    assert len(foreign) >= 20
    for name, value in foreign.items():
        try:
            events = VENUES[venue]().parse(json.dumps(value), 5)
        except FeedError:
            continue
        assert not [event for event in events if isinstance(event, Tick)], name

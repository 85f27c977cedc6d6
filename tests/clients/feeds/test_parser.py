"""Symbols, prices and times as venues write them; and any text or bytes at all."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bus.errors import FeedError
from bus.frames import check_topic, tick_topic
from bus.messages import Tick
from clients.feeds import VENUES
from clients.feeds.events import Heartbeat, Ready, Subscribed, SymbolError
from clients.feeds.parser import MAX_TIME_MS, canonical_symbol, iso_time_of, load_json, price_of, shown, symbol_of, time_of


@pytest.mark.parametrize(
    ("raw", "symbol"),
    [
        ("EURUSD", "EURUSD"),
        ("usdjpy", "USDJPY"),
        ("USD/JPY.P", "USDJPY"),
        ("usd/jpy.p", "USDJPY"),
        ("EUR_USD", "EURUSD"),
        ("XAU/USD", "XAUUSD"),
        ("US500.MAY25", "US500"),
        ("BTCUSDT.P", "BTCUSDT"),
        ("EUR.USD.F", "EUR.USD"),
        ("BRK.A", "BRK.A"),
        ("BRK.B", "BRK.B"),
        ("A.B1C", "A.B1C"),
        ("BTC-PERP", "BTC-PERP"),
        ("NIFRAGED85/86", "NIFRAGED8586"),
        ("1INCHUSDT", "1INCHUSDT"),
        ("A" * 32, "A" * 32),
    ],
)
def test_a_symbol_has_one_name_whatever_the_venue_calls_it(raw, symbol):
    assert canonical_symbol(raw) == symbol
    assert canonical_symbol(symbol) == symbol


@pytest.mark.parametrize(
    "raw",
    ["", "/", "_", ".P", ".", "-X", "EURUSD.", "EUR USD", "FX:EURUSD", "EUR\0USD", "straße", "\u0131ota", "A" * 33],
)
def test_what_cannot_be_a_key_is_refused(raw):
    with pytest.raises(FeedError, match="symbol is "):
        canonical_symbol(raw)


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_every_key_that_is_taken_names_a_topic(raw):
    try:
        symbol = canonical_symbol(raw)
    except FeedError:
        return
    check_topic(tick_topic(symbol))


@pytest.mark.parametrize("value", [None, 7, True, ["EURUSD"], b"EURUSD"])
def test_a_symbol_is_text(value):
    with pytest.raises(FeedError, match="must be text"):
        symbol_of(value)


@pytest.mark.parametrize(
    ("value", "price"),
    [("0.35210000", 0.3521), ("67000", 67000.0), (".5", 0.5), ("1e-8", 1e-8), (1.08567, 1.08567), (151, 151.0)],
)
def test_a_price_is_a_number_or_decimal_text(value, price):
    assert price_of(value, "bid") == price


@pytest.mark.parametrize(
    "value",
    [
        *(0, 0.0, -1.5, "0.00000000", "-1", "+1", "", " 1", "1 ", "1_000", "1,5", "nan", "inf", "Infinity", "0x10"),
        *("1e999", "\u0663", ".", "e5", math.nan, math.inf, -math.inf, 10**400, True, None, [1.0], {}),
    ],
)
def test_what_is_no_price_is_refused(value):
    with pytest.raises(FeedError, match=r"bid is .* must be a finite number above 0"):
        price_of(value, "bid")


def test_a_time_is_cut_to_whole_milliseconds():
    assert [time_of(value, "E") for value in (0, 1701234567890, 1701234567890.987, MAX_TIME_MS)] == [
        *(0, 1701234567890, 1701234567890, MAX_TIME_MS)
    ]


@pytest.mark.parametrize("value", [-1, MAX_TIME_MS + 1, math.nan, math.inf, 10**400, "1701234567890", True, None])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(FeedError, match=r"E is .* must be a number of ms since 1970 UTC"):
        time_of(value, "E")


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2016-10-27T08:38:43.094548890Z", 1_477_557_523_094),
        ("2021-04-17T16:43:30.244075Z", 1_618_677_810_244),
        ("2013-01-01T00:00:00+02:00", 1_356_991_200_000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_an_iso_time_is_cut_to_whole_milliseconds(text, time_ms):
    assert iso_time_of(text, "time") == time_ms


@pytest.mark.parametrize(
    "value",
    [
        *("2016-10-27T08:38:43", "2016-10-27", "2016-13-27T08:38:43Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+10:00"),
        *("2016-10-27T08:38:43Zx", "\u0662016-10-27T08:38:43Z", "", 7, None),
    ],
)
def test_what_is_no_iso_time_is_refused(value):
    with pytest.raises(FeedError, match=r"time is .* must be "):
        iso_time_of(value, "time")


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a":Infinity}', "[-Infinity]", b"\xff", "[" * 100_000, "9" * 5_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(FeedError, match="is not JSON"):
        load_json(text)


def test_an_errors_text_stays_short():
    assert max(len(shown(value)) for value in ("x" * 10**6, b"x" * 10**6, 10**5000, ["x" * 100] * 100, "\0" * 99)) <= 60


NAMES = (
    *("e", "s", "b", "a", "u", "E", "T", "stream", "data", "result", "error", "id", "symbol", "bid", "ask", "timestamp", "price"),
    *("channel", "method", "success", "event", "status", "pair", "errorMessage", "product_id", "best_bid", "best_ask", "time"),
    *("channels", "events", "tickers", "instrument", "bids", "asks", "prices", "message", "source", "reason", "name"),
)
WORDS = (
    *("1.5", "EURUSD", "ticker", "heartbeat", "subscribed", "subscriptions", "subscribe", "error", "PRICE", "HEARTBEAT", "tick"),
    *("symbolDataPackage", "status", "ready", "bookTicker", "x@bookTicker", "subscriptionStatus", "2020-01-01T00:00:00Z"),
)


def objects(values):
    return st.dictionaries(st.sampled_from([*NAMES, "type", "code", "lastUpdateId"]), values, max_size=6)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | objects(inner),
    max_leaves=8,
)


@pytest.mark.parametrize("name", sorted(VENUES))
@given(message=st.text() | st.binary() | objects(json_values).map(json.dumps) | json_values.map(json.dumps))
@example(message='{"s":"EURUSD","b":1,"a":2,"E":1e400}')
@example(message="\ud800")
def test_a_parser_takes_a_message_or_raises_feed_error_whatever_it_is_given(name, message):
    try:
        events = VENUES[name]().parse(message, 5)
    except FeedError:
        return
    for event in events:
        assert isinstance(event, Tick | Heartbeat | Ready | Subscribed | SymbolError)
    for tick in [event for event in events if isinstance(event, Tick)]:
        assert 0 < tick.bid < math.inf
        assert 0 < tick.ask < math.inf
        assert 0 <= tick.timestamp <= MAX_TIME_MS
        assert canonical_symbol(tick.symbol) == tick.symbol


@pytest.mark.parametrize("name", sorted(VENUES))
def test_no_depth_of_nesting_overflows_the_stack(name):
    for depth in range(800, 1100):
        nested = "[" * depth + "]" * depth
        for text in (f'{{"s":{nested},"b":1,"a":2,"symbol":{nested},"bid":1,"ask":2}}', nested, f'{{"x":{nested}}}'):
            with pytest.raises(FeedError):
                VENUES[name]().parse(text, 5)

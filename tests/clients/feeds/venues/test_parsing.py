"""Prices and times as venues write them; and any text or bytes at all."""

import contextlib
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import END_MS, FIRST_MS, Tick
from hulak.clients.feeds.symbol_keys import canonical_symbol
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError
from hulak.clients.feeds.venues.parsing import iso_time_of, load_json, of_each, price_of, shown, time_of
from hulak.clients.feeds.venues.registry import VENUES


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ("0.35210000", 0.3521),
        ("67000", 67000.0),
        (".5", 0.5),
        ("1e-8", 1e-8),
        (1.08567, 1.08567),
        (151, 151.0),
        (0, 0.0),
        ("-37.63", -37.63),
        (-1e-8, -1e-8),
    ],
)
def test_a_price_is_a_number_or_decimal_text(value, price):
    assert price_of(value, "bid") == price


@pytest.mark.parametrize(
    "value",
    [
        *("--1", "-", "- 1", "+1", "", " 1", "1 ", "1_000", "1,5", "nan", "inf", "Infinity", "0x10"),
        *("1e999", "\u0663", ".", "e5", math.nan, math.inf, -math.inf, 10**400, True, None, [1.0], {}),
    ],
)
def test_a_bad_price_is_refused(value):
    with pytest.raises(FeedError, match=r"bid is .* must be a finite number"):
        price_of(value, "bid")


NOW_MS = 1_704_153_600_123


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        (1_704_153_600, NOW_MS - 123),
        (1_704_153_600.123, NOW_MS),
        (NOW_MS, NOW_MS),
        (NOW_MS + 0.987, NOW_MS),
        (NOW_MS * 1000 + 456, NOW_MS),
        (NOW_MS * 1_000_000 + 456_789, NOW_MS),
        (float(NOW_MS * 1000), NOW_MS),
        (20_240_102_000_000, NOW_MS - 123),
        (20_240_102_000_000_123, NOW_MS),
        (FIRST_MS, FIRST_MS),
        (END_MS - 1, END_MS - 1),
        (FIRST_MS // 1000, FIRST_MS),
        (END_MS // 1000 - 1, END_MS - 1000),
        (FIRST_MS * 1_000_000, FIRST_MS),
        (END_MS * 1_000_000 - 1, END_MS - 1),
    ],
)
def test_a_times_unit_is_determined_by_its_size_and_fractions_are_cut_off(value, time_ms):
    assert time_of(value, "E") == time_ms


WRONG = (
    0,
    5,
    -1,
    FIRST_MS - 1,
    END_MS,
    FIRST_MS // 1000 - 1,
    END_MS // 1000,
    17_041_536_001,
    170_415_360_012,
    170_415_360_012_345,
)


@pytest.mark.parametrize(
    "value",
    [
        *WRONG,
        *(20_241_302_000_000, 20_240_102_240_000, 20_240_102_000_060_000, 18_991_231_000_000, 10**17, 10**20),
        *(math.nan, math.inf, -math.inf, 10**400, 1e300, "1701234567890", True, None),
    ],
)
def test_a_bad_time_is_refused(value):
    with pytest.raises(FeedError, match=r"E is .* must be a time from 1990 to 2100"):
        time_of(value, "E")


@given(st.floats() | st.integers())
def test_a_number_is_a_time_from_1990_to_2100_or_refused(value):
    with contextlib.suppress(FeedError):
        assert FIRST_MS <= time_of(value, "E") < END_MS


def test_a_bad_row_does_not_affect_the_others_and_a_single_one_raises():
    def double(row):
        if row["n"] < 0:
            raise FeedError(f"n is {row['n']}")
        return [2 * row["n"]]

    *good, odd, negative = of_each([{"n": 1}, 7, {"n": -1}, {"n": 2}], double)
    assert good == [2, 4]
    assert ("must be an object" in str(odd), str(negative)) == (True, "n is -1")
    assert of_each([], double) == []
    assert len(of_each([{"n": -1}, {"n": -2}], double)) == 2
    with pytest.raises(FeedError, match="n is -1"):
        of_each([{"n": -1}], double)


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2016-10-27T08:38:43.094548890Z", 1_477_557_523_094),
        ("2021-04-17T16:43:30.244075Z", 1_618_677_810_244),
        ("2013-01-01T00:00:00+02:00", 1_356_991_200_000),
        ("1990-01-01T00:00:00Z", FIRST_MS),
        ("2099-12-31T23:59:59.999999999Z", END_MS - 1),
    ],
)
def test_an_iso_time_is_cut_to_whole_milliseconds(text, time_ms):
    assert iso_time_of(text, "time") == time_ms


@pytest.mark.parametrize(
    "value",
    [
        *(
            "2016-10-27T08:38:43",
            "2016-10-27",
            "2016-13-27T08:38:43Z",
            "1989-12-31T23:59:59Z",
            "2100-01-01T00:00:00Z",
            "0001-01-01T00:00:00+10:00",
        ),
        *("2016-10-27T08:38:43Zx", "\u0662016-10-27T08:38:43Z", "", 7, None),
    ],
)
def test_a_bad_iso_time_is_refused(value):
    with pytest.raises(FeedError, match=r"time is .* must be "):
        iso_time_of(value, "time")


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a":Infinity}', "[-Infinity]", b"\xff", "[" * 100_000, "9" * 5_000, '["\\uD800"]']
)
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(FeedError, match="is not JSON"):
        load_json(text)


def test_whole_surrogate_pairs_are_text():
    assert load_json('{"\\ud83d\\uDE00": "\\uD55C"}') == {"😀": "한"}


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
def test_a_parser_returns_or_raises_feed_error_on_any_input(name, message):
    try:
        events = VENUES[name]().parse(message, 5)
    except FeedError:
        return
    for event in events:
        assert isinstance(event, Tick | Heartbeat | Ready | Subscribed | SymbolError | FeedError)
    for tick in [event for event in events if isinstance(event, Tick)]:
        assert all(side is None or (side != 0 and math.isfinite(side)) for side in (tick.bid, tick.ask))
        assert tick.timestamp == 5 or FIRST_MS <= tick.timestamp < END_MS
        assert canonical_symbol(tick.symbol) == tick.symbol


@pytest.mark.parametrize("name", sorted(VENUES))
def test_no_depth_of_nesting_overflows_the_stack(name):
    for depth in range(800, 1100):
        nested = "[" * depth + "]" * depth
        for text in (f'{{"s":{nested},"b":1,"a":2,"symbol":{nested},"bid":1,"ask":2}}', nested, f'{{"x":{nested}}}'):
            with pytest.raises(FeedError):
                VENUES[name]().parse(text, 5)

"""The FX front end's protocol: the messages of a client that was written for the original backend."""

import json

import pytest

from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError
from hulak.clients.feeds.venues.fx import FxBackend
from hulak.clients.gateway.fx import protocol
from hulak.clients.gateway.fx.candles import Bar, Candles, bars_of, start_of

DAY = 86_400_000
AT_MS = 1_701_234_567_890
STATE = {
    "symbol": "EURUSD",
    "digits": 5,
    "ready": True,
    "price": 1.08568,
    "open": 1.082,
    "high": 1.086,
    "low": 1.081,
    "adr_high": 1.086,
    "adr_low": 1.078,
}


def test_a_package_has_the_keys_of_the_original():
    message = json.loads(protocol.package(protocol.facts_of_state(STATE), "ctrader"))
    assert message == {
        "type": "symbolDataPackage",
        "source": "ctrader",
        "symbol": "EURUSD",
        "digits": 5,
        "adr": 0.008,
        "todaysOpen": 1.082,
        "todaysHigh": 1.086,
        "todaysLow": 1.081,
        "projectedAdrHigh": 1.086,
        "projectedAdrLow": 1.078,
        "initialPrice": 1.08568,
        "pipPosition": 4,
        "pipSize": 0.0001,
        "pipetteSize": 0.00001,
    }


def test_without_a_price_there_is_no_package_and_no_made_up_price():
    assert protocol.facts_of_state({**STATE, "price": None, "ready": False}) is None
    bare = protocol.facts_of_state({**STATE, "adr_high": None, "adr_low": None, "open": None})
    assert (bare.adr_high, bare.adr_low, bare.open) == (1.086, 1.081, 1.08568)


def test_ticks_of_both_sources():
    tick = Tick("EURUSD", 1.08567, 1.0857, 1_701_234_567_890, "binance")
    assert json.loads(protocol.tick(tick, "ctrader", 5, 1_701_234_567_891.4)) == {
        "type": "tick",
        "source": "ctrader",
        "v": "1.0.0",
        "symbol": "EURUSD",
        "bid": 1.08567,
        "ask": 1.0857,
        "price": 1.085685,
        "timestamp": 1_701_234_567_890,
        "receivedAt": 1_701_234_567_891,
        "pipPosition": 4,
        "pipSize": 0.0001,
        "pipetteSize": 0.00001,
        "_receivedAt": 1_701_234_567_891,
        "sentAt": 1_701_234_567_891,
    }
    other = json.loads(protocol.tick(tick, "tradingview", 5, 1.0))
    assert (other["price"], other["current"], "bid" in other) == (1.085685, 1.085685, False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("null", ""),
        ("{", ""),
        (b"{}", ""),
        ("[]", ""),
        ('{"type":"dance"}', ""),
        ('{"type":"get_symbol_data_package"}', ""),
        ('{"type":"get_symbol_data_package","symbol":"EUR:*"}', "INVALID_SYMBOL"),
        ('{"type":"get_symbol_data_package","symbol":7}', "INVALID_SYMBOL"),
        ('{"type":"subscribe","symbols":["EURUSD",""]}', "INVALID_SYMBOL"),
        ('{"type":"getHistoricalCandles","symbol":"EURUSD","resolution":"2m","from":1,"to":2}', ""),
        ('{"type":"getHistoricalCandles","symbol":"EURUSD","resolution":"1m","from":0,"to":2}', ""),
    ],
)
def test_a_bad_request_is_answered_with_an_error(message, code):
    with pytest.raises(protocol.BadRequest) as refused:
        protocol.decode(message)
    assert refused.value.code == code


def test_requests():
    package = protocol.decode('{"type":"get_symbol_data_package","symbol":"EURUSD","adrLookbackDays":14}')
    assert (package.symbol, package.source) == ("EURUSD", "ctrader")
    candles = protocol.decode(
        '{"type":"getHistoricalCandles","symbol":"EURUSD","resolution":"1h","from":5,"to":6,"source":"tradingview"}'
    )
    assert (candles.since, candles.until, candles.source) == (5, 6, "tradingview")
    assert protocol.canonical("usd/jpy") == "USDJPY"


def test_profiles_and_averages():
    levels = [[10855, 3, 2, 1]]
    whole = json.loads(protocol.profile("EURUSD", "ctrader", 7, 0.0001, levels, 5.0))
    assert whole["profile"] == {"levels": [{"price": 1.0855, "tpo": 3}], "bucketSize": 0.0001}
    assert (whole["seq"], whole["feedSource"], whole["sentAt"]) == (7, "ctrader", 5)
    delta = json.loads(protocol.profile_delta("EURUSD", "ctrader", 8, 0.0001, [], levels, 5.0))
    assert delta["delta"] == {"added": [], "updated": [{"price": 1.0855, "tpo": 3}]}
    assert json.loads(protocol.twap("EURUSD", 1.0855, 9))["data"]["twapValue"] == 1.0855


def test_our_own_feed_parses_the_messages():
    feed = FxBackend()
    tick = Tick("EURUSD", 1.1, 1.2, AT_MS, "x")
    assert feed.parse(protocol.greeting(["EURUSD"])[1], 0) == [Ready()]
    assert feed.parse(protocol.heartbeat(1.0), 0) == [Heartbeat()]
    assert feed.parse(protocol.package(protocol.facts_of_state(STATE), "ctrader"), 0) == [Subscribed("EURUSD")]
    (error,) = feed.parse(protocol.error("SYMBOL_NOT_FOUND", "no", "XYZ"), 0)
    assert isinstance(error, SymbolError)
    (read,) = feed.parse(protocol.tick(tick, "ctrader", 5, 7.0), 0)
    assert (read.bid, read.ask, read.timestamp) == (1.1, 1.2, AT_MS)
    (read,) = feed.parse(protocol.tick(Tick("EURUSD", 1.15, None, AT_MS, "x"), "ctrader", 5, 7.0), 0)
    assert (read.bid, read.ask) == (1.15, 1.2), "a front end completes what is left out"


@pytest.mark.parametrize(
    ("symbol", "prices", "digits"),
    [
        ("EURUSD", [1.1], 5),
        ("USDJPY", [151.2], 3),
        ("USDJPY", [151.20001], 5),
        ("XAUUSD", [1300.123], 5),
        ("NABIL", [501.0], 2),
        ("X", [], 2),
        ("PEPEUSDT", [1.2e-9, 1.21e-9], 12),
        ("BTCIDR", [1.519039e9], 0),
    ],
)
def test_decimals(symbol, prices, digits):
    assert protocol.digits_of(symbol, prices) == digits


def test_bars():
    ticks = [(1.0, 59_999), (1.2, 60_000), (0.9, 60_001), (1.1, 119_999), (1.3, 119_000), (2.0, 180_000)]
    assert bars_of("1m", ticks, 10) == [
        Bar(1.0, 1.0, 1.0, 1.0, 1, 0),
        Bar(1.2, 1.3, 0.9, 1.3, 4, 60_000),
        Bar(2.0, 2.0, 2.0, 2.0, 1, 180_000),
    ]
    assert bars_of("1m", ticks, 1) == [Bar(2.0, 2.0, 2.0, 2.0, 1, 180_000)]


def test_bars_begin_on_the_calendar():
    thursday = 1_701_302_400_000  # 2023-11-30 00:00 UTC
    assert start_of("D", thursday + 5) == thursday
    assert start_of("W", thursday + 5) == thursday - 3 * DAY
    assert start_of("M", thursday + 5) == thursday - 29 * DAY
    assert start_of("4h", thursday + DAY - 1) == thursday + DAY - 4 * 3_600_000


def test_the_running_bar_includes_the_journals_part():
    candles = Candles("1m")
    candles.add(1.0, 61_000, 5)
    candles.prepend(Bar(0.9, 1.4, 0.8, 1.0, 7, 60_000))
    assert candles.bar == Bar(0.9, 1.4, 0.8, 1.0, 8, 60_000)
    candles.add(1.5, 120_000, 6)
    assert candles.closed == Bar(0.9, 1.4, 0.8, 1.0, 8, 60_000)
    assert (candles.closed_at, candles.changed) == (6, 6)
    candles.prepend(Bar(0.1, 9.0, 0.1, 1.0, 7, 60_000))
    assert candles.bar.high == 1.5, "a bar that is over by now"

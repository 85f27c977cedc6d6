"""The FX backend's protocol, literally, and against the vectors made with the original."""

import json

import pytest
from vectors import rows, vectors

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import Heartbeat, Ready, Subscribed, SymbolError, classify_refusal
from hulak.clients.feeds.venues.fx import FxBackend


def test_one_request_per_symbol_subscribes_and_asks_for_its_figures():
    assert [json.loads(send.text) for send in FxBackend().subscribe(["EURUSD", "USD/JPY"])] == [
        {"type": "get_symbol_data_package", "symbol": symbol, "adrLookbackDays": 14, "source": "ctrader"}
        for symbol in ("EURUSD", "USD/JPY")
    ]
    assert json.loads(FxBackend("tradingview").subscribe(["X"])[0].text)["source"] == "tradingview"


@pytest.mark.parametrize(
    ("message", "events"),
    [
        ('{"type":"status","status":"connected","availableSymbols":["EURUSD"],"symbol":"system"}', [Ready()]),
        ('{"type":"ready","availableSymbols":["EURUSD","USDJPY"],"symbol":"system"}', [Ready()]),
        ('{"type":"heartbeat","timestamp":1701234567890,"symbol":"system"}', [Heartbeat()]),
        ('{"type":"symbolDataPackage","source":"ctrader","symbol":"EURUSD","initialPrice":1.08568}', [Subscribed("EURUSD")]),
        (
            '{"type":"tick","source":"ctrader","v":"1.0.0","symbol":"EURUSD","bid":1.08567,"ask":1.0857,"timestamp":1701234567890}',
            [Tick("EURUSD", 1.08567, 1.0857, 1_701_234_567_890, "ctrader")],
        ),
        (
            '{"type":"tick","source":"tradingview","symbol":"EURUSD","price":1.0857,"current":1.0857,"timestamp":1701234567890}',
            [Tick("EURUSD", 1.0857, 1.0857, 1_701_234_567_890, "tradingview")],
        ),
        ('{"type":"tick","symbol":"usd/jpy.p","bid":151.2,"ask":151.21}', [Tick("USDJPY", 151.2, 151.21, 55, "fx")]),
        (
            '{"type":"error","code":"SYMBOL_NOT_FOUND","message":"Failed to get data for XYZ","symbol":"XYZ","source":"ctrader"}',
            [SymbolError("XYZ", "SYMBOL_NOT_FOUND", "Failed to get data for XYZ")],
        ),
        ('{"type":"error","message":"Unknown message type"}', [SymbolError(None, "VENUE_ERROR", "Unknown message type")]),
        ('{"type":"error","message":"other","symbol":"system"}', [SymbolError(None, "VENUE_ERROR", "other")]),
        (
            '{"type":"status","status":"disconnected","symbol":"system"}',
            [SymbolError(None, "VENUE_ERROR", "the backend's upstream is disconnected")],
        ),
        ('{"type":"profileUpdate","symbol":"EURUSD","seq":7,"delta":{"added":[],"updated":[]}}', []),
        ('{"type":"profileError","symbol":"XAGUSD","error":"MAX_LEVELS_EXCEEDED","message":"..."}', []),
        ('{"type":"twapUpdate","symbol":"EURUSD","data":{"twapValue":1.0855}}', []),
        ('{"type":"candleUpdate","symbol":"EURUSD","timeframe":"M1","bar":{"close":1.085}}', []),
        ('{"type":"candleHistory","symbol":"EURUSD","bars":[],"currentPrice":1.0857}', []),
        ('{"type":"dailyReset","symbols":["EURUSD"],"timestamp":1704153600000,"symbol":"system"}', []),
    ],
)
def test_each_message_of_the_protocol(message, events):
    assert FxBackend().parse(message, 55) == events


def test_one_sided_ticks_are_completed_with_the_last_known_other_side():
    fx = FxBackend()
    sides = ['"bid":1.1', '"ask":1.2', '"bid":1.15', '"ask":null,"bid":1.16']
    results = [fx.parse(f'{{"type":"tick","symbol":"EURUSD",{side},"timestamp":1701234567890}}', 5) for side in sides]
    assert results[0] == []
    assert [(tick.bid, tick.ask) for events in results[1:] for tick in events] == [(1.1, 1.2), (1.15, 1.2), (1.16, 1.2)]


def test_a_bad_side_does_not_overwrite_the_known_one():
    fx = FxBackend()
    fx.parse('{"type":"tick","symbol":"X","bid":1,"ask":2}', 5)
    with pytest.raises(FeedError, match="bid is 'x'"):
        fx.parse('{"type":"tick","symbol":"X","bid":"x","ask":3}', 5)
    assert fx.parse('{"type":"tick","symbol":"X","ask":4}', 5) == [Tick("X", 1.0, 4.0, 5, "fx")]


def test_the_originals_tick_messages_are_read():
    messages = vectors("fx_backend")
    assert FxBackend().parse(json.dumps(messages["ticks"]["ctrader"]), 5) == [
        Tick("EURUSD", 1.08, 1.0801, 1_700_000_000_000, "ctrader")
    ]
    assert FxBackend().parse(json.dumps(messages["ticks"]["tradingview"]), 5) == [
        Tick("EURUSD", 1.08, 1.08, 1_700_000_000_000, "tradingview")
    ]
    assert FxBackend().parse(json.dumps(messages["package"]), 5) == [Subscribed("EURUSD")]


def test_the_originals_codes_are_classified_as_by_the_original():
    expected = {"ALREADY_SUBSCRIBED": Subscribed("X"), "RATE_LIMIT": "RATE_LIMIT"}
    for case in rows(vectors("fx_backend")["refusals"]):
        event = classify_refusal("X", "", case["code"])
        wanted = expected.get(case["category"])
        assert event == wanted if isinstance(wanted, Subscribed) else event.code == wanted or wanted is None, case
    for case in rows(vectors("fx_backend")["client_errors"]):
        error = case["error"] or {}
        event = classify_refusal("X", error.get("message"), error.get("code") or error.get("errorCode"))
        assert event.code == (case["code"] or "VENUE_ERROR"), case


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"type":"tick","bid":1,"ask":2}', "field 'symbol' is missing"),
        ('{"type":"tick","symbol":"X"}', "neither bid nor ask"),
        ('{"type":"tick","symbol":"X","bid":1,"ask":2,"timestamp":"now"}', "timestamp is 'now'"),
        ('{"type":"symbolDataPackage"}', "field 'symbol' is missing"),
        ("null", "not a JSON object"),
        ("{}", "field 'type' is missing"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(message, text):
    with pytest.raises(FeedError, match=text):
        FxBackend().parse(message, 5)

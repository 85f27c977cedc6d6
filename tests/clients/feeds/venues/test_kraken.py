"""Kraken's tickers of both versions, literally, and with what real recordings hold."""

import json

import pytest
import venue_messages
from venue_messages import message, utc_ms

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import Heartbeat, Subscribed, SymbolError
from hulak.clients.feeds.venues.kraken import Kraken, KrakenV1


def test_version_2_subscribes_to_every_change_of_the_best_prices():
    kraken = Kraken()
    assert [json.loads(kraken.subscribe(names)[0].text) for names in (["BTC/USD", "ETH/USD"], ["X/Y"])] == [
        {
            "method": "subscribe",
            "params": {"channel": "ticker", "symbol": symbols, "event_trigger": "bbo"},
            "req_id": number,
        }
        for number, symbols in ((1, ["BTC/USD", "ETH/USD"]), (2, ["X/Y"]))
    ]


def test_version_2_from_the_status_to_the_heartbeat():
    kinds = ("status", "subscribed", "refused", "ticker", "heartbeat")
    kraken = Kraken()
    assert [kraken.parse(message(f"kraken/live_{kind}"), 5) for kind in kinds] == [
        [],
        [Subscribed("USDTUSD")],
        [SymbolError("NOPEUSD", "SYMBOL_NOT_FOUND", "Currency pair not supported NOPE/USD")],
        [Tick("USDTUSD", 0.9998, 0.99981, utc_ms("2026-09-24T03:54:18.054886Z"), "kraken")],
        [Heartbeat()],
    ]


def test_version_2_without_a_time_has_the_time_of_receipt():
    row = '{"symbol":"BTC/USD","bid":2,"ask":3}'
    assert Kraken().parse(f'{{"channel":"ticker","type":"update","data":[{row}]}}', 77) == [
        Tick("BTCUSD", 2.0, 3.0, 77, "kraken")
    ]


def test_version_2_completes_one_sided_updates():
    kraken = Kraken()
    rows = ['"bid":2,"ask":3', '"bid":2.5', '"ask":2.75,"bid":null']
    ticks = [kraken.parse(f'{{"channel":"ticker","data":[{{"symbol":"X/Y",{row}}}]}}', 5)[0] for row in rows]
    assert [(tick.bid, tick.ask) for tick in ticks] == [(2, 3), (2.5, 3), (2.5, 2.75)]


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        ('"error":"Already subscribed","success":false,"symbol":"BTC/USD"', Subscribed("BTCUSD")),
        ('"error":"Exceeded msg rate","success":false', SymbolError(None, "RATE_LIMIT", "Exceeded msg rate")),
        (
            '"error":"Currency pair not in ISO 4217-A3 format X","success":false,"symbol":"X"',
            SymbolError("X", "INVALID_SYMBOL", "Currency pair not in ISO 4217-A3 format X"),
        ),
        (
            '"error":"Permission denied","success":false,"symbol":"X"',
            SymbolError("X", "SUBSCRIPTION_FAILED", "Permission denied"),
        ),
        ('"success":false,"symbol":"\\u0007"', SymbolError(None, "SUBSCRIPTION_FAILED", "'\\x07': ")),
    ],
)
def test_a_rejection_inside_a_normal_frame_is_reported(frame, event):
    assert Kraken().parse(f'{{"method":"subscribe",{frame}}}', 5) == [event]


def test_version_2_as_documented():
    expected = {
        "ticker_snapshot": [Tick("BTCUSD", 105944.2, 105944.3, utc_ms("2022-12-25T09:30:59.123456Z"), "kraken")],
        "subscribe_response": [Subscribed("BTCUSD")],
        "pong": [Heartbeat()],
        "trade_update": [],
        "ohlc_update": [],
    }
    assert {name: Kraken().parse(message(f"kraken/{name}"), 5) for name in expected} == expected


def test_version_1_in_the_order_of_a_real_recording():
    kraken = KrakenV1()
    parsed = [(at, json.loads(text), kraken.parse(text, at)) for at, text in venue_messages.kraken_v1()]

    assert len(parsed) == 60
    quotes = [(at, frame) for at, frame, _ in parsed if isinstance(frame, list)]
    assert [event for _, _, events in parsed for event in events if isinstance(event, Tick)] == [
        Tick(pair.replace("/", ""), float(data["b"][0]), float(data["a"][0]), at, "kraken") for at, (_, data, _, pair) in quotes
    ]
    assert len(quotes) == 18
    assert sum(events == [Heartbeat()] for _, _, events in parsed) == 31
    asked = ["WAVES/EUR", "XMR/USD", "KSM/XBT", "GRT/ETH", "SC/EUR", "ETH/CHF", "OCEAN/XBT", "OMG/USD", "XBT/CHF", "ADA/XBT"]
    assert [events for _, _, events in parsed[1:11]] == [[Subscribed(pair.replace("/", ""))] for pair in asked]
    assert parsed[0][2] == []  # systemStatus
    assert parsed[11][2] == [Tick("WAVESEUR", 13.2329, 13.2539, 1_618_678_132_949, "kraken")]
    assert json.loads(kraken.subscribe(asked)[0].text) == {
        "event": "subscribe",
        "pair": asked,
        "subscription": {"name": "ticker"},
    }


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            '{"errorMessage":"Currency pair not supported","event":"subscriptionStatus","pair":"NOPE/USD","status":"error"}',
            [SymbolError("NOPEUSD", "SYMBOL_NOT_FOUND", "Currency pair not supported")],
        ),
        ('{"event":"error","errorMessage":"Exceeded msg rate"}', [SymbolError(None, "RATE_LIMIT", "Exceeded msg rate")]),
        ('{"event":"pong","reqid":1}', [Heartbeat()]),
        ('{"event":"subscriptionStatus","status":"unsubscribed","pair":"A/B","channelName":"ticker"}', []),
        ('[1,{"as":[]},"book-10","A/B"]', []),
    ],
)
def test_other_messages_of_version_1(message, events):
    assert KrakenV1().parse(message, 5) == events


@pytest.mark.parametrize(
    ("dialect", "message", "text"),
    [
        (Kraken, '{"channel":"ticker","data":{}}', "data is {}, must be a list of objects"),
        (Kraken, '{"channel":"ticker","data":[{"bid":1,"ask":2}]}', "field 'symbol' is missing"),
        (Kraken, '{"channel":"ticker","data":[{"symbol":"X","bid":"+0","ask":2}]}', r"bid is '\+0'"),
        (Kraken, '{"channel":"ticker","data":[{"symbol":"X"}]}', "neither bid nor ask"),
        (Kraken, '{"channel":"ticker","data":[{"symbol":"X","bid":1,"ask":2,"timestamp":"now"}]}', "timestamp is 'now'"),
        (Kraken, "{}", "neither channel nor method"),
        (Kraken, "[]", "not a JSON object"),
        (KrakenV1, '[1,{},"ticker"]', r"is not \[channel, data, name, pair\]"),
        (KrakenV1, '[1,{"a":[],"b":["1"]},"ticker","A/B"]', r"a is \[\], must be a list"),
        (KrakenV1, '[1,7,"ticker","A/B"]', "data is 7"),
        (KrakenV1, "7", "neither a JSON object nor a list"),
        (KrakenV1, "{}", "field 'event' is missing"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(dialect, message, text):
    with pytest.raises(FeedError, match=text):
        dialect().parse(message, 5)

"""Coinbase's ticker in both forms, literally, and with the quotes of a real recording."""

import json

import pytest
import venue_messages
from venue_messages import utc_ms

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.symbol_keys import BadSymbol
from hulak.clients.feeds.venues.coinbase import Coinbase
from hulak.clients.feeds.venues.dialect import Heartbeat, Subscribed, SymbolError


def test_quotes_and_heartbeats_are_subscribed_to_together():
    assert [json.loads(send.text) for send in Coinbase().subscribe(["BTC-USD", "ETH-USD"])] == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["ticker", "heartbeat"]}
    ]


def test_every_message_of_a_recording_is_parsed_exactly():
    coinbase = Coinbase()
    parsed = [(json.loads(message), coinbase.parse(message, at)) for at, message in venue_messages.coinbase()]

    assert len(parsed) == 217
    quotes = [frame for frame, _ in parsed if frame["type"] == "ticker"]
    assert len(quotes) == 107
    assert [event for _, events in parsed for event in events if isinstance(event, Tick)] == [
        Tick(quote["product_id"], float(quote["best_bid"]), float(quote["best_ask"]), utc_ms(quote["time"]), "coinbase")
        for quote in quotes
    ]
    assert [events for frame, events in parsed if frame["type"] in ("match", "last_match")] == [[]] * 107
    lists = [events for frame, events in parsed if frame["type"] == "subscriptions"]
    assert [len(events) for events in lists] == [0, 10, 10]
    assert set(lists[1]) == set(lists[2]) >= {Subscribed("SKL-USD"), Subscribed("BAND-GBP")}


def test_advanced_trade_quotes_have_the_time_of_the_frame():
    expected = {
        "ticker": [Tick("BTC-USD", 68900.0, 68901.0, utc_ms("2026-04-07T14:30:03.000000Z"), "coinbase")],
        "heartbeats": [Heartbeat()],
        "subscriptions": [],  # of other channels
        "market_trades": [],
    }
    assert {name: Coinbase().parse(venue_messages.message(f"coinbase/{name}"), 5) for name in expected} == expected
    listed = '{"channel":"subscriptions","events":[{"subscriptions":{"ticker":["BTC-USD"]}}]}'
    assert Coinbase().parse(listed, 5) == [Subscribed("BTC-USD")]


def test_missing_time_is_the_time_of_receipt_and_a_missing_side_the_last_known():
    coinbase = Coinbase()
    first = coinbase.parse('{"type":"ticker","product_id":"X-Y","best_bid":"1","best_ask":"2"}', 7)
    second = coinbase.parse('{"type":"ticker","product_id":"X-Y","best_bid":"","best_ask":"3"}', 8)
    assert first + second == [Tick("X-Y", 1.0, 2.0, 7, "coinbase"), Tick("X-Y", 1.0, 3.0, 8, "coinbase")]


def test_a_bad_product_or_an_empty_side_does_not_affect_the_others_of_a_snapshot():
    rows = [("A-USD", "0", "5"), ("B-USD", "x", "2"), ("C-USD", "1", "2"), ("D\\n", "1", "2")]
    tickers = ",".join(f'{{"product_id":"{name}","best_bid":"{bid}","best_ask":"{ask}"}}' for name, bid, ask in rows)
    events = Coinbase().parse(f'{{"channel":"ticker","events":[{{"tickers":[7,{tickers}]}}]}}', 5)
    assert events[:2] == [Tick("A-USD", None, 5.0, 5, "coinbase"), Tick("C-USD", 1.0, 2.0, 5, "coinbase")]
    assert [type(error) for error in events[2:]] == [FeedError, FeedError, BadSymbol]


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (
            '{"type":"error","message":"Failed to subscribe","reason":"NO-SUCH is not a valid product"}',
            SymbolError("NO-SUCH", "SYMBOL_NOT_FOUND", "NO-SUCH is not a valid product"),
        ),
        ('{"type":"error","message":"rate limit exceeded"}', SymbolError(None, "RATE_LIMIT", "rate limit exceeded")),
        ('{"type":"error","message":"Malformed JSON"}', SymbolError(None, "SUBSCRIPTION_FAILED", "Malformed JSON")),
        ('{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD"}', Heartbeat()),
    ],
)
def test_errors_and_heartbeats(message, event):
    assert Coinbase().parse(message, 5) == [event]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"type":"ticker","best_bid":"1","best_ask":"2"}', "field 'product_id' is missing"),
        ('{"type":"ticker","product_id":"X","best_bid":"+1","best_ask":"2"}', r"bid is '\+1'"),
        ('{"type":"ticker","product_id":"X","best_bid":"1","best_ask":"2","time":5}', "time is 5"),
        ('{"type":"subscriptions","channels":[{"name":"ticker","product_ids":"X"}]}', "product_ids is 'X'"),
        ('{"channel":"ticker","events":[{}]}', "field 'tickers' is missing"),
        ("{}", "field 'type' is missing"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(message, text):
    with pytest.raises(FeedError, match=text):
        Coinbase().parse(message, 5)

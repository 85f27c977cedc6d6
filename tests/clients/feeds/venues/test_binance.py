"""Binance's messages, literally, and half a minute of them with a real one's quotes."""

import json

import pytest
import venue_messages

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.binance import Binance
from hulak.clients.feeds.venues.dialect import Send, Subscribed, SymbolError

SPOT = '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
FUTURES = (
    '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT",'
    '"b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
)


def parse(message):
    return Binance().parse(message, received_ms=1_633_998_513_377)


def test_a_raw_spot_quote_has_its_time_of_receipt():
    assert parse(SPOT) == [Tick("BNBUSDT", 25.3519, 25.3652, 1_633_998_513_377, "binance")]


def test_a_futures_quote_has_its_event_time():
    assert parse(FUTURES) == [Tick("BNBUSDT", 25.3519, 25.3652, 1_568_014_460_893, "binance")]


def test_a_quote_without_event_time_has_its_transaction_time():
    assert parse('{"s":"X","b":1,"a":2,"T":1568014460893}') == [Tick("X", 1.0, 2.0, 1_568_014_460_893, "binance")]


@pytest.mark.parametrize("stream", ["bnbusdt@bookTicker", "!bookTicker"])
@pytest.mark.parametrize("data", [SPOT, FUTURES])
def test_the_combined_format_contains_the_raw_one(stream, data):
    assert parse(f'{{"stream":"{stream}","data":{data}}}') == parse(data)


def test_bytes_and_text_are_the_same_message():
    assert parse(SPOT.encode()) == parse(SPOT)


def test_numbers_may_be_numbers():
    assert parse('{"u":1,"s":"eurusd","b":1.08,"B":1,"a":1.0801,"A":2}')[0].ask == 1.0801


def test_crossed_and_locked_quotes_are_quotes():
    assert [parse(f'{{"s":"X","b":"2","a":"{ask}"}}')[0].ask for ask in (1, 2)] == [1.0, 2.0]


def test_the_source_of_ticks_can_be_set():
    assert Binance(source="binance-futures").parse(SPOT, 5)[0].source == "binance-futures"


@pytest.mark.parametrize(
    "message",
    [
        '{"result":null,"id":1}',
        '{"result":["eurusd@bookTicker"],"id":3}',
        '{"e":"aggTrade","E":1633998512068,"s":"NKNUSDT","p":"0.35","q":"1"}',
        '{"e":"24hrTicker","s":"BNBBTC","b":"0.0024","B":"10","a":"0.0026"}',
        '{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}',
        '{"stream":"nknusdt@depth@100ms","data":{"e":"depthUpdate","s":"NKNUSDT","b":[],"a":[]}}',
        '{"stream":"nknusdt@kline_1m","data":{"e":"kline","s":"NKNUSDT","k":{}}}',
        '{"stream":"!miniTicker@arr","data":[]}',
    ],
)
def test_a_valid_message_without_a_quote_gives_no_ticks(message):
    assert parse(message) == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"u":1,"s":"X","b":"1"}', "field 'a' is missing"),
        ('{"e":"bookTicker","b":"1","a":"2"}', "field 's' is missing"),
        ('{"u":1,"s":"X","b":"1","a":null}', r"a \(ask\) is None"),
        ('{"u":1,"s":"","b":"1","a":"2"}', "symbol is ''"),
        ('{"u":1,"s":"X","b":"1","a":"2","E":"now"}', "E is 'now'"),
        ('{"stream":"x@bookTicker","data":[]}', "data of stream 'x@bookTicker' is"),
        ('{"stream":"x@bookTicker"}', "is None, must be an object"),
        ('{"stream":7,"data":{}}', "stream is 7"),
        ("7", "neither a JSON object nor a list"),
        ("{}", "field 's' is missing"),
        ("pong", "is not JSON"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(message, text):
    with pytest.raises(FeedError, match=text):
        parse(message)


def test_symbols_are_subscribed_to_in_one_request_and_confirmed_by_its_reply():
    binance = Binance()
    assert binance.subscribe(["EURUSD", "gbpusd"]) == [
        Send('{"method":"SUBSCRIBE","params":["eurusd@bookTicker","gbpusd@bookTicker"],"id":1}')
    ]
    assert '"id":2' in binance.subscribe(["X"])[0].text
    assert binance.parse('{"result":null,"id":1}', 5) == [Subscribed("EURUSD"), Subscribed("GBPUSD")]
    assert binance.parse('{"error":{"code":2,"msg":"Invalid request: bad stream"},"id":2}', 5) == [
        SymbolError("X", "SUBSCRIPTION_FAILED", "Invalid request: bad stream")
    ]
    assert binance.parse('{"result":null,"id":1}', 5) == []


@pytest.mark.parametrize("message", ['{"code":3,"msg":"Invalid JSON"}', '{"error":{"code":3,"msg":"Invalid JSON"},"id":9}'])
def test_a_refusal_of_an_unknown_request_has_no_symbol(message):
    assert parse(message) == [SymbolError(None, "SUBSCRIPTION_FAILED", "Invalid JSON")]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("wss://fstream.binance.com/ws", "/ws of fstream.binance.com was retired in April 2026; use /public/ws"),
        ("wss://fstream.binance.com/stream?streams=btcusdt@bookTicker", "use /public/stream"),
        ("wss://stream.binance.com:9443/ws/!bookTicker", "Binance has removed the stream !bookTicker"),
    ],
)
def test_a_url_where_the_venue_sends_nothing_is_refused(url, text):
    with pytest.raises(FeedError, match=text):
        Binance().address(url, ["BTCUSDT"])
    for good in ("wss://fstream.binance.com/public/ws", "wss://stream.binance.com:9443/ws", "ws://127.0.0.1:5560/ws/!bookTicker"):
        assert Binance().address(good, []) == good


def test_an_empty_side_is_written_as_0_and_several_quotes_as_a_list():
    message = '[{"s":"A","b":"0.00000000","a":"2"},{"s":"B","b":"1","a":"x"},{"s":"币安人生USDT","b":"1","a":"2"}]'
    first, second, error = Binance().parse(message, 5)
    assert first == Tick("A", None, 2.0, 5, "binance")
    assert second == Tick("_E5B881E5AE89E4BABAE7949F_USDT", 1.0, 2.0, 5, "binance")
    assert "a (ask) is 'x'" in str(error)
    assert json.loads(Binance().subscribe(["币安人生USDT"])[0].text)["params"] == ["币安人生usdt@bookTicker"]


def test_every_message_of_half_a_minute_is_parsed_exactly():
    messages = venue_messages.binance()
    parsed = [(message, Binance().parse(message, at)) for at, message in messages]

    assert len(messages) == 265
    quotes = [json.loads(message)["data"] for message, ticks in parsed if ticks]
    ticks = [tick for _, ticks in parsed for tick in ticks]
    assert [(tick.symbol, tick.bid, tick.ask) for tick in ticks] == [
        (quote["s"], float(quote["b"]), float(quote["a"])) for quote in quotes
    ]
    assert all("@bookTicker" in message for message, ticks in parsed if ticks)
    assert len(ticks) == sum("@bookTicker" in message for message, _ in parsed) == 84
    assert ticks[0] == Tick("NKNUSDT", 0.3521, 0.3526, 1_633_998_513_377, "binance")
    assert ticks[-1] == Tick("NKNUSDT", 0.3527, 0.3531, 1_633_998_540_250, "binance")

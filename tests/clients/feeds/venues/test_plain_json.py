"""The plain JSON form, literally."""

import pytest

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.symbol_keys import BadSymbol
from hulak.clients.feeds.venues.dialect import Heartbeat, Subscribed, SymbolError
from hulak.clients.feeds.venues.plain_json import PlainJson


def parse(message):
    return PlainJson().parse(message, received_ms=55)


def test_a_quote_becomes_a_tick():
    message = '{"symbol":"EURUSD","bid":1.08567,"ask":1.0857,"timestamp":1701234567890}'
    assert parse(message) == [Tick("EURUSD", 1.08567, 1.0857, 1_701_234_567_890, "json")]
    assert parse(message.encode()) == parse(message)


def test_the_symbol_becomes_canonical():
    assert parse('{"symbol":"usd/jpy.p","bid":151.2,"ask":151.21,"timestamp":1701234567890}')[0].symbol == "USDJPY.P"


def test_prices_may_be_decimal_text_and_times_may_have_fractions():
    assert parse('{"symbol":"X","bid":"1.5","ask":"2","timestamp":1701234567890.9}') == [
        Tick("X", 1.5, 2.0, 1_701_234_567_890, "json")
    ]


@pytest.mark.parametrize("rest", ["", ',"timestamp":null'])
def test_without_a_timestamp_a_tick_has_its_time_of_receipt(rest):
    assert parse(f'{{"symbol":"X","bid":1,"ask":2{rest}}}')[0].timestamp == 55


def test_a_typed_tick_with_additional_fields_is_a_quote():
    message = (
        '{"type":"tick","v":"1.0.0","symbol":"EURUSD","bid":1.1,"ask":1.2,"price":1.15,"timestamp":1701234567890,"sentAt":8}'
    )
    assert parse(message) == [Tick("EURUSD", 1.1, 1.2, 1_701_234_567_890, "json")]


@pytest.mark.parametrize(
    ("message", "events"),
    [
        ('{"type":"heartbeat","timestamp":7}', [Heartbeat()]),
        ('{"type":"subscribed","symbol":"eur/usd"}', [Subscribed("EURUSD")]),
        ('{"type":"error","code":"RATE_LIMIT","message":"slow","symbol":"X"}', [SymbolError("X", "RATE_LIMIT", "slow")]),
        ('{"type":"status","symbol":"system"}', []),
    ],
)
def test_messages_of_other_types_give_no_ticks(message, events):
    assert parse(message) == events


def test_a_side_that_is_null_is_the_last_known_one():
    venue = PlainJson()
    quotes = [("null", 2), (1, "null"), (1.5, "null"), ("null", 3)]
    results = [venue.parse(f'{{"symbol":"X","bid":{bid},"ask":{ask}}}', 5) for bid, ask in quotes]
    assert results == [[], *([Tick("X", bid, ask, 5, "json")] for bid, ask in ((1, 2), (1.5, 2), (1.5, 3)))]


@pytest.mark.parametrize("at", ["1701234567.891", "1701234567891", "1701234567891.9", "1701234567891234", "1701234567891234567"])
def test_the_unit_of_a_time_is_determined_by_its_size(at):
    assert parse(f'{{"symbol":"X","bid":1,"ask":2,"timestamp":{at}}}')[0].timestamp == 1_701_234_567_891


def test_a_side_of_0_is_empty_until_it_comes_again_and_negative_prices_are_prices():
    venue = PlainJson()
    quotes = [(12.4, 12.41), (12.5, 0), (12.6, "null"), (0, 0), (-55.25, -55)]
    ticks = [tick for bid, ask in quotes for tick in venue.parse(f'{{"symbol":"X","bid":{bid},"ask":{ask}}}', 5)]
    assert [(tick.bid, tick.ask) for tick in ticks] == [(12.4, 12.41), (12.5, None), (12.6, None), (None, None), (-55.25, -55.0)]


def test_each_quote_of_a_list_is_parsed():
    ticks = parse('[{"symbol":"A","bid":1,"ask":2},{"symbol":"B","bid":1},{"symbol":"C","bid":1,"ask":2}]')
    assert [getattr(tick, "symbol", "bad") for tick in ticks] == ["A", "C", "bad"]


def test_the_second_name_of_a_topic_is_refused():
    venue = PlainJson()
    for name in ("BTC/USDT", "btc/usdt", "BTCUSDT.P", "000001.SZ", "000001.SH"):
        assert len(venue.parse(f'{{"symbol":"{name}","bid":1,"ask":2}}', 5)) == 1
    text = r"'BTC_USDT' would have the topic tick.BTCUSDT, which belongs to 'BTC/USDT' of this venue"
    with pytest.raises(BadSymbol, match=text):
        venue.parse('{"symbol":"BTC_USDT","bid":1,"ask":2}', 5)


def test_the_url_names_the_symbols():
    assert PlainJson().address("ws://h/json", ["EURUSD", "USDJPY"]) == "ws://h/json?symbols=EURUSD,USDJPY"
    assert PlainJson().address("ws://h/json?x=1", ["A&B"]) == "ws://h/json?x=1&symbols=A%26B"
    assert PlainJson().address("ws://h/json", []) == "ws://h/json"
    json_venue = PlainJson()
    json_venue.address("ws://h/json", ["EURUSD"])
    assert json_venue.subscribe(["EURUSD"]) == [Subscribed("EURUSD")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"symbol":"X","bid":1}', "field 'ask' is missing"),
        ('{"symbol":"X","bid":true,"ask":1}', "bid is True"),
        ('{"symbol":"X","bid":null,"ask":null}', "neither bid nor ask"),
        ('{"symbol":"X","bid":1,"ask":1,"timestamp":17012345678}', "timestamp is 17012345678, must be a time from 1990 to 2100"),
        ('{"symbol":"X","bid":1,"ask":NaN}', "not JSON: 'NaN is no JSON number'"),
        ('{"symbol":7,"bid":1,"ask":1}', "symbol is 7, must be text"),
        ('{"symbol":"X","bid":1,"ask":1,"timestamp":"2024-01-01"}', "timestamp is '2024-01-01'"),
        ('{"symbol":"X","bid":1,"ask":1,"timestamp":-1}', "timestamp is -1"),
        ("7", "neither a JSON object nor a list"),
        ("{}", "field 'symbol' is missing"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(message, text):
    with pytest.raises(FeedError, match=text):
        parse(message)

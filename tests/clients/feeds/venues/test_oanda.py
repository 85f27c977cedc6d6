"""OANDA's lines, literally, and with real ones' prices."""

import json

import pytest
from vectors import vectors
from venue_messages import oanda_line, oanda_price

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.venues.dialect import Heartbeat, Subscribed, SymbolError
from hulak.clients.feeds.venues.oanda import Oanda

URL = "https://stream-fxpractice.oanda.com/v3/accounts/101-004-1-001/pricing/stream"


def test_the_url_names_the_instruments():
    assert Oanda().address(URL, ["EUR_USD", "USD_JPY"]) == URL + "?instruments=EUR_USD,USD_JPY"
    assert Oanda().address(URL, []) == URL
    oanda = Oanda()
    oanda.address("https://h/v3/accounts/1/pricing/stream", ["EUR_USD"])
    assert oanda.subscribe(["EUR_USD"]) == [Subscribed("EURUSD")]


def test_the_snapshot_gives_each_price():
    prices = [oanda_price(*price) for price in vectors("feed_oanda")["snapshot"]]
    assert Oanda().parse(json.dumps({"prices": prices}), 5) == [
        Tick("EURUSD", 1.12157, 1.1217, 1_475_645_296_729, "oanda"),
        Tick("EURJPY", 115.329, 115.346, 1_475_645_295_621, "oanda"),
    ]


def test_every_line_of_the_stream_is_parsed_with_its_best_level():
    lines = [oanda_line(*line) for line in vectors("feed_oanda")["stream"]]
    oanda = Oanda()
    assert [oanda.parse(line, 5) for line in lines] == [
        [Tick("EURJPY", 114.295, 114.312, 1_477_557_523_094, "oanda")],
        [Heartbeat()],
        [Tick("EURUSD", 1.09177, 1.09188, 1_477_557_525_664, "oanda")],
        [Tick("EURJPY", 114.298, 114.315, 1_477_557_525_681, "oanda")],
        [Tick("EURUSD", 1.19197, 1.19216, 1_506_291_639_888, "oanda")],  # the second level is the best one
        [Tick("EURGBP", 0.86582, 0.86704, 1_696_021_080_136, "oanda", ("halted",))],  # a weekend's last price
    ]


def test_a_side_without_levels_is_empty_and_a_missing_side_the_last_known():
    oanda = Oanda()
    price = '{{"type":"PRICE","instrument":"EUR_USD","time":"1475645296.729643492","bids":{},"asks":{}}}'
    both = oanda.parse(price.format('[{"price":"1.1"}]', '[{"price":"1.2"}]'), 5)
    bid = oanda.parse(price.format('[{"price":"1.15"}]', "[]"), 5)
    same = oanda.parse('{"type":"PRICE","instrument":"EUR_USD","time":"1475645296.729643492","bids":[{"price":"1.2"}]}', 5)
    sides = [(1.1, 1.2), (1.15, None), (1.2, None)]
    assert both + bid + same == [Tick("EURUSD", bid, ask, 1_475_645_296_729, "oanda") for bid, ask in sides]


@pytest.mark.parametrize("field", ['"tradeable":false', '"status":"non-tradeable"', '"status":"invalid"'])
def test_a_quote_that_is_not_tradeable_is_flagged(field):
    line = f'{{"type":"PRICE","instrument":"EUR_USD","bids":[{{"price":"1"}}],"asks":[{{"price":"2"}}],{field}}}'
    assert Oanda().parse(line, 5) == [Tick("EURUSD", 1.0, 2.0, 5, "oanda", ("halted",))]
    assert Oanda().parse(line.replace(field, '"tradeable":true,"status":"tradeable"'), 5)[0].flags == ()


def test_a_bad_instrument_does_not_affect_the_others_of_a_snapshot():
    rows = [("A_B", "x"), ("C_D", "1")]
    prices = ",".join(f'{{"instrument":"{name}","bids":[{{"price":"{bid}"}}],"asks":[{{"price":"2"}}]}}' for name, bid in rows)
    tick, error = Oanda().parse(f'{{"prices":[{prices}]}}', 5)
    assert tick == Tick("CD", 1.0, 2.0, 5, "oanda")
    assert isinstance(error, FeedError)


def test_an_error_is_reported_and_other_lines_are_ignored():
    text = "Invalid value specified for 'instruments'"
    assert Oanda().parse(json.dumps({"errorMessage": text}), 5) == [SymbolError(None, "INVALID_SYMBOL", text)]
    assert Oanda().parse('{"type":"TRANSACTION"}', 5) == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"type":"PRICE","bids":[],"asks":[]}', "field 'instrument' is missing"),
        ('{"type":"PRICE","instrument":"A_B","bids":"","time":"1"}', "bids is ''"),
        ('{"type":"PRICE","instrument":"A_B","bids":[{}],"asks":[]}', "field 'price' is missing"),
        ('{"type":"PRICE","instrument":"A_B","time":"today","bids":[{"price":"1"}]}', "time is 'today'"),
        ('{"type":"PRICE","instrument":"A_B","bids":7}', "bids is 7, must be a list of objects"),
        ("{}", "field 'type' is missing"),
    ],
)
def test_a_bad_message_is_refused_with_its_content(line, text):
    with pytest.raises(FeedError, match=text):
        Oanda().parse(line, 5)

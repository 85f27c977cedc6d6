"""Symbols of one name: each collision that venues are known to have has an answer (docs/howto/venues.md), and none is silent."""

import json

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process.settings import FeedSettings, Settings
from hulak.clients.feeds.process import run_feed
from hulak.clients.feeds.symbol_keys import BadSymbol
from hulak.clients.feeds.venues.registry import dialect_of

URLS = {
    "binance": "wss://stream.binance.com:9443/ws",
    "bybit": "wss://stream.bybit.com/v5/public/spot",
    "bitget": "wss://ws.bitget.com/v2/ws/public",
    "hyperliquid": "wss://api.hyperliquid.xyz/ws",
    "deribit": "wss://www.deribit.com/ws/api/v2",
    "okx": "wss://ws.okx.com:8443/ws/v5/public",
    "json": "wss://h/json",
}


def keys(venue, *names):
    dialect = dialect_of(venue, FeedSettings())()
    return [dialect.names.of(name) for name in names]


@pytest.mark.parametrize(
    ("venue", "names", "expected"),
    [
        ("okx", ["BTC-USDT", "BTC-USDT-SWAP"], ["BTC-USDT", "BTC-USDT-SWAP"]),
        ("hyperliquid", ["@107", "xyz:XYZ100", "PURR/USDC"], ["_40_107", "XYZ_3A_XYZ100", "PURRUSDC"]),
        ("json", ["BTC/USDT:USDT", "BTC/USDT", "BTCUSDT.P"], ["BTCUSDT_3A_USDT", "BTCUSDT", "BTCUSDT.P"]),
        ("json", ["EURUSD", "EURUSDm", "EURUSD.x", "EURUSD#"], ["EURUSD", "EURUSDM", "EURUSD.X", "EURUSD_23_"]),
        ("json", ["000001.SZ", "000001.SH", "US500.MAY25"], ["000001.SZ", "000001.SH", "US500.MAY25"]),
        ("deribit", ["BTC_USDC-PERPETUAL", "BTC-PERPETUAL"], ["BTCUSDC-PERPETUAL", "BTC-PERPETUAL"]),
    ],
)
def test_different_instruments_have_different_topics(venue, names, expected):
    assert keys(venue, *names) == expected
    assert len(set(expected)) == len(names)


@pytest.mark.parametrize(
    ("venue", "names"),
    [
        ("json", ["BTC/USD", "BTC_USD"]),
        ("json", ["EUR/USD.SIM", "EURUSD.SIM"]),
        ("hyperliquid", ["kPEPE", "KPEPE"]),
        ("deribit", ["BTC_USDC-PERPETUAL", "BTCUSDC-PERPETUAL"]),
    ],
)
def test_two_names_of_one_topic_end_a_feed_at_its_start_and_the_second_is_refused_later(venue, names, tmp_path):
    with pytest.raises(ConfigError, match=f"symbols '{names[0]}' and '{names[1]}' would both have the topic"):
        run_feed(Settings(), tmp_path, venue=venue, url=URLS[venue], symbols=names)
    with pytest.raises(BadSymbol, match=f"belongs to '{names[0]}' of this venue"):
        keys(venue, *names)


def message(venue, product):
    if venue == "binance":
        return {"s": "BTCUSDT", "b": "1", "a": "2"}
    if venue == "bybit":
        data = {"s": "BTCUSDT", "b": [["1", "1"]], "a": [["2", "1"]]}
        return {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": 1_793_750_400_000, "data": data}
    book = {"bids": [["1", "1"]], "asks": [["2", "1"]], "ts": "1793750400000"}
    return {"arg": {"instType": product, "channel": "books1", "instId": "BTCUSDT"}, "data": [book]}


@pytest.mark.parametrize(
    ("venue", "futures", "source"),
    [
        ("binance", "wss://fstream.binance.com/public/ws", "binance-futures"),
        ("bybit", "wss://stream.bybit.com/v5/public/linear", "bybit-linear"),
        ("bitget", "wss://ws.bitget.com/v2/ws/public?instType=USDT-FUTURES", "bitget-usdt-futures"),
    ],
)
def test_spot_and_futures_of_one_name_have_different_sources(venue, futures, source):
    sources = []
    for url, product in ((URLS[venue], "SPOT"), (futures, "USDT-FUTURES")):
        dialect = dialect_of(venue, FeedSettings())()
        dialect.address(url, [])
        (tick,) = dialect.parse(json.dumps(message(venue, product)), 5)
        assert (tick.symbol, tick.bid, tick.ask) == ("BTCUSDT", 1.0, 2.0)
        sources.append(tick.source)
    assert sources == [venue, source]

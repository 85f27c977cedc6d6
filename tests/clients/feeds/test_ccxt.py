"""`--venue ccxt:EXCHANGE` with a stand-in for the library, which has the parts of it that are used."""

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

from hulak.bus.errors import ConfigError, FeedError
from hulak.bus.process.settings import FeedSettings, Settings
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.ccxt_connection import MODULE, exchange_class
from hulak.clients.feeds.process import run_feed
from hulak.clients.feeds.transports import connection
from hulak.clients.feeds.venues.dialect import Reconnect, Subscribed, SymbolError
from hulak.clients.feeds.venues.registry import dialect_of

AT_MS = 1_793_750_400_000


class Exchange:
    """An exchange as ccxt 4.5 has it: markets, then the values of the symbols that have changed."""

    has: ClassVar = {"watchBidsAsks": True, "watchTickers": True}
    script: ClassVar = []
    made: ClassVar = []

    def __init__(self):
        self.markets, self.watched, self.closed = {}, [], False
        self.bidsasks = self.tickers = None
        self.script = list(type(self).script)
        self.made.append(self)

    async def load_markets(self):
        self.markets = {"BTC/USDT": {}, "BTC/USDT:USDT": {}}

    async def watch_bids_asks(self, symbols):
        self.watched.append(symbols)
        if not self.script:
            await asyncio.Event().wait()  # until cancelled
        value = self.script.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    async def close(self):
        self.closed = True


class Tickers(Exchange):
    has: ClassVar = {"watchBidsAsks": None, "watchTickers": True}
    watch_tickers = Exchange.watch_bids_asks


class Orders(Exchange):
    has: ClassVar = {"watchBidsAsks": None, "watchTickers": False}


def ticker(bid, ask, timestamp=AT_MS):
    return {"symbol": "BTC/USDT", "timestamp": timestamp, "bid": bid, "bidVolume": 1.0, "ask": ask, "askVolume": 2.0, "info": {}}


@pytest.fixture(autouse=True)
def library(monkeypatch):
    names = {"gate": Exchange, "mexc": Tickers, "orders": Orders}
    monkeypatch.setitem(sys.modules, MODULE.partition(".")[0], SimpleNamespace())
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(exchanges=list(names), **names))
    monkeypatch.setattr(Exchange, "made", [])
    return names


def read(exchange, symbols, script, count):
    """Return the effects of the first messages, and the exchange's object."""
    dialect = dialect_of(f"ccxt:{exchange}", FeedSettings())()
    Exchange.script = script

    async def story():
        url = dialect.address(f"ccxt://{exchange}", symbols)
        async with connection(url, token="", connect_s=1.0, read_s=1.0) as venue:
            await venue.ping()
            return [effect for _ in range(count) for effect in dialect.parse(await venue.receive(), 5)]

    return asyncio.run(story()), Exchange.made[-1], dialect


@pytest.mark.parametrize("exchange", ["gate", "mexc"])
def test_the_newest_quotes_of_an_exchange_become_ticks_and_an_unknown_symbol_costs_no_other(exchange):
    script = [
        {"BTC/USDT": ticker(81234.5, 81234.6), "BTC/USDT:USDT": ticker(81230.0, None, None)},
        {"BTC/USDT": ticker(81234.4, 81234.6, AT_MS + 7)},
    ]
    effects, made, _ = read(exchange, ["BTC/USDT", "BTC/USDT:USDT", "NO/PE"], script, 3)
    assert effects == [
        SymbolError("NOPE", "SYMBOL_NOT_FOUND", "ccxt has no such market of this exchange"),
        Tick("BTCUSDT", 81234.5, 81234.6, AT_MS, f"ccxt-{exchange}"),
        Tick("BTCUSDT_3A_USDT", 81230.0, None, 5, f"ccxt-{exchange}"),
        Tick("BTCUSDT", 81234.4, 81234.6, AT_MS + 7, f"ccxt-{exchange}"),
    ]
    assert (made.watched, made.closed) == ([["BTC/USDT", "BTC/USDT:USDT"]] * 2, True)


@pytest.mark.parametrize("error", [RuntimeError("kraken is down"), KeyError("bug of the library"), TimeoutError()])
def test_every_error_of_the_library_ends_the_connection_and_nothing_else(error):
    with pytest.raises(ConnectionError, match=f"ccxt: {type(error).__name__}"):
        read("gate", ["BTC/USDT"], [error], 1)
    assert Exchange.made[-1].closed


def test_an_exchange_with_none_of_the_symbols_has_no_connection():
    with pytest.raises(ConnectionError, match="ccxt has none of the symbols"):
        read("gate", ["NO/PE"], [], 2)


def test_of_a_burst_the_newest_quote_is_published_without_a_further_change(monkeypatch):
    """ccxt 4.5.90 returns the oldest quote of a burst, and has the newest in its table only."""
    burst = Exchange.watch_bids_asks

    async def watch_bids_asks(self, symbols):
        self.bidsasks = {"BTC/USDT": ticker(100.0, 101.0), "ETH/USDT": ticker(1.0, 2.0)}
        asyncio.get_running_loop().call_later(0.02, self.bidsasks.update, {"BTC/USDT": ticker(199.0, 200.0)})
        return await burst(self, symbols)

    monkeypatch.setattr(Exchange, "watch_bids_asks", watch_bids_asks)
    effects, _, _ = read("gate", ["BTC/USDT"], [{"BTC/USDT": ticker(100.0, 101.0)}], 2)
    assert [(tick.symbol, tick.bid, tick.ask) for tick in effects] == [("BTCUSDT", 100.0, 101.0), ("BTCUSDT", 199.0, 200.0)]


def test_symbols_change_by_a_new_connection():
    _, _, dialect = read("gate", ["BTC/USDT"], [{"BTC/USDT": ticker(1.0, 2.0)}], 1)
    assert dialect.subscribe(["BTC/USDT"]) == [Subscribed("BTCUSDT")]
    assert isinstance(dialect.subscribe(["ETH/USDT"])[0], Reconnect)
    assert isinstance(dialect.unsubscribe(["BTC/USDT"])[0], Reconnect)
    assert not dialect.own_heartbeats  # the library pings: `ping` returns at once


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (["BTC/USDT", 1.0, 2.0], "must be symbol, bid, ask and time"),
        (["BTC/USDT", "x", 2.0, None], "bid is 'x'"),
        ([5, 1.0, 2.0, None], "symbol is 5, must be text"),
    ],
)
def test_a_bad_value_is_refused_and_the_others_are_ticks(row, text):
    dialect = dialect_of("ccxt:gate", FeedSettings())()
    bad, tick = dialect.parse(json.dumps({"quotes": [row, ["ETH/USDT", 1.0, 2.0, AT_MS]]}), 5)
    assert isinstance(bad, FeedError)
    assert text in str(bad)
    assert tick.symbol == "ETHUSDT"


@pytest.mark.parametrize(
    ("venue", "text"),
    [
        ("ccxt:nope", "ccxt has no WebSocket of an exchange 'nope'; it has gate, mexc, orders"),
        ("ccxt:orders", "ccxt does not read quotes of orders over a WebSocket"),
        ("ccxt:gate", "ccxt needs symbols"),
        ("okex", "venue 'okex' is unknown, must be one of binance"),
    ],
)
def test_an_exchange_that_cannot_be_read_is_refused_at_the_start(venue, text, tmp_path):
    with pytest.raises(ConfigError, match=text):
        run_feed(Settings(), tmp_path, venue=venue, url="", symbols=[])


def test_without_the_library_the_error_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(ConfigError, match=r"needs ccxt, which is not installed: pip install 'hulak\[ccxt\]'"):
        exchange_class("gate")

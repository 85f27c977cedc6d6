"""One client of /fx: what it is told in which order, after it was behind, and over midnight."""

import asyncio
import json

import msgpack
import pytest

from bus.errors import BusError
from bus.wire.messages import Tick
from clients.gateway.fx import protocol
from clients.gateway.fx.session import FxSession, Stream
from clients.gateway.fx.turn_cache import TurnCache
from clients.gateway.state_cache import StateCache

DAY = 86_400_000
NOON = 1_701_302_400_000 + DAY // 2


class Wire:
    """A connection that keeps what was sent."""

    def __init__(self):
        self.sent = []

    async def send(self, data, *, text):
        assert text
        self.sent.append(json.loads(data))


class Journal:
    """Calls that find nothing there."""

    async def run(self, work):
        del work
        raise BusError("UNKNOWN_TOPIC", "no tick of it is known")


class Stand:
    """A turn cache and one client of it, moved by hand."""

    def __init__(self):
        self.cache = StateCache()
        self.turn_cache = TurnCache(self.cache, lambda: self.now_ms)
        self.peer = FxSession(Wire(), self.turn_cache, Journal(), asyncio.Event())
        self.now_ms = float(NOON)
        self.told = self.cache.revision

    def state(self, timestamp=NOON, price=1.1, levels=((1, 1, 1, 0),), ticks=1, twap=1.1):
        profile = {"bucket": 0.1, "ticks": ticks, "levels": [list(level) for level in levels]}
        told = {"symbol": "EURUSD", "digits": 5, "ready": True, "price": price, "open": price, "high": price, "low": price}
        self.cache.take_state("d", msgpack.packb({**told, "timestamp": timestamp, "twap": twap, "profile": profile}))

    def turn(self, *ticks, reads=True, after_ms=16.0):
        self.now_ms += after_ms
        self.cache.take_ticks(ticks)
        self.turn_cache.begin(ticks, self.told, self.now_ms, heard=True)
        said = [json.loads(one) for one in self.peer.news(self.now_ms)] if reads else []
        self.told = self.cache.revision
        return [one for one in said if one["type"] != "heartbeat"]

    def ask(self, **message):
        async def work():
            self.peer._take(protocol.decode(json.dumps(message)))
            await asyncio.gather(*self.peer._requests)
            found, self.peer.connection.sent = self.peer.connection.sent, []
            return found

        return asyncio.run(work())


def tick(bid, timestamp=NOON, symbol="EURUSD"):
    return Tick(symbol, bid, bid + 0.1, timestamp, "x")


def types(said):
    return [one["type"] for one in said]


@pytest.fixture
def stand():
    return Stand()


def test_the_package_comes_first_then_every_tick_and_the_profile(stand):
    assert stand.turn(tick(1.0)) == [], "nothing was asked for"
    stand.state()
    stand.turn()
    assert types(stand.ask(type="get_symbol_data_package", symbol="eur/usd")) == ["symbolDataPackage"]
    stand.peer._derived_ms = 0.0
    said = stand.turn(tick(1.1), tick(9.9, symbol="USDJPY"), tick(1.2))
    assert types(said) == ["tick", "tick", "profileUpdate", "twapUpdate"]
    assert [one["bid"] for one in said[:2]] == [1.1, 1.2]
    assert said[2]["profile"]["levels"] == [{"price": 0.1, "tpo": 1}]
    stand.state(levels=[(1, 3, 1, 0), (2, 1, 1, 0)], ticks=2, twap=1.2)
    assert types(stand.turn(tick(1.3))) == ["tick"], "once a second"
    (delta, average) = stand.turn(after_ms=1001)
    assert delta["delta"] == {"added": [{"price": 0.2, "tpo": 1}], "updated": [{"price": 0.1, "tpo": 3}]}
    assert delta["seq"] == said[2]["seq"] + 1
    assert average["data"]["twapValue"] == 1.2
    stand.ask(type="refresh_profile", symbol="EURUSD")
    (whole,) = stand.turn()
    assert (len(whole["profile"]["levels"]), whole["seq"]) == (2, delta["seq"] + 1)
    stand.ask(type="unsubscribe", symbols=["EURUSD"])
    assert stand.turn(tick(1.4)) == []
    stand.ask(type="get_symbol_data_package", symbol="EURUSD")
    again = stand.turn(after_ms=1001)
    assert again[0]["seq"] > whole["seq"], "numbers never begin anew"


def test_who_was_behind_gets_the_newest_and_then_every_tick_again(stand):
    stand.turn()
    stand.peer.streams["EURUSD", "ctrader"] = Stream(NOON // DAY)
    assert [one["bid"] for one in stand.turn(tick(1.0), tick(1.1))] == [1.0, 1.1]
    for bid in (1.2, 1.3, 1.4):
        stand.turn(tick(bid), tick(bid + 0.01), reads=False)
    assert [one["bid"] for one in stand.turn(tick(1.5), tick(1.6))] == [1.6]
    assert [one["bid"] for one in stand.turn(tick(1.7), tick(1.8))] == [1.7, 1.8]


def test_a_new_day_resets_before_anything_of_it(stand):
    stand.state()
    stand.turn(tick(1.0))
    stand.ask(type="get_symbol_data_package", symbol="EURUSD")
    stand.turn(after_ms=2000)
    stand.state(timestamp=NOON + DAY, price=1.5, levels=[(7, 1, 1, 0)], ticks=1)
    said = stand.turn(tick(1.5, NOON + DAY), after_ms=2000)
    assert types(said)[:4] == ["dailyReset", "symbolDataPackage", "tick", "profileUpdate"]
    assert said[0] == {"type": "dailyReset", "symbols": ["EURUSD"], "timestamp": (NOON + DAY) // DAY * DAY, "symbol": "system"}
    assert said[1]["todaysOpen"] == 1.5
    assert "dailyReset" not in types(stand.turn(tick(1.6, NOON + DAY)))


def test_an_unknown_symbol_is_told_with_its_name(stand):
    (refusal,) = stand.ask(type="get_symbol_data_package", symbol="XYZ", source="tradingview")
    assert (refusal["code"], refusal["symbol"], refusal["source"]) == ("SYMBOL_NOT_FOUND", "XYZ", "tradingview")
    (history,) = stand.ask(type="getHistoricalCandles", symbol="XYZ", resolution="1m", **{"from": 1, "to": 2})
    assert history["bars"] == []
    assert history["error"].startswith("SYMBOL_NOT_FOUND")


def test_all_symbols_of_a_legacy_subscribe_are_taken(stand):
    assert [one["symbol"] for one in stand.ask(type="subscribe", symbols=["AAA", "BBB"])] == ["AAA", "BBB"]


def test_running_bars(stand):
    stand.turn()
    assert types(stand.ask(type="subscribeCandles", symbol="EURUSD", resolution="1m")) == ["candleSubscription"]
    (first,) = stand.turn(tick(1.0, NOON), after_ms=1001)
    assert first["bar"]["volume"] == 1
    assert stand.turn(after_ms=1001) == [], "nothing new"
    closed, running = stand.turn(tick(1.1, NOON + 1), tick(2.0, NOON + 60_000), after_ms=1001)
    assert (closed["isBarClose"], closed["bar"]["volume"], closed["bar"]["close"]) == (True, 2, 1.1)
    assert (running["isBarClose"], running["bar"]["open"]) == (False, 2.0)
    assert types(stand.ask(type="unsubscribeCandles", symbol="EURUSD", resolution="1m")) == ["candleSubscription"]
    assert stand.turn_cache.candles == {}
    assert stand.turn(tick(1.0), after_ms=1001) == []


def test_it_is_told_when_the_broker_is_gone_and_back(stand):
    stand.turn()
    stand.turn_cache.heard = False
    assert [json.loads(one)["type"] for one in stand.peer.news(stand.now_ms)] == ["status"]
    stand.turn_cache.heard = True
    assert [json.loads(one)["type"] for one in stand.peer.news(stand.now_ms)] == ["status", "ready"]

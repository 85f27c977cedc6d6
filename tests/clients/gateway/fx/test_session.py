"""One client of /fx: the order of its messages, after it was behind, and over midnight."""

import asyncio
import json

import msgpack
import pytest

from hulak.bus.errors import BusError
from hulak.bus.process.client_logger import logger_of
from hulak.bus.wire.messages import Tick
from hulak.clients.gateway.fx import protocol
from hulak.clients.gateway.fx.session import FxSession, Stream
from hulak.clients.gateway.fx.turn_cache import TurnCache
from hulak.clients.gateway.state_cache import StateCache

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
        self.session = FxSession(Wire(), self.turn_cache, Journal(), asyncio.Event(), logger_of(None))
        self.now_ms = float(NOON)
        self.sent_revision = self.cache.revision

    def state(self, timestamp=NOON, price=1.1, levels=((1, 1, 1, 0),), ticks=1, twap=1.1):
        profile = {"bucket": 0.1, "ticks": ticks, "levels": [list(level) for level in levels]}
        state = {"symbol": "EURUSD", "digits": 5, "ready": True, "price": price, "open": price, "high": price, "low": price}
        self.cache.take_state("d", msgpack.packb({**state, "timestamp": timestamp, "twap": twap, "profile": profile}))

    def turn(self, *ticks, reads=True, after_ms=16.0):
        self.now_ms += after_ms
        self.cache.take_ticks(ticks)
        self.turn_cache.begin(ticks, self.sent_revision, self.now_ms, broker_up=True)
        messages = [json.loads(message) for message in self.session.updates(self.now_ms)] if reads else []
        self.sent_revision = self.cache.revision
        return [message for message in messages if message["type"] != "heartbeat"]

    def ask(self, **message):
        async def work():
            self.session._handle(protocol.decode(json.dumps(message)))
            await asyncio.gather(*self.session._requests)
            sent, self.session.connection.sent = self.session.connection.sent, []
            return sent

        return asyncio.run(work())


def tick(bid, timestamp=NOON, symbol="EURUSD"):
    return Tick(symbol, bid, bid + 0.1, timestamp, "x")


def types(messages):
    return [message["type"] for message in messages]


@pytest.fixture
def stand():
    return Stand()


def test_the_package_comes_first_then_every_tick_and_the_profile(stand):
    assert stand.turn(tick(1.0)) == [], "nothing was asked for"
    stand.state()
    stand.turn()
    assert types(stand.ask(type="get_symbol_data_package", symbol="eur/usd")) == ["symbolDataPackage"]
    stand.session._derived_ms = 0.0
    messages = stand.turn(tick(1.1), tick(9.9, symbol="USDJPY"), tick(1.2))
    assert types(messages) == ["tick", "tick", "profileUpdate", "twapUpdate"]
    assert [message["bid"] for message in messages[:2]] == [1.1, 1.2]
    assert messages[2]["profile"]["levels"] == [{"price": 0.1, "tpo": 1}]
    stand.state(levels=[(1, 3, 1, 0), (2, 1, 1, 0)], ticks=2, twap=1.2)
    assert types(stand.turn(tick(1.3))) == ["tick"], "once a second"
    (delta, average) = stand.turn(after_ms=1001)
    assert delta["delta"] == {"added": [{"price": 0.2, "tpo": 1}], "updated": [{"price": 0.1, "tpo": 3}]}
    assert delta["seq"] == messages[2]["seq"] + 1
    assert average["data"]["twapValue"] == 1.2
    stand.ask(type="refresh_profile", symbol="EURUSD")
    (whole,) = stand.turn()
    assert (len(whole["profile"]["levels"]), whole["seq"]) == (2, delta["seq"] + 1)
    stand.ask(type="unsubscribe", symbols=["EURUSD"])
    assert stand.turn(tick(1.4)) == []
    stand.ask(type="get_symbol_data_package", symbol="EURUSD")
    again = stand.turn(after_ms=1001)
    assert again[0]["seq"] > whole["seq"], "numbers never restart"


def test_a_client_that_was_behind_gets_the_newest_and_then_every_tick_again(stand):
    stand.turn()
    stand.session.streams["EURUSD", "ctrader"] = Stream(NOON // DAY)
    assert [message["bid"] for message in stand.turn(tick(1.0), tick(1.1))] == [1.0, 1.1]
    for bid in (1.2, 1.3, 1.4):
        stand.turn(tick(bid), tick(bid + 0.01), reads=False)
    assert [message["bid"] for message in stand.turn(tick(1.5), tick(1.6))] == [1.6]
    assert [message["bid"] for message in stand.turn(tick(1.7), tick(1.8))] == [1.7, 1.8]


def test_the_reset_of_a_new_day_comes_before_its_other_messages(stand):
    stand.state()
    stand.turn(tick(1.0))
    stand.ask(type="get_symbol_data_package", symbol="EURUSD")
    stand.turn(after_ms=2000)
    stand.state(timestamp=NOON + DAY, price=1.5, levels=[(7, 1, 1, 0)], ticks=1)
    messages = stand.turn(tick(1.5, NOON + DAY), after_ms=2000)
    assert types(messages)[:4] == ["dailyReset", "symbolDataPackage", "tick", "profileUpdate"]
    assert messages[0] == {
        "type": "dailyReset",
        "symbols": ["EURUSD"],
        "timestamp": (NOON + DAY) // DAY * DAY,
        "symbol": "system",
    }
    assert messages[1]["todaysOpen"] == 1.5
    assert "dailyReset" not in types(stand.turn(tick(1.6, NOON + DAY)))


def test_the_error_of_an_unknown_symbol_names_it(stand):
    (refusal,) = stand.ask(type="get_symbol_data_package", symbol="XYZ", source="tradingview")
    assert (refusal["code"], refusal["symbol"], refusal["source"]) == ("SYMBOL_NOT_FOUND", "XYZ", "tradingview")
    (history,) = stand.ask(type="getHistoricalCandles", symbol="XYZ", resolution="1m", **{"from": 1, "to": 2})
    assert history["bars"] == []
    assert history["error"].startswith("SYMBOL_NOT_FOUND")


def test_all_symbols_of_a_legacy_subscribe_are_subscribed_to(stand):
    assert [message["symbol"] for message in stand.ask(type="subscribe", symbols=["AAA", "BBB"])] == ["AAA", "BBB"]


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


def test_a_client_gets_a_status_when_the_broker_goes_down_and_up(stand):
    stand.turn()
    stand.turn_cache.broker_up = False
    assert [json.loads(message)["type"] for message in stand.session.updates(stand.now_ms)] == ["status"]
    stand.turn_cache.broker_up = True
    assert [json.loads(message)["type"] for message in stand.session.updates(stand.now_ms)] == ["status", "ready"]

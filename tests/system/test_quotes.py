"""The quotes of a gateway from a real broker: begun and ended, over restarts, and with odd and malformed ticks."""

import json
import math
import shutil
import time

import pytest
import structlog
from local_bus import LocalBus
from unnumbered_feed import UnnumberedFeed
from waiting import eventually

from hulak import Feed
from hulak.clients.gateway.fanout import ClientState, Fanout
from hulak.clients.gateway.interest import Interest
from hulak.clients.gateway.quote_source import QuoteSource
from hulak.clients.gateway.quotes import COLUMNS
from hulak.clients.gateway.state_cache import StateCache

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
LIMIT_S = 60
PRICE, TICKS = COLUMNS.index("price"), COLUMNS.index("ticks")


@pytest.fixture
def bus():
    with LocalBus() as bus:
        bus.broker = bus.start_broker()
        yield bus


class Table:
    """The quotes that a client of the gateway has, and the source that it wants."""

    def __init__(self, bus):
        self.source = QuoteSource(bus.settings, bus.home, StateCache(), structlog.get_logger())
        self.fanout = Fanout(self.source.cache)
        self.client = ClientState(interest=Interest(quotes=True))
        self.rows = {}

    def turn(self):
        """Act as the loop of the gateway does."""
        self.source.request(True)
        self.source.drain(time.monotonic())
        self.fanout.begin(1.0)
        if (frame := self.fanout.serve(self.client)) is not None:
            self.rows.update({row[0]: row for row in json.loads(frame, parse_constant=pytest.fail)["quotes"]})

    def until(self, **prices):
        def are_there():
            self.turn()
            return all(symbol in self.rows and self.rows[symbol][PRICE] == price for symbol, price in prices.items())

        eventually(are_there, within_s=LIMIT_S)


@pytest.fixture
def table(bus):
    table = Table(bus)
    yield table
    table.source.close()


def test_quotes_begin_with_the_last_values_end_at_once_and_begin_once_more(bus, table):
    with Feed("v", settings=bus.settings, home=bus.home, timeout_s=LIMIT_S) as feed:
        for symbol in ("A", "B"):
            feed.post(symbol, 1.0, 1.0)
        feed.flush()
        table.until(A=1.0, B=1.0)
        feed.post("A", 2.0, 2.0)
        table.until(A=2.0, B=1.0)
        assert table.rows["A"][TICKS] == 2
        table.source.request(False)
        assert not table.source.cache.quotes
        assert not table.source.sockets()
        feed.post("A", 3.0, 3.0)
        feed.flush()
        table.client, table.rows = ClientState(interest=Interest(quotes=True)), {}
        table.until(A=3.0, B=1.0)
        assert table.rows["A"][TICKS] == 1


@pytest.mark.parametrize("is_new_epoch", [False, True])
def test_quotes_go_on_after_a_restart_of_the_broker(bus, table, is_new_epoch):
    with Feed("v", settings=bus.settings, home=bus.home, timeout_s=LIMIT_S) as feed:
        for price in range(1, 6):
            feed.post("A", float(price), float(price))
        feed.flush()
        table.until(A=5.0)
        bus.broker.kill()
        bus.broker.wait(30)
        table.turn()
        if is_new_epoch:
            shutil.rmtree(bus.home / "journal")
        bus.start_broker()
        feed.post("A", 7.0, 7.0)
        feed.post("C", 8.0, 8.0)
        table.until(A=7.0, C=8.0)
        assert table.rows["A"][TICKS] >= 2


def test_quotes_begin_when_a_broker_that_was_missing_is_there(bus, table):
    bus.broker.kill()
    bus.broker.wait(30)
    shutil.rmtree(bus.home / "journal")
    table.turn()
    bus.start_broker()
    with Feed("v", settings=bus.settings, home=bus.home, timeout_s=LIMIT_S) as feed:
        feed.post("A", 1.0, 1.0)
        table.until(A=1.0)


def test_malformed_ticks_are_counted_and_odd_ones_cost_no_other_symbol(bus, table):
    now_ms = time.time_ns() // 1_000_000
    odd = {
        "M_26_M": {"bid": 1e308, "ask": 1.7e308},  # the middle is no number
        "kraken.BTCUSD": {"bid": -5e-324, "ask": 5e-324},
        "NAN": {"bid": math.nan, "ask": math.inf},
        "GREAT": {"bid": 2**63, "ask": -(2**63), "last": 2**64 - 1, "volume": math.nan, "open": "x", "received_ns": -1},
        "EARLY": {"bid": 1.0, "ask": 1.0, "timestamp": 0},
    }
    malformed = {"TEXT": {"bid": "1.0", "ask": 1.0}, "NOTIME": {"timestamp": None}, "LIST": {"bid": [], "ask": {}}}

    def good(symbol, price):
        return {"symbol": symbol, "bid": price, "ask": price, "timestamp": now_ms, "source": "x"}

    with UnnumberedFeed(bus) as feed:
        for price in (1.0, 2.0):  # the second one arrives by the subscription: the last values alone have one tick of a symbol
            feed.post_body("FIRST", good("FIRST", price))
            table.until(FIRST=price)
        for number in range(3):
            for symbol, body in {**odd, **malformed}.items():
                whole = {"symbol": symbol, "bid": 1.0, "ask": 1.0, "timestamp": now_ms + number * 1000, "source": "x", **body}
                feed.post_body(symbol, {key: value for key, value in whole.items() if value is not None})
        feed.post_body("LAST", good("LAST", 1.0))
        table.until(LAST=1.0)
    assert table.rows.keys() >= odd.keys() - {"NAN"}
    assert not table.rows.keys() & malformed.keys()
    assert table.source.cache.malformed >= 3 * len(malformed)
    assert table.rows["GREAT"][PRICE] == float(2**64 - 1)

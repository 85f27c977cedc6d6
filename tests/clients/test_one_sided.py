"""A tick with one side, or with none, at each of its readers: none of them breaks, and none makes a price up."""

import json

import pytest

from hulak.bus.subscriber.events import Event
from hulak.bus.wire.codec import array_header, decode_tick, decode_ticks, pack_tick
from hulak.bus.wire.messages import Stamp, Tick
from hulak.clients.cli.live_model import LiveModel
from hulak.clients.cli.live_view import price
from hulak.clients.cli.sub import as_json, as_text
from hulak.clients.gateway import journal_reads, state_cache
from hulak.clients.gateway.fx import protocol, turn_cache
from hulak.clients.gateway.fx.candles import bars_of

NOW_MS = 1_701_234_567_890
BID, ASK = Tick("X", 1.5, None, NOW_MS, "x", ("one-sided",)), Tick("X", None, 2.5, NOW_MS, "x", ("one-sided",))
EMPTY = Tick("X", None, None, NOW_MS, "x", ("empty",))
TICKS = (BID, ASK, EMPTY)


def test_it_is_packed_and_read_as_it_is():
    assert [decode_tick(pack_tick(tick)) for tick in TICKS] == list(TICKS)
    assert decode_ticks(array_header(3) + b"".join(map(pack_tick, TICKS))) == list(TICKS)


def test_the_command_line_writes_null():
    event = Event("tick.X", Stamp(1, 1, NOW_MS * 10**6), pack_tick(BID))
    assert " bid=1.5 ask=null " in as_text(event)
    assert json.loads(as_json(event))["ask"] is None


def test_the_overview_shows_what_there_is():
    shown = LiveModel(0.0)
    for tick in (Tick("X", 1.0, 2.0, NOW_MS, "x"), BID, ASK, EMPTY, Tick("X", -2.0, -1.0, NOW_MS, "x")):
        shown.add_tick({"symbol": "X", "bid": tick.bid, "ask": tick.ask}, 1.0, 0.0)
    (row,) = shown.snapshot(0.0).prices
    assert (row.bid, row.ask, row.ticks, row.moved) == (-2.0, -1.0, 5, 0)
    assert [price(value, 3) for value in (None, -37.63, -1000.5)] == ["-", "-37.630", "-1000.500"]


@pytest.mark.parametrize("tick", TICKS)
def test_browsers_get_null(tick):
    name, _, text = state_cache._tick_json(tick).partition(b":")
    assert (name, json.loads(text)) == (b'"X"', {"bid": tick.bid, "ask": tick.ask, "timestamp": NOW_MS})


def test_front_ends_of_the_fx_backend_get_the_side_there_is_and_its_price():
    message = json.loads(protocol.tick(BID, "ctrader", 5, NOW_MS))
    assert (message["bid"], message["price"], "ask" in message) == (1.5, 1.5, False)
    message = json.loads(protocol.tick(ASK, "tradingview", 5, NOW_MS))
    assert message["price"] == 2.5


def test_the_turn_cache_of_the_fx_gateway_makes_no_bars_without_a_bid_and_sends_no_one_sided_tick():
    figures = turn_cache.TurnCache(state_cache.StateCache(), lambda: NOW_MS)
    candles = figures.follow(("X", "1m"))
    figures.cache.take_ticks(TICKS)
    figures.begin(TICKS, 0, NOW_MS, broker_up=True)
    assert (candles.bar.close, candles.bar.volume) == (1.5, 1)
    assert [json.loads(tick).get("bid") for tick in figures.ticks("X", "ctrader", 0)] == [1.5, None]


def test_bars_of_the_past_are_made_of_bids():
    assert bars_of("D", journal_reads._bids(TICKS), 1)[0].volume == 1

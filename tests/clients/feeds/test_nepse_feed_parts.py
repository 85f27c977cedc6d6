"""The parts of the NEPSE feed: rows as ticks and trades, the lag of the tables, the hours of the exchange."""

from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec import to_builtins

from hulak.bus.errors import FeedError
from hulak.clients.feeds.nepse.floor_sheet import FloorSheet, trade_of
from hulak.clients.feeds.nepse.market_clock import NEPAL, MarketClock, Phase, moment_s
from hulak.clients.feeds.nepse.posted_ticks import PostedTicks
from hulak.clients.feeds.nepse.rows import book_tick, closing_tick, index_tick, live_tick, symbol_of, time_ms
from hulak.clients.feeds.nepse.snapshot_lock import SnapshotLock

FRIDAY = date(2026, 4, 24)
LIVE = {
    "symbol": "NICAD85/86",
    "lastTradedPrice": 1043.2,
    "totalTradeQuantity": 50,
    "openPrice": 1040,
    "highPrice": 1045.5,
    "lowPrice": None,
    "previousClose": 1041.0,
    "lastUpdatedDateTime": "2026-04-24 14:59:59.5",
}


def at(hour, minute=0, second=0, day=FRIDAY):
    return moment_s(day, hour * 3600 + minute * 60 + second)


def body(tick):
    return {name: getattr(tick, name) for name in tick.__struct_fields__}


def test_a_row_becomes_a_tick_with_a_flag_for_its_kind_of_price():
    tick = live_tick(LIVE)
    assert (tick.symbol, tick.name, tick.bid, tick.ask, tick.last, tick.flags) == (
        "NICAD85-86",
        "NICAD85/86",
        1043.2,
        1043.2,
        1043.2,
        ("last",),
    )
    assert (tick.volume, tick.open, tick.high, tick.low, tick.previous_close) == (50, 1040.0, 1045.5, None, 1041.0)
    assert tick.timestamp == int(datetime(2026, 4, 24, 9, 14, 59, 500_000, tzinfo=UTC).timestamp() * 1000)
    assert symbol_of("NICAD8586") != symbol_of("NICAD85/86")


@pytest.mark.parametrize("text", ["2026-04-24T12:22:25.746796", "2026-04-24 12:22:25.7467961", "2026-04-24T12:22:25.7"])
def test_times_are_those_of_nepal_with_any_fraction(text):
    assert time_ms(text) // 1000 == int((datetime(2026, 4, 24, 12, 22, 25, tzinfo=UTC) - NEPAL).timestamp())


@pytest.mark.parametrize("text", [None, 7, "", "2026-04-24", "12:22", "2026-04-24T12:22:25+05:45"])
def test_other_times_are_refused_or_a_midnight(text):
    if text == "2026-04-24":
        assert time_ms(text) == int(moment_s(FRIDAY, 0) * 1000)
    else:
        with pytest.raises(Exception, match="must be a time such as"):
            time_ms(text)


SHEET_ROW = {
    "contractId": 2026042404016483,
    "stockSymbol": "NICAD85/86",
    "buyerMemberId": "57",
    "sellerMemberId": None,
    "contractQuantity": 190,
    "contractRate": 1043.2,
    "tradeTime": "2026-04-24T14:59:59.952437",
}


def test_a_row_of_the_floor_sheet_becomes_a_trade_with_exact_values():
    trade = to_builtins(trade_of(SHEET_ROW))
    at_us = int(at(14, 59, 59)) * 1_000_000 + 952_437
    assert trade == {
        "security": "NICAD85-86",
        "price": 1043.2,
        "quantity": 190,
        "timestamp": at_us // 1000,
        "time_us": at_us,
        "contract": 2026042404016483,
        "source": "nepse",
        "buyer": "57",
        "name": "NICAD85/86",
    }


@pytest.mark.parametrize("key", ["contractId", "stockSymbol", "contractQuantity", "contractRate", "tradeTime"])
@pytest.mark.parametrize("value", [None, "x/", True, -1, 0, float("nan"), []])
def test_a_row_of_the_floor_sheet_without_a_usable_value_is_refused(key, value):
    if (key, value) != ("stockSymbol", "x/"):
        with pytest.raises(FeedError):
            trade_of(SHEET_ROW | {key: value})


@pytest.mark.parametrize(("key", "value"), [("contractId", 2**63), ("contractQuantity", 1e300), ("contractRate", 10**400)])
def test_a_number_that_no_body_can_hold_is_refused(key, value):
    with pytest.raises(FeedError, match=key):
        trade_of(SHEET_ROW | {key: value})
    assert live_tick(LIVE | {"totalTradeQuantity": value, "previousClose": 10**400}).previous_close is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "1970-01-02T00:00:00", "2100-01-01T06:00:00", "9999-12-31T23:59:59.9"])
def test_a_time_that_the_broker_would_refuse_is_refused_here(text):
    with pytest.raises(FeedError, match="must be from 1990 to 2100"):
        time_ms(text)


def test_a_contract_of_a_day_to_come_does_not_make_the_others_new_again():
    rows = [SHEET_ROW | {"contractId": number} for number in (9999123101000001, 2026042404000002, 2026042404000001)]
    sheet, page = FloorSheet(), [trade_of(row) for row in rows]
    assert len(sheet.add(page, is_last=True)) == 3
    newer = trade_of(SHEET_ROW | {"contractId": 2026042404000003})
    assert sheet.add([page[0], newer, *page[1:]], is_last=False) == [newer]
    assert sheet.add([page[0], newer, *page[1:]], is_last=False) == []


def test_contracts_of_the_parts_of_the_exchange_are_counted_apart():
    def page(*numbers):
        return [trade_of(SHEET_ROW | {"contractId": 20260424_00000000 + number}) for number in numbers]

    sheet = FloorSheet()
    sheet.recall([{"source": "nepse", "contract": 20260424_05_000014}, {"source": "nepse", "contract": 20260424_04_000009}, 7])
    assert sheet.add(page(4_000_011, 5_000_015, 4_000_010), is_last=False) is None  # a number is lower in part 4
    assert sheet.page == 1
    new = sheet.add(page(4_000_010, 5_000_014, 4_000_009), is_last=False)
    assert [trade.contract - 20260424_00000000 for trade in new] == [4_000_010, 4_000_011, 5_000_015]
    assert sheet.page == 0
    assert sheet.add(page(4_000_011, 5_000_015), is_last=False) == []
    assert sheet.add([], is_last=True) == []


def test_an_index_has_its_own_symbol_and_time_and_an_unknown_one_is_refused():
    row = {
        "id": 58,
        "currentValue": 2713.92,
        "close": 2700.0,
        "high": 2720.0,
        "low": 2690.5,
        "generatedTime": "2026-04-24T12:00:00",
    }
    tick = index_tick(row, 5)
    assert (tick.symbol, tick.bid, tick.previous_close, tick.timestamp) == ("NEPSE", 2713.92, 2700.0, int(at(12) * 1000))
    assert index_tick({"id": 51, "currentValue": 1.0}, 5).timestamp == 5
    with pytest.raises(Exception, match="known are 51 to 67"):
        index_tick({"id": 99, "currentValue": 1.0}, 5)


@pytest.mark.parametrize(
    "depth", [None, {}, {"marketDepth": None}, {"marketDepth": {"buyMarketDepthList": [], "sellMarketDepthList": 7}}]
)
def test_without_a_book_a_tick_keeps_its_last_price(depth):
    tick = live_tick(LIVE)
    assert book_tick(tick, depth, 5) is tick


def test_a_book_with_one_side_has_one_price():
    depth = {"marketDepth": {"buyMarketDepthList": [{"orderBookOrderPrice": 10}], "sellMarketDepthList": []}}
    tick = book_tick(live_tick(LIVE), depth, 5)
    assert (tick.bid, tick.ask, tick.last, tick.timestamp) == (10.0, None, 1043.2, 5)


def test_after_the_close_a_tick_has_the_time_of_the_close():
    tick = closing_tick({"symbol": "NABIL", "lastTradedPrice": 500, "totalTradeQuantity": 7, "previousClose": 499}, 5)
    assert (tick.last, tick.volume, tick.timestamp, tick.previous_close) == (500.0, 7, 5, 499.0)


def test_a_tick_is_new_if_a_price_or_the_volume_differs():
    posted, tick = PostedTicks(), live_tick(LIVE)
    assert posted.is_new(tick)
    assert not posted.is_new(live_tick(LIVE))
    assert posted.is_new(live_tick(LIVE | {"totalTradeQuantity": 60}))
    again = PostedTicks()
    again.recall([body(tick) | {"symbol": "np.NICAD85-86"}])
    assert not again.is_new(tick)


def test_the_lag_of_the_snapshots_is_found_and_kept():
    lock, lags = SnapshotLock(), []
    lock.begin(0.0)
    for minute in range(1, 30):
        while True:
            now_s = lock.due_s
            changed = now_s >= minute * 60 + 41.0
            lock.answered(now_s, changed=changed)
            if changed:
                lags.append(now_s - minute * 60 - 41.0)
                break
    assert max(lags[3:]) <= 3.0
    assert min(lags) >= 0.0


def test_a_minute_without_a_trade_is_given_up_after_some_questions():
    lock = SnapshotLock()
    lock.begin(30.0)
    asked = []
    for _ in range(20):
        asked.append(lock.due_s)
        lock.answered(lock.due_s, changed=False)
    assert asked[1] == 60.0 + 30.0
    assert asked[8] - asked[1] == 7 * 2.5
    assert asked[9] - asked[1] == 60.0


def test_the_next_opening_is_expected_on_a_day_of_the_last_weeks_that_is_no_holiday():
    clock = MarketClock()
    assert clock.next_opening_s(at(16)) is None
    clock.learn(FRIDAY - timedelta(days=days) for days in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 100))
    clock.holidays = frozenset({date(2026, 4, 27)})
    assert clock.next_opening_s(at(16)) == at(11, day=date(2026, 4, 28))
    assert clock.next_opening_s(at(10)) == at(11)


def test_a_session_that_is_closed_before_its_hour_is_asked_for_again_until_then():
    clock = MarketClock()
    clock.answered("OPEN", at(11, 0, 5))
    clock.answered("CLOSE", at(12))
    assert clock.due_s == at(12) + 300
    clock.answered("Halted", at(14, 58))
    assert (clock.phase, clock.due_s) == (Phase.CLOSED, at(15, 0, 5))
    clock.answered("CLOSE", at(15, 0, 5))
    assert clock.due_s == at(10, 30, 5, day=FRIDAY + timedelta(1))
    clock.answered("CLOSE", at(12, day=FRIDAY + timedelta(1)))
    assert clock.due_s == at(10, 30, 5, day=FRIDAY + timedelta(2)), "a day without a session"


def test_an_unknown_state_counts_as_closed():
    clock = MarketClock()
    clock.answered("Half Open", at(12))
    assert clock.phase is Phase.CLOSED
    assert not clock.trades

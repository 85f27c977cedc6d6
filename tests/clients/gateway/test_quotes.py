"""The day of each symbol, with plain numbers for time."""

import math

import pytest

from hulak.clients.gateway.quotes import COLUMNS, DAY_MS, Quotes, WideTick

DAY = 20_000 * DAY_MS
NOON = DAY + DAY_MS // 2


def tick(bid, ask, at=NOON, symbol="EURUSD", **more):
    return WideTick(symbol, bid, ask, at, "test", **more)


def take(quotes, each, stamped=NOON + DAY_MS):
    quotes.take(each, stamped * 1_000_000)


def rows_of(quotes):
    return {symbol: dict(zip(COLUMNS, row, strict=True)) for symbol, row in quotes.changed().items()}


def taken(*ticks, stamped=NOON + DAY_MS):
    quotes = Quotes()
    for each in ticks:
        take(quotes, each, stamped)
    return rows_of(quotes)["EURUSD"]


def test_the_price_is_the_middle_and_the_day_has_its_range_since_the_first_tick():
    row = taken(tick(1.1, 1.2), tick(1.0, 1.1, NOON + 1), tick(1.3, 1.4, NOON + 2, received_ns=NOON * 1_000_000 + 500_000))
    assert [row[name] for name in ("price", "open", "high", "low")] == pytest.approx([1.35, 1.15, 1.35, 1.05])
    assert [row[name] for name in ("bid", "ask", "ticks", "digits", "since_ms")] == [1.3, 1.4, 3, 5, NOON]
    assert (row["timestamp"], row["received_ms"], row["previous_close"], row["volume"]) == (NOON + 2, NOON + 0.5, None, None)


def test_a_side_that_is_empty_is_left_out_and_without_any_price_the_last_one_stays():
    row = taken(tick(1.1, None), tick(None, None, NOON + 1))
    assert [row[name] for name in ("price", "bid", "ask", "ticks")] == [1.1, None, None, 2]


def test_an_exchange_knows_its_own_day():
    own = {"last": 500.0, "volume": 1200, "open": 490, "high": 510.5, "low": 480.0, "previous_close": 495.0}
    quotes = Quotes()
    take(quotes, WideTick("NABIL", 499.0, 501.0, NOON, "nepse", **own))
    row = rows_of(quotes)["NABIL"]
    assert [row[name] for name in ("price", "volume", "open", "high", "low")] == [500.0, 1200.0, 490.0, 510.5, 480.0]
    assert [row[name] for name in ("previous_close", "digits", "since_ms")] == [495.0, 2, 0]


@pytest.mark.parametrize("value", ["12", math.nan, math.inf, True, [], {}])
def test_a_further_key_that_is_no_finite_number_is_left_out(value):
    row = taken(tick(1.0, 1.0, last=value, volume=value, open=value, high=value, low=value, previous_close=value))
    assert (row["price"], row["volume"], row["open"], row["previous_close"]) == (1.0, None, 1.0, None)


def test_at_midnight_the_last_price_is_the_previous_close_and_the_whole_day_is_known():
    row = taken(tick(1.0, 1.2), tick(1.4, 1.6, DAY + DAY_MS))
    assert (row["previous_close"], row["open"], row["high"], row["ticks"], row["since_ms"]) == (1.1, 1.5, 1.5, 1, 0)


def test_a_late_tick_of_the_day_before_changes_no_range():
    row = taken(tick(1.0, 1.0), tick(9.0, 9.0, DAY - 1))
    assert (row["open"], row["high"], row["ticks"]) == (1.0, 1.0, 1)


@pytest.mark.parametrize("bar_first", [True, False])
def test_a_bar_of_today_has_the_open_and_the_range_before_the_first_tick(bar_first):
    quotes = Quotes()
    steps = [lambda: quotes.take_bar("EURUSD", DAY, [0.9, 1.5, 0.8, 1.0]), lambda: take(quotes, tick(1.6, 1.6))]
    for step in steps if bar_first else reversed(steps):
        step()
    row = rows_of(quotes)["EURUSD"]
    assert [row[name] for name in ("open", "high", "low", "since_ms")] == [0.9, 1.6, 0.8, 0]


def test_a_bar_of_an_earlier_day_has_the_previous_close_and_a_bar_without_prices_has_nothing():
    quotes = Quotes()
    take(quotes, tick(1.6, 1.6))
    quotes.take_bar("EURUSD", DAY, [None, None, None, None])
    quotes.take_bar("EURUSD", DAY - DAY_MS, [0.9, 1.5, 0.8, 1.0])
    row = rows_of(quotes)["EURUSD"]
    assert (row["previous_close"], row["open"], row["since_ms"]) == (1.0, 1.6, NOON)


def test_the_volatility_is_that_of_moves_a_second_apart_and_decays():
    steady = taken(*(tick(price := 100 * 1.001 ** (n % 2), price, NOON + 1000 * n) for n in range(3000)))
    move = math.log(1.001)
    weights = 1 / (1 - math.exp(-1 / 300))
    assert steady["volatility"] == pytest.approx(100 * math.sqrt(move * move * weights * 12), rel=1e-3)
    assert taken(tick(1.0, 1.0), tick(2.0, 2.0, NOON + 999))["volatility"] is None
    assert taken(tick(1.0, 1.0), tick(-1.0, -1.0, NOON + 5000))["volatility"] is None
    assert taken(tick(1.0, 1.0), tick(1.1, 1.1, NOON - 5000), tick(1.1, 1.1, NOON - 1000))["volatility"] is None


def test_only_symbols_that_changed_are_returned_each_once():
    quotes = Quotes()
    for symbol in ("A", "B", "A"):
        take(quotes, tick(1.0, 1.0, symbol=symbol))
    assert quotes.pending
    assert [*rows_of(quotes)] == ["A", "B"]
    assert not quotes.pending
    take(quotes, tick(2.0, 2.0, symbol="B"))
    assert [*rows_of(quotes)] == ["B"]
    quotes.clear()
    assert not quotes.by_symbol


@pytest.mark.parametrize("received", [0, NOON * 1_000_000, NOON, -1, 2**62])  # also by a clock in another unit
def test_a_tick_of_the_far_future_does_not_begin_a_day(received):
    far, near = (NOON + days * DAY_MS for days in (70 * 365, 1))
    ticks = tick(1.0, 1.0), *(tick(2.0, 2.0, at, received_ns=received) for at in (far, near)), tick(3.0, 3.0, NOON + 5)
    row = taken(*ticks, stamped=NOON)
    assert [row[name] for name in ("open", "high", "ticks", "previous_close", "since_ms")] == [1.0, 3.0, 4, None, NOON]


def test_a_first_tick_of_the_far_future_does_not_either():
    row = taken(tick(2.0, 2.0, NOON + 70 * 365 * DAY_MS), tick(3.0, 3.0, NOON + 5), stamped=NOON)
    assert [row[name] for name in ("open", "price", "ticks", "since_ms")] == [2.0, 3.0, 2, NOON]


def test_the_source_is_that_of_the_newest_tick():
    later = WideTick("EURUSD", 1.0, 1.0, NOON, "other")
    assert (taken(tick(1.0, 1.0))["source"], taken(tick(1.0, 1.0), later)["source"]) == ("test", "other")


def test_prices_whose_ratio_is_no_number_have_a_volatility_nevertheless():
    quotes = Quotes()
    for second, price in enumerate((1e307, 5e-324, 1e307)):
        take(quotes, tick(price, price, NOON + second * 1000))
    assert math.isfinite(rows_of(quotes)["EURUSD"]["volatility"])


def test_a_bar_whose_start_is_no_time_costs_no_tick():
    quotes = Quotes()
    quotes.take_bar("EURUSD", "now", [1.0, 1.0, 1.0, 1.0])
    take(quotes, tick(1.1, 1.1))
    assert rows_of(quotes)["EURUSD"]["open"] == 1.1

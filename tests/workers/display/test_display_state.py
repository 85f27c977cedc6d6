"""The state of a display: a function of its ticks, unchanged by snapshots in between, over several days."""

import random

import fx_reference as fx
import msgpack
import pytest

from hulak.bus.errors import ConfigError
from hulak.workers.display.quantities.adr import Bar
from hulak.workers.display.quantities.display_config import PERCENTAGE, DisplayConfig
from hulak.workers.display.quantities.state import DisplayState, Init

DAY, HOUR = 86_400_000, 3_600_000
NAMES = {1: "up", -1: "down", 0: "neutral"}
PERCENT = DisplayConfig(distribution_depth_mode=PERCENTAGE, distribution_percentage=40)


def display(config=None, **known):
    return DisplayState("EURUSD", Init("EURUSD", **known), config or DisplayConfig())


def walk(count, seed=1, start=1000, step_ms=70, span=60):
    """Make ticks (bid, ask, at_ms, timestamp) of a price that wanders within `span` pipettes, some of them flat, some late."""
    rnd, pipettes, at, ticks = random.Random(seed), 108_500, start, []
    for _ in range(count):
        pipettes += rnd.choice([-3, -2, -1, 0, 0, 0, 1, 2, 3])
        pipettes += (108_500 - span > pipettes) * 5 - (108_500 + span < pipettes) * 5
        at += rnd.randrange(2 * step_ms)
        ticks.append((pipettes / 100_000, (pipettes + rnd.randrange(-1, 9)) / 100_000, at, at - rnd.choice([0, 0, 0, 500])))
    return ticks


def folded(state, ticks):
    for tick in ticks:
        state.fold(*tick)
    return state


@pytest.mark.parametrize(
    "config", [DisplayConfig(), PERCENT, DisplayConfig(price_bucket_multiplier=2.5, volatility_smoothing=0.5)]
)
def test_the_state_is_what_all_ticks_together_make_it(config):
    ticks = walk(1500)
    state, entries = display(config), []
    ways = fx.directions([tick[0] for tick in ticks])
    for number, tick in enumerate(ticks):
        state.fold(*tick)
        entries.append((tick[0], ways[number], 1))
        if number % 97 and number != 1499:
            continue
        snapshot = state.snapshot()
        bids = [earlier[0] for earlier in ticks[: number + 1]]
        assert (snapshot["price"], snapshot["bid"], snapshot["ask"]) == (tick[0], tick[0], tick[1])
        assert (snapshot["open"], snapshot["high"], snapshot["low"]) == (bids[0], max(bids), min(bids))
        assert (snapshot["ticks"], snapshot["direction"]) == (number + 1, NAMES[ways[number]])
        score, intensity = fx.volatility(
            [(earlier[0], earlier[2]) for earlier in ticks[: number + 1]], 5, config.volatility_smoothing
        )
        assert (snapshot["volatility"], snapshot["volatility_intensity"]) == (score, intensity)
        assert snapshot["twap"] == pytest.approx(
            fx.twap([(earlier[0], earlier[3]) for earlier in ticks[: number + 1]]), rel=1e-12
        )
        share = config.distribution_percentage if config.distribution_depth_mode == PERCENTAGE else None
        rows = fx.levels(fx.newest(entries, share), 5, config.price_bucket_multiplier)
        assert snapshot["profile"]["levels"] == rows
        assert snapshot["profile"]["ticks"] == sum(row[1] for row in rows)
        bucket = snapshot["profile"]["bucket"]
        best = max(rows, key=lambda row: (row[1], -row[0]))
        low, high = fx.area(rows, config.value_area)
        assert snapshot["poc"] == pytest.approx(best[0] * bucket, rel=1e-12)
        assert snapshot["value_area"] == {"high": pytest.approx(high * bucket), "low": pytest.approx(low * bucket)}
        assert not snapshot["profile"]["trimmed"]


def test_the_same_ticks_give_the_same_state_whatever_was_asked_in_between():
    ticks = walk(3000, start=DAY - 100_000)  # over midnight
    plain, asked = display(PERCENT), display(PERCENT)
    for number, tick in enumerate(ticks):
        plain.fold(*tick)
        asked.fold(*tick)
        if number % 7 == 0:
            asked.snapshot()
        if number % 11 == 0:
            asked.configure(DisplayConfig.from_values({"distribution_depth_mode": "percentage", "distribution_percentage": 40}))
    assert msgpack.packb(plain.snapshot()) == msgpack.packb(asked.snapshot())


def test_a_snapshot_stays_as_it_was():
    state = folded(display(), walk(200))
    snapshot = state.snapshot()
    before = msgpack.packb(snapshot)
    folded(state, walk(200, seed=2, start=20_000))
    assert msgpack.packb(snapshot) == before


LATE = [DisplayConfig(), PERCENT, DisplayConfig(price_bucket_multiplier=7), DisplayConfig(memory_optimization=False)]


@pytest.mark.parametrize("late", LATE)
def test_a_config_that_comes_late_gives_the_profile_it_would_have_given_from_the_start(late):
    ticks = walk(2000)
    state = folded(display(DisplayConfig(price_bucket_multiplier=3)), ticks[:1200])
    state.configure(late)
    assert folded(state, ticks[1200:]).snapshot()["profile"] == folded(display(late), ticks).snapshot()["profile"]


def test_config_alone_moves_nothing_but_the_profile():
    state = folded(display(), walk(500))
    before = state.snapshot()
    for number in range(20):
        state.configure(DisplayConfig(price_bucket_multiplier=2 + number, volatility_smoothing=0.5))
    after = state.snapshot()
    assert before["volatility"] == after["volatility"]
    assert before["profile"] != after["profile"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_bucket_multiplier": 0},
        {"price_bucket_multiplier": "2"},
        {"distribution_depth_mode": "some"},
        {"distribution_percentage": 0.5},
        {"volatility_smoothing": 1.0},
        {"value_area": float("nan")},
        {"adr_lookback_days": 2.5},
        {"show_flash": 1},
        {"states_per_s": True},
    ],
)
def test_a_config_value_out_of_its_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        DisplayConfig.from_values(wrong)


def test_keys_of_others_are_left_alone_and_missing_ones_are_default():
    assert DisplayConfig.from_values({"log_level": "debug", "value_area": 0.5}) == DisplayConfig(value_area=0.5)


def test_a_tick_without_a_bid_changes_nothing():
    state = folded(display(), walk(100))
    before = state.snapshot()
    for bid in (None, 0.0, float("nan"), float("inf"), 1e300):
        state.fold(bid, 1.1, 999_999, 999_999)
    assert state.snapshot() == {**before, "left_out": {"source": 0, "price": 5, "ahead": 0, "late": 0}}


def test_a_tick_without_an_ask_has_no_spread_but_a_price():
    state = display()
    state.fold(1.1, 0.0, 0, 0)
    snapshot = state.snapshot()
    assert (snapshot["price"], snapshot["bid"], snapshot["ask"], snapshot["mid"], snapshot["spread"]) == (
        1.1,
        1.1,
        None,
        None,
        None,
    )


def test_crossed_quotes_are_taken_as_they_are():
    state = display()
    state.fold(1.1002, 1.1001, 0, 0)
    assert (state.snapshot()["spread"], state.snapshot()["mid"]) == (-0.0001, (1.1002 + 1.1001) / 2)


def test_a_move_over_the_threshold_flashes_if_that_is_wanted():
    still, shown = display(), display(DisplayConfig(show_flash=True))
    for state in (still, shown):
        state.fold(1.08541, 1.0855, 0, 0)
        state.fold(1.08555, 1.0856, 100, 100)  # 1.4 pips
        assert state.snapshot()["flash"] is None
        state.fold(1.08540, 1.0855, 200, 200)  # 1.5 pips
    assert still.snapshot()["flash"] is None
    assert shown.snapshot()["flash"] == {"magnitude": 1.5, "direction": "down", "id": 200}


# Days


def test_a_new_day_resets_everything_except_the_daily_ranges():
    state = display()
    for hour, bid in enumerate([1.10, 1.11, 1.08, 1.09] * 6):
        state.fold(bid, bid + 0.0001, hour * HOUR, hour * HOUR)
    assert state.snapshot()["adr_source"] == "day"
    state.fold(1.2, 1.2001, DAY, DAY)
    snapshot = state.snapshot()
    assert (snapshot["open"], snapshot["high"], snapshot["low"], snapshot["ticks"], snapshot["twap"]) == (1.2, 1.2, 1.2, 1, 1.2)
    assert (snapshot["direction"], snapshot["profile"]["ticks"], snapshot["deflection"]["at"]) == ("neutral", 1, 0)
    assert (snapshot["adr_high"], snapshot["adr_low"]) == (pytest.approx(1.2 + 0.015), pytest.approx(1.2 - 0.015))
    assert (snapshot["adr_source"], snapshot["adr_days"]) == ("days", 1)


def test_a_tick_of_a_day_before_is_left_out_and_one_of_the_same_day_is_not():
    state = display()
    for price, at in ((1.1, DAY + 5), (1.3, DAY - 5), (9.0, 5), (1.2, DAY + 4)):
        state.fold(price, 1.2, at, at)
    snapshot = state.snapshot()
    assert (snapshot["ticks"], snapshot["timestamp"], snapshot["high"], snapshot["price"]) == (2, DAY + 5, 1.2, 1.2)
    assert snapshot["left_out"] == {"source": 0, "price": 0, "ahead": 0, "late": 2}


def test_a_day_of_which_little_was_seen_is_no_daily_range():
    state = display()
    state.fold(1.1, 1.2, 22 * HOUR, 22 * HOUR)  # a Sunday evening
    state.fold(1.11, 1.2, 23 * HOUR, 23 * HOUR)
    state.fold(1.1, 1.2, DAY, DAY)
    assert state.snapshot()["adr_source"] == "day"


def test_no_more_days_are_kept_than_the_lookback():
    state = display(DisplayConfig(adr_lookback_days=3))
    for day in range(9):
        for hour in (1, 20):
            state.fold(1.1 + hour / 1000 * day, 1.2, day * DAY + hour * HOUR, day * DAY + hour * HOUR)
    assert state.snapshot()["adr_days"] == 3
    assert len(state._ranges.bars) == 3
    assert state.snapshot()["adr_high"] - state.snapshot()["adr_low"] == pytest.approx(0.019 * (5 + 6 + 7) / 3)


def test_a_display_rebuilt_from_its_days_init_and_ticks_is_equal_bit_for_bit():
    """The state after a takeover equals the state before, after three days."""
    config = DisplayConfig(adr_lookback_days=2, show_flash=True, flash_threshold=0.3)
    ticks = [tick for day in range(3) for tick in walk(900, seed=day, start=day * DAY + HOUR, step_ms=60_000)]
    lived = folded(DisplayState("EURUSD", Init.from_values("EURUSD", {"adr": 0.008, "price": 1.07}), config), ticks)
    first = next(number for number, tick in enumerate(ticks) if tick[3] >= 2 * DAY)
    rebuilt = folded(DisplayState("EURUSD", lived.day_init, config), ticks[first:])
    from_before = folded(DisplayState("EURUSD", lived.day_init, config), ticks[first - 50 :])
    assert (lived.snapshot()["adr_source"], lived.snapshot()["adr_days"]) == ("days", 2)
    assert msgpack.packb(rebuilt.snapshot()) == msgpack.packb(lived.snapshot())
    assert msgpack.packb(from_before.snapshot()) == msgpack.packb(lived.snapshot())
    assert rebuilt.day_init == from_before.day_init == lived.day_init


def test_an_init_of_another_day_lends_only_its_daily_ranges():
    known = {"price": 1.3, "open": 1.3, "high": 1.4, "low": 1.2, "adr_high": 1.31, "adr_low": 1.29}
    init = Init.from_values("EURUSD", {**known, "timestamp": DAY + HOUR})
    times = (DAY + 2 * HOUR, 2 * DAY + HOUR)
    same, later = (folded(DisplayState("EURUSD", init, DisplayConfig()), [(1.1, 1.2, at, at)]) for at in times)
    snapshot = same.snapshot()
    assert (snapshot["open"], snapshot["high"], snapshot["low"], snapshot["adr_high"]) == (1.3, 1.4, 1.1, 1.31)
    assert snapshot["direction"] == "down"
    snapshot = later.snapshot()
    assert (snapshot["open"], snapshot["high"], snapshot["low"], snapshot["direction"]) == (1.1, 1.1, 1.1, "neutral")
    assert (snapshot["adr_source"], snapshot["adr_high"]) == ("given", pytest.approx(1.11))


def test_daily_bars_before_today_give_the_average_range():
    bars = tuple(Bar(day * DAY, 1.1 + day / 100, 1.1) for day in range(1, 5))
    state = display(daily_bars=bars)
    state.fold(1.2, 1.3, 4 * DAY + 1, 4 * DAY + 1)
    assert state.snapshot()["adr_days"] == 3
    assert state.snapshot()["adr_high"] == pytest.approx(1.2 + 0.01)


def test_an_init_map_is_read_by_either_set_of_names_and_takes_numbers_only():
    bars = [
        {"open": 1.0, "close": 1.1, "timestamp": 60_000, "volume": 7},
        {"open": "1", "close": 1.1},
        {"open": 1.1, "close": 1.1},
    ]
    package = {"currentPrice": 151.19049, "todaysOpen": "151", "initialMarketProfile": bars, "digits": True}
    init = Init.from_values("USDJPY", package)
    assert (init.digits, init.price, init.open) == (3, 151.19, None)
    assert [bar.volume for bar in init.minute_bars] == [7, 1]
    assert Init.from_values("JP225", {"digits": 0, "price": 38123.5}).price == 38124
    upside_down = Init.from_values("EURUSD", {"adr_high": 1.0, "adr_low": 1.1})
    assert (upside_down.adr_high, upside_down.adr_low, upside_down.adr_width) == (None, None, None)

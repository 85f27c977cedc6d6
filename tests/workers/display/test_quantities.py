"""Each quantity by itself: against recorded values where there are some, else against its definition."""

from fractions import Fraction

import fx_reference as fx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import rows, vectors

from hulak.workers.display.quantities.adr import Bar, DailyRanges, project
from hulak.workers.display.quantities.deflection import Deflection
from hulak.workers.display.quantities.direction import direction
from hulak.workers.display.quantities.extremes import Extremes
from hulak.workers.display.quantities.flash import Flash
from hulak.workers.display.quantities.levels import Levels
from hulak.workers.display.quantities.rounding import rounded, to_fixed, whole_pipettes
from hulak.workers.display.quantities.spread import mid, spread
from hulak.workers.display.quantities.twap import Twap
from hulak.workers.display.quantities.value_area import ValueArea, point_of_control, value_area
from hulak.workers.display.quantities.visual_range import tier
from hulak.workers.display.quantities.volatility import START, Volatility, gain

DAY = 86_400_000
VECTORS = vectors("display_quantities")


def test_rounding_is_javascripts_in_every_recorded_case():
    for case in rows(VECTORS["rounding"]):
        assert rounded(case["value"], case["digits"]) == case["number"]
        if abs(case["value"]) < 1e21:
            assert to_fixed(case["value"], case["digits"]) == case["text"]


@pytest.mark.parametrize("value", [None, "1.1", True, float("nan"), float("inf"), [1]])
def test_what_is_no_price_is_not_rounded(value):
    assert rounded(value, 5) is None


def test_prices_fall_into_their_exact_level_where_floating_point_missed():
    for case in rows(VECTORS["buckets"]):
        digits, multiplier = case["digits"], case["multiplier"]
        levels = Levels(Fraction(str(multiplier)), 10)
        levels.add(whole_pipettes(case["price"] * 10.0**digits), 1, 0, 0)
        exact = fx.exact_index(case["price"], digits, multiplier)
        assert levels.rows[0][0] == exact
        assert case["exact_index"] in {exact, None}
        assert fx.float_index(case["price"], digits, multiplier) == case["float_index"]


@pytest.mark.parametrize(
    ("digits", "first", "last"), [(5, 80_000, 160_000), (3, 80_000, 200_000), (8, 6_700_000_000_000, 6_700_000_050_000)]
)
def test_every_price_is_its_own_number_of_pipettes(digits, first, last):
    assert all(whole_pipettes(number / 10**digits * 10.0**digits) == number for number in range(first, last))
    assert whole_pipettes(-1.5) == -2
    assert whole_pipettes(110005.7) == 110005


def test_an_unchanged_price_goes_no_way():
    assert [direction(1.1, price) for price in (1.2, 1.0, 1.1)] == [1, -1, 0]
    assert direction(None, 1.1) == 0


def test_direction_and_extremes_are_the_ones_recorded_of_the_later_front_end():
    """There, too, an unchanged price is neutral. Its price is the middle of the quote, not the bid: not compared here."""
    names = {1: "up", -1: "down", 0: "neutral"}
    folded = 0
    for case in rows(VECTORS["normalized_ticks"]):
        (before, *extremes), (after, *wanted) = case["before"], case["after"]
        if after is None:  # no price: such a tick is never folded
            continue
        assert names[direction(before, after)] == case["direction"]
        day = Extremes(None, *extremes)
        day.fold(after)
        assert [day.high, day.low] == wanted
        folded += 1
    assert folded == 9


def test_mid_and_spread_need_both_sides_and_a_crossed_spread_is_below_zero():
    assert (mid(1.1, 1.2), mid(None, 1.2), mid(1.1, None)) == (1.15, None, None)
    assert spread(1.1002, 1.1001, 5) == -0.0001
    assert spread(86.655, 86.728, 3) == 0.073
    assert spread(None, 1.1, 5) is None


def test_twap_is_the_mean_of_the_minutes_last_prices():
    twap = Twap()
    assert (twap.value, twap.minutes) == (None, 0)
    for price, timestamp in [(1.0, 0), (3.0, 59_999), (5.0, 60_000), (8.0, 240_000), (7.0, 200_000)]:
        twap.fold(price, timestamp)
    assert (twap.value, twap.minutes) == (
        (3.0 + 5.0 + 7.0) / 3,
        3,
    )  # minutes 2 and 3 had no tick; an older tick counts to the running minute


def test_twap_equals_the_recorded_values_where_a_minute_comes_once():
    """A second bar of the running minute is its later close here; the original ignored it, and counted an older minute twice."""
    twap, last = Twap(), None
    for step in rows(VECTORS["twap"]):
        bars = [bar for bar in step["bars"] if isinstance(bar[0], float)]
        if step["op"] == "reset":
            twap, last = Twap(), None
        if step["symbol"] == "EUR/USD" or not bars:
            continue
        repeated = last is not None and bars[-1][1] <= last
        if repeated:
            continue
        for close, timestamp in bars:
            twap.fold(close, timestamp)
            last = timestamp
        assert twap.value == step["told"]


def test_point_of_control_and_value_area_are_the_recorded_ones():
    for case in rows(VECTORS["profiles"]):
        prices, volumes = case["prices"], case["volumes"]
        at = point_of_control(volumes)
        assert (None if at is None else prices[at]) == case["poc"]
        for share, name in ((0.7, "area_70"), (0.5, "area_50")):
            area = value_area(volumes, sum(volumes), share)
            assert [area and prices[area[0]], area and prices[area[1]]] == case[name]


CHANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=8)


@settings(max_examples=100)
@given(st.lists(CHANGES, min_size=1, max_size=12), st.sampled_from([0.1, 0.5, 0.7, 0.95, 1.0]))
def test_a_value_area_found_from_the_last_one_is_the_one_found_from_scratch(rounds, share):
    area, volumes = ValueArea(), {}
    for changes in rounds:
        for index, volume in changes:
            volumes[index] = volumes.get(index, 0) + volume
        if len(volumes) > 20:  # as a window does that moves on
            volumes = {index: volume for index, volume in volumes.items() if index % 3}
        indexes = sorted(volumes)
        values = [volumes[index] for index in indexes]
        start = point_of_control(values)
        assert area.find(indexes, values, start, share * sum(values)) == value_area(values, sum(values), share)


def daily(case):
    """Convert the venue's bars; the venue omits a height of 0."""
    for minutes, low, height in case["daily"]:
        digits = case["digits"]
        yield Bar(minutes * 60_000, rounded((low + (height or 0)) / 100_000, digits), rounded(low / 100_000, digits))


def test_the_average_daily_range_and_its_projection_are_the_recorded_ones():
    refused = 0
    for case in rows(VECTORS["daily_ranges"]):
        average = DailyRanges(case["digits"], tuple(daily(case)), None).average(None, case["lookback"])
        expected = case["told"]
        if expected is None:  # only today's bar
            assert average is None
            refused += 1
            continue
        assert average.width == expected["width"]
        projected = project(expected["open"], average)
        assert (projected.high, projected.low, projected.source) == (expected["high"], expected["low"], "days")
    assert refused == 1


def test_a_bar_that_opens_at_new_yorks_close_belongs_to_the_day_it_mostly_lies_in():
    bars = tuple(Bar(day * DAY - 3 * 3_600_000, 1.0 + day, 1.0) for day in (1, 2, 3))
    assert DailyRanges(5, bars, None).average(3, 14)[:2] == (1.5, 2)  # the bar from day 2, 21:00 is day 3's, which is today's


def test_a_given_average_stands_for_the_days_it_was_made_of():
    ranges = DailyRanges(5, (), 0.008)
    assert ranges.average(10, 4)[:2] == (0.008, 0)
    ranges.end_day(10, 1.016, 1.0, 4)
    assert ranges.average(11, 4).width == pytest.approx((0.008 * 3 + 0.016) / 4)
    for day in range(11, 20):
        ranges.end_day(day, 1.016, 1.0, 4)
    assert len(ranges.bars) == 4
    assert ranges.average(20, 4).width == pytest.approx(0.016)


def test_a_day_that_is_known_already_and_was_lived_through_in_part_is_the_wider_of_both():
    ranges = DailyRanges(5, (Bar(DAY, 1.2, 1.1), Bar(2 * DAY, 1.3, 1.2)), None)
    ranges.end_day(2, 1.25, 1.15, 14)
    assert list(ranges.bars) == [Bar(DAY, 1.2, 1.1), Bar(2 * DAY, 1.3, 1.15)]


@pytest.mark.parametrize(("price", "shown"), [(1.0, 0.3), (1.25, 0.3), (1.31, 0.5), (0.4, 0.75), (0.2, 1.0), (9.0, 1.0)])
def test_tiers_follow_the_distance_from_the_open(price, shown):
    assert tier(price, 1.0, 1.0) == shown


def test_a_range_of_nothing_is_left_by_any_move():
    assert (tier(1.0, 1.0, 0.0), tier(1.1, 1.0, 0.0)) == (0.3, 1.0)


def test_a_flash_is_kept_for_a_second_of_the_ticks_clock():
    flash = Flash()
    assert flash.shown(0) is None
    flash.fold(2.5, "up", 500)
    assert flash.shown(1500) == {"magnitude": 2.5, "direction": "up", "id": 500}
    assert flash.shown(1501) is None


def test_markers_rise_with_moves_and_are_reset_together():
    markers = Deflection()
    markers.fold(1, 3.0, 1000, 10_000)
    markers.fold(1, 2.0, 2000, 10_000)
    markers.fold(-1, 4.0, 3000, 10_000)
    markers.fold(0, 0.0, 13_000, 10_000)
    assert markers.shown() == {"up": 3.0, "down": 4.0, "at": 3000}
    markers.fold(-1, 1.0, 13_001, 10_000)
    assert markers.shown() == {"up": 0.0, "down": 1.0, "at": 13_001}


def test_the_window_keeps_a_tick_of_exactly_ten_seconds():
    score = Volatility()
    for at in (0, 10_000):
        score.fold(1.0, at, 0.8, 0.2)
    assert score.ticks_per_s == 0.2
    score.fold(1.0, 10_001, 0.8, 0.2)
    assert score.ticks_per_s == 0.2


def test_smoothing_is_the_share_kept_of_the_old_score():
    assert gain(0.8) == 0.2
    score = Volatility()
    score.fold(None, 0, 0.0, 1.0)
    score.fold(2.0, 0, 0.0, 1.0)
    assert score.value == 1.0 * 0.6 + 0.2 / 5 * 0.4
    assert Volatility().value == START
